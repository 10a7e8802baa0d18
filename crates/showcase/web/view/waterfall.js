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
      (span) => [
        spans.length,
        open.closed.has(span.id),
        open.cursor === span.id,
        from,
        length,
        state.narrow,
        state.services,
      ],
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
    h("span", { class: `kind ${isInternal(span) ? "internal" : ""}`, title: span.kind }, span.kind.toLowerCase()),
  );
}

/** Further out than this nothing is drawn, in percent of the timeline: a magnified bar may be a million times as long. */
const OUTSIDE = 2;

/** @param {Span} span @param {(time: number) => number} place */
function track(span, place) {
  const within = (/** @type {number} */ at) => Math.min(100 + OUTSIDE, Math.max(-OUTSIDE, at));
  const [left, right] = [place(span.start), place(span.start + span.duration)].map(within);
  if (left === undefined || right === undefined) return null;
  const events = span.events
    .slice(0, 64)
    .map(({ name, time }) => ({ name, at: place(time) }))
    .filter(({ at }) => at >= 0 && at <= 100);
  const seen = right >= 0 && left <= 100;
  return h(
    "div",
    { class: "track" },
    seen &&
      h("div", {
        class: `bar${isInternal(span) ? " internal" : ""}`,
        style: { left: `${left}%`, width: `max(${right - left}%, 2px)`, "--colour": colourOf(span.service) },
      }),
    span.critical
      .map(([start, end]) => [within(place(start)), within(place(end))])
      .filter(([start = 0, end = 0]) => end >= 0 && start <= 100)
      .map(([start = 0, end = 0]) =>
        h("div", { class: "critical", style: { left: `${start}%`, width: `max(${end - start}%, 1px)` } }),
      ),
    seen &&
      label(
        span,
        Math.max(left, 0),
        Math.min(right, 100),
        events.map(({ at }) => at),
      ),
    events.map(({ name, at }) =>
      h("div", { class: `event${name === "exception" ? " bad" : ""}`, title: name, style: { left: `${at}%` } }),
    ),
  );
}

/** What the conventions count as internal: a span that says no kind is one. @param {Span} span */
const isInternal = ({ kind }) => kind === "INTERNAL" || kind === "UNSPECIFIED";

/**
 * The duration, beside the bar where there is room; else within it, where no event is.
 * @param {Span} span @param {number} left @param {number} right @param {number[]} events In percent, as the others.
 */
function label(span, left, right, events) {
  const text = duration(span.duration);
  const room = state.narrow ? 26 : 14;
  const free = (/** @type {number} */ from, /** @type {number} */ to) => !events.some((at) => at > from && at < to);
  if (right <= 100 - room && free(right, right + room))
    return h("span", { class: "bar-label", style: { left: `calc(${right}% + 6px)` } }, text);
  if (left >= room && free(left - room, left))
    return h("span", { class: "bar-label", style: { right: `calc(${100 - left}% + 6px)` } }, text);
  const edges = [left, ...events.filter((at) => at > left && at < right).sort((a, b) => a - b), right];
  const gaps = edges.slice(1).map((end, index) => ({ end, start: edges[index] ?? end }));
  const widest = gaps.reduce((best, gap) => (gap.end - gap.start > best.end - best.start ? gap : best));
  const middle = (widest.start + widest.end) / 2;
  return h("span", { class: "bar-label inside", style: { left: `${middle}%` } }, text);
}
