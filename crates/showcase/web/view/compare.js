// Two traces side by side, and what differs.

import { colourOf } from "../colours.js";
import { h } from "../dom.js";
import { duration, plural } from "../format.js";
import { align } from "../model/align.js";
import { go, listAddress, traceAddress } from "../route.js";
import { state } from "../store.js";
import { empty, loading, service, swatch, tableOf } from "./parts.js";

/** @import { Trace } from "../types.js" */

/** Rows that are shown: nobody reads more. */
const ROWS = 200;

export function compareView() {
  const [a = "", b = ""] = state.route.path;
  const [first, second] = [state.compare.get(a), state.compare.get(b)];
  return [
    h(
      "div",
      { class: "title" },
      h("h1", null, "Compare"),
      h("span", { class: "muted" }, "Two traces on one scale: what took longer, what is missing"),
      h("span", { class: "grow" }),
      b && h("button", { class: "small", onclick: () => go(`#/compare/${b}/${a}`) }, "Swap"),
      h("a", { class: "button small", href: listAddress() }, "Choose others"),
    ),
    b
      ? both(first, second)
      : h(
          "div",
          { class: "card" },
          empty(
            "Choose two traces",
            "Tick them in the list: a fast one and a slow one, or one before a change and one after it.",
            h("a", { class: "button", href: listAddress() }, "To the list"),
          ),
        ),
  ];
}

/** @param {Trace | string | undefined} first @param {Trace | string | undefined} second */
function both(first, second) {
  const wrong = [first, second].find((one) => typeof one === "string");
  if (wrong) return h("div", { class: "card" }, empty("A trace cannot be read", String(wrong)));
  if (typeof first !== "object" || typeof second !== "object") return loading(360);
  const longest = Math.max(first.duration, second.duration, 1e-6);
  return [
    h("div", { class: "pair" }, side(first, longest, "First"), side(second, longest, "Second")),
    h(
      "div",
      { class: "card pad scroll-x", tabindex: "0", role: "region", "aria-label": "Differences" },
      table(first, second),
    ),
  ];
}

/** @param {Trace} trace @param {number} longest @param {string} which */
function side(trace, longest, which) {
  const part = (/** @type {number} */ time) => `${(time / longest) * 100}%`;
  return h(
    "section",
    { class: "card side", "aria-label": which },
    h(
      "h2",
      null,
      h("a", { href: traceAddress(trace.id) }, trace.roots[0]?.name ?? trace.id),
      h("span", { class: "muted" }, duration(trace.duration)),
      trace.errors > 0 && h("span", { class: "badge error" }, plural(trace.errors, "error")),
    ),
    trace.spans.slice(0, 40).map((span) =>
      h(
        "div",
        { key: span.id, class: `mini-row${span.error ? " bad" : ""}` },
        h(
          "span",
          { class: "text", style: { "padding-left": `${Math.min(span.depth, 8) * 10}px` } },
          swatch(span.service),
          span.name,
        ),
        h(
          "div",
          { class: "track" },
          h("div", {
            class: "bar",
            style: {
              left: part(span.start),
              width: `max(${part(span.duration)}, 2px)`,
              "--colour": colourOf(span.service),
            },
          }),
        ),
      ),
    ),
    trace.spans.length > 40 && h("p", { class: "muted" }, `and ${plural(trace.spans.length - 40, "span")} more`),
  );
}

/** @param {Trace} first @param {Trace} second */
function table(first, second) {
  const rows = align(first, second).slice(0, ROWS);
  return tableOf(
    ["Span", "Service", "First", "Second", "Difference"],
    (index) => index > 1,
    rows.map(({ key, name, service: of, depth, a, b }) =>
      h(
        "tr",
        { key },
        h("td", { style: { "padding-left": `${depth * 14}px` } }, name),
        h("td", null, service(of)),
        h("td", { class: "number" }, a ? [duration(a.duration), a.error && " error"] : "missing"),
        h("td", { class: "number" }, b ? [duration(b.duration), b.error && " error"] : "missing"),
        h("td", { class: "number" }, a && b ? delta(b.duration - a.duration) : "–"),
      ),
    ),
  );
}

/** @param {number} ms */
function delta(ms) {
  return h("span", { class: `delta ${ms > 0 ? "more" : "less"}` }, `${ms > 0 ? "+" : "−"}${duration(Math.abs(ms))}`);
}
