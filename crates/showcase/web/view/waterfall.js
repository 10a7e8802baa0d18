// The spans of a trace as a tree beside a timeline.

import { colourOf } from "../colours.js";
import { h } from "../dom.js";
import { duration, rounded } from "../format.js";
import { fold, moveTo, rowHeight, visibleSpans } from "../model/trace.js";
import { ticks } from "../chart/scale.js";
import { state } from "../store.js";
import { minimap } from "../chart/minimap.js";
import { swatch, unseen } from "./parts.js";
import { virtual } from "./virtual.js";

/** @import { OpenTrace, Span, Trace } from "../types.js" */

/** Deeper spans are not moved in further: their names would leave the column. */
const DEEPEST = 14;

/** @param {OpenTrace} open @param {Trace} trace */
export function waterfall(open, trace) {
  const from = open.range.from * trace.duration;
  const length = Math.max((open.range.to - open.range.from) * trace.duration, 1e-6);
  const spans = visibleSpans(open);
  const place = (/** @type {number} */ time) => ((time - from) / length) * 100;
  const step = length / (state.narrow ? 2 : 4);
  const props = { class: "spans" };
  const tree = { role: "tree", "aria-label": "Spans", tabindex: open.cursor ? null : "0" };
  return h(
    "section",
    { class: "waterfall card", "aria-label": "Timeline" },
    minimap(open, trace),
    h(
      "div",
      { class: "ruler", "aria-hidden": "true" },
      h(
        "span",
        { class: "ruler-name" },
        `${spans.length.toLocaleString("en")} of ${trace.spans.length.toLocaleString("en")} spans`,
      ),
      h(
        "div",
        { class: "track" },
        ticks(length * 0.95, state.narrow ? 2 : 5)
          .filter((tick) => tick <= length - step * 0.2)
          .map((tick) =>
            h("span", { class: "tick", style: { left: `${(tick / length) * 100}%` } }, rounded(duration(from + tick))),
          ),
      ),
    ),
    virtual(
      open,
      spans,
      rowHeight(),
      props,
      tree,
      (span) => [spans.length, open.closed.has(span.id), open.cursor === span.id, from, length, state.narrow],
      (span, index, style) => row(open, span, index, spans.length, style, place),
    ),
  );
}

/**
 * @param {OpenTrace} open
 * @param {Span} span
 * @param {number} index
 * @param {number} count
 * @param {Record<string, string>} style
 * @param {(time: number) => number} place In percent of the timeline.
 */
function row(open, span, index, count, style, place) {
  const closed = open.closed.has(span.id);
  const parent = span.children.length > 0;
  const chosen = open.cursor === span.id;
  const click = (/** @type {MouseEvent} */ event) => {
    const caret = /** @type {Element} */ (event.target).classList.contains("caret");
    if (caret && parent) fold(span.id, !closed);
    else void moveTo(span.id);
  };
  return h(
    "div",
    {
      key: span.id,
      class: `span-row${chosen ? " chosen" : ""}${span.error ? " bad" : ""}`,
      style,
      role: "treeitem",
      "aria-level": span.depth + 1,
      "aria-posinset": index + 1,
      "aria-setsize": count,
      "aria-selected": String(chosen),
      "aria-expanded": parent ? String(!closed) : null,
      tabindex: chosen ? "0" : "-1",
      focus: chosen,
      onclick: click,
    },
    name(span, parent, closed),
    track(span, place),
  );
}

/** @param {Span} span @param {boolean} parent @param {boolean} closed */
function name(span, parent, closed) {
  const indent = Math.min(span.depth, DEEPEST) * (state.narrow ? 9 : 15);
  return h(
    "div",
    { class: "span-name", style: { "padding-left": `${indent}px` } },
    h("span", { class: `caret${parent ? "" : " none"}${closed ? " closed" : ""}` }),
    swatch(span.service),
    unseen(`${span.service}: `),
    h("span", { class: "text" }, span.name),
    span.error && h("span", { class: "mark-error", title: span.message || "Error" }, "!", unseen(" error")),
    h("span", { class: `kind ${span.kind === "INTERNAL" ? "manual" : ""}`, title: span.kind }, span.kind.toLowerCase()),
  );
}

/** @param {Span} span @param {(time: number) => number} place */
function track(span, place) {
  const left = place(span.start);
  const right = place(span.start + span.duration);
  // The figure stands beside the bar, where there is room.
  const before = right > 82;
  const label = before
    ? { right: `calc(${100 - Math.max(left, 0)}% + 6px)` }
    : { left: `calc(${Math.max(right, 0)}% + 6px)` };
  const inside = left < (state.narrow ? 26 : 12) && before;
  return h(
    "div",
    { class: "track" },
    right >= 0 &&
      left <= 100 &&
      h("div", {
        class: `bar${span.kind === "INTERNAL" ? " manual" : ""}`,
        style: { left: `${left}%`, width: `max(${right - left}%, 2px)`, "--colour": colourOf(span.service) },
      }),
    span.critical.map(([start, end]) =>
      h("div", {
        class: "critical",
        style: { left: `${place(start)}%`, width: `max(${place(end) - place(start)}%, 1px)` },
      }),
    ),
    span.events.slice(0, 64).map((event) =>
      h("div", {
        class: `event${event.name === "exception" ? " bad" : ""}`,
        title: event.name,
        style: { left: `${place(event.time)}%` },
      }),
    ),
    h(
      "span",
      {
        class: `bar-label${inside ? " inside" : ""}`,
        style: inside ? { left: `calc(${Math.max(left, 0)}% + 8px)` } : label,
      },
      duration(span.duration),
    ),
  );
}
