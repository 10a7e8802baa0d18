// The flame graph of a trace, and figures for each name of its spans.

import { colourOf } from "../colours.js";
import { h } from "../dom.js";
import { duration, number, percent, plural } from "../format.js";
import { flame, loadFlame, zoomTo } from "../model/flame.js";
import { traceAddress } from "../route.js";
import { state } from "../store.js";
import { missing, service, tableOf } from "./parts.js";

/** @import { Frame } from "../model/flame.js" */

const ROW = 26;
/** Frames that take less of the width are left out, and so are those below so many others. */
const NARROWEST = 0.002;
const DEEPEST = 60;
/** Names in the table. */
const NAMES = 200;

export function flameView() {
  const { id, trace, root, names, error } = flame;
  return [
    h(
      "div",
      { class: "title" },
      h("a", { class: "back", href: traceAddress(id), "aria-label": "The trace" }, "←"),
      h("h1", null, "Flame graph"),
      h("span", { class: "muted" }, "Time that spans took of their own, without that of their children"),
    ),
    !trace && missing("The trace cannot be read", error, () => loadFlame(state.route.path[0] ?? ""), 420),
    root && graph(root),
    trace && table(names),
  ];
}

/** @param {Frame} root */
function graph(root) {
  const { rows, deepest } = place(root, flame.zoom);
  return h(
    "section",
    { class: "card flame", "aria-label": "Flame graph" },
    h(
      "div",
      { class: "flame-frames", style: { height: `${(deepest + 1) * ROW}px` } },
      rows.map(({ frame, depth, from, part }) => {
        const share = percent(frame.total / root.total);
        const said = `${frame.service}, ${frame.name}: ${plural(frame.spans, "span")}, ${duration(frame.total)}, ${share}`;
        return h(
          "button",
          {
            key: frame.key,
            class: frame.errors > 0 ? "bad" : "",
            title: said,
            "aria-label": said,
            "aria-pressed": String(frame.key === flame.zoom),
            style: {
              left: `${from * 100}%`,
              width: `${part * 100}%`,
              top: `${depth * ROW}px`,
              "--colour": colourOf(frame.service),
            },
            onclick: () => zoomTo(frame.key === flame.zoom ? "" : frame.key),
          },
          h("span", null, frame.name),
        );
      }),
    ),
    h(
      "p",
      { class: "muted" },
      "A frame fills the width when it is pressed, and gives it back when it is pressed again.",
    ),
  );
}

/** @typedef {{ frame: Frame, depth: number, from: number, part: number }} Placed `from` and `part` of the width. */

/** Where frames lie: callers above those they call. @param {Frame} root @param {string} zoom */
function place(root, zoom) {
  const way = wayTo(root, zoom);
  /** @type {Placed[]} */
  const rows = way.map((frame, depth) => ({ frame, depth, from: 0, part: 1 }));
  const top = way.at(-1) ?? root;
  const work = [{ frame: top, depth: way.length - 1, from: 0, part: 1 }];
  let deepest = way.length - 1;
  for (let next = work.pop(); next; next = work.pop()) {
    let { from } = next;
    for (const frame of next.frame.children) {
      const part = next.frame.total > 0 ? (frame.total / next.frame.total) * next.part : 0;
      const placed = { frame, depth: next.depth + 1, from, part };
      from += part;
      if (part < NARROWEST || placed.depth > DEEPEST) continue;
      deepest = Math.max(deepest, placed.depth);
      rows.push(placed);
      work.push(placed);
    }
  }
  return { rows, deepest };
}

/** Frames from the first one down to this. @param {Frame} root @param {string} key @returns {Frame[]} */
function wayTo(root, key) {
  const work = key ? [...root.children] : [];
  for (let next = work.pop(); next; next = work.pop()) {
    work.push(...next.children);
    if (next.key !== key) continue;
    const way = [];
    for (let on = /** @type {Frame | null} */ (next); on && on !== root; on = on.parent) way.unshift(on);
    return way;
  }
  return [];
}

/** @param {Frame[]} names */
function table(names) {
  const all = names.reduce((all, { self }) => all + self, 0);
  return h(
    "section",
    { class: "card answer-table", "aria-label": "By name", tabindex: "0", role: "region" },
    tableOf(
      ["Name", "Service", "Spans", "Errors", "Own time", "Share", "Mean", "Longest"],
      (index) => index > 1,
      names
        .slice(0, NAMES)
        .map((of) =>
          h(
            "tr",
            { key: of.key },
            h("th", { scope: "row" }, of.name),
            h("td", null, service(of.service)),
            h("td", { class: "number" }, number(of.spans)),
            h("td", { class: `number${of.errors > 0 ? " error-text" : ""}` }, number(of.errors)),
            h("td", { class: "number" }, duration(of.self)),
            h("td", { class: "number" }, percent(all > 0 ? of.self / all : 0)),
            h("td", { class: "number" }, duration(of.duration / of.spans)),
            h("td", { class: "number" }, duration(of.longest)),
          ),
        ),
    ),
  );
}
