// How the services do now, and did for the last minutes.

import { h } from "../dom.js";
import { clock } from "../format.js";
import { loadFigures, WINDOW } from "../model/figures.js";
import { state } from "../store.js";
import { panel } from "./panel.js";
import { empty, missing } from "./parts.js";

/** @import { Figures } from "../types.js" */

/** The axis of time is one of these, in milliseconds: it grows in steps, not all the time. */
const SPANS = [2 * 60_000, 5 * 60_000, WINDOW];

export function overviewView() {
  const { figures, figuresError } = state;
  return [
    h(
      "div",
      { class: "title" },
      h("h1", null, "Overview"),
      h("span", { class: "muted" }, "Rate, errors, duration and what they cost, from each service's own metrics"),
      h("span", { class: "grow" }),
      h(
        "span",
        { class: "muted mono" },
        `${clock(state.hover ?? figures?.services[0]?.points.at(-1)?.time ?? state.now)} UTC`,
      ),
    ),
    !figures && missing("The figures cannot be read", figuresError, loadFigures, 560),
    figures &&
      (figures.services.length === 0
        ? h(
            "div",
            { class: "card" },
            empty("No service is watched", "The showcase reads the metrics of ping and pong; it has started none."),
          )
        : panels(figures)),
  ];
}

/** @param {Figures} figures */
function panels(figures) {
  const all = figures.services.flatMap(({ points }) => points);
  const last = all.reduce((latest, { time }) => Math.max(latest, time), 0) || state.now;
  const first = all.reduce((oldest, { time }) => Math.min(oldest, time), last);
  const span = SPANS.find((span) => span >= last - first) ?? WINDOW;
  return h(
    "div",
    { class: "panels" },
    figures.services.map((service) => panel(service, [last - span, last])),
  );
}
