// The whole trace, small: where one is, and a part of it to choose by dragging.

import { colourOf, resolve } from "../colours.js";
import { h } from "../dom.js";
import { duration } from "../format.js";
import { isPart, showAll } from "../model/trace.js";
import { changed, state } from "../store.js";

/** @import { OpenTrace, Trace } from "../types.js" */

/** Shorter drags are clicks, in fractions of the width: they show everything again. */
const CLICK = 0.01;

/** Height of the line that marks an error, in pixels. */
const ERROR = 1.5;

/** @type {{ trace: Trace | null, key: string, canvas: HTMLCanvasElement | null, services: string[], from: number | null }} */
const picture = { trace: null, key: "", services: [], canvas: null, from: null };

/** @param {OpenTrace} open @param {Trace} trace */
export function minimap(open, trace) {
  const { from, to } = open.range;
  const part = { left: `${from * 100}%`, width: `${(to - from) * 100}%` };
  return h(
    "div",
    { class: "minimap" },
    legend(),
    h(
      "div",
      {
        class: "minimap-picture",
        title: "Drag to see a part of the time, click to see it all",
        onpointerdown: (/** @type {PointerEvent} */ event) => {
          picture.from = fraction(event);
          /** @type {Element} */ (event.currentTarget).setPointerCapture(event.pointerId);
        },
        onpointermove: (/** @type {PointerEvent} */ event) =>
          picture.from !== null && choose(open, picture.from, fraction(event)),
        onpointerup: (/** @type {PointerEvent} */ event) => {
          if (picture.from !== null) choose(open, picture.from, fraction(event));
          picture.from = null;
        },
      },
      h("canvas", {
        role: "img",
        "aria-label": "All spans of the trace",
        drawn: (/** @type {HTMLCanvasElement} */ canvas) => draw(canvas, trace),
      }),
      h("div", { class: `window${isPart(open) ? " part" : ""}`, style: part }),
    ),
    isPart(open) &&
      h(
        "div",
        { class: "shown-part" },
        h("span", { class: "muted" }, `${duration(from * trace.duration)} to ${duration(to * trace.duration)}`),
        h(
          "button",
          { class: "small", onclick: () => showAll(open), title: "Show the whole trace (Esc)" },
          "Whole trace",
        ),
      ),
  );
}

/** How the bars below are to be read. */
function legend() {
  const sign = (/** @type {string} */ name, /** @type {string} */ text) =>
    h("span", null, h("i", { class: "track" }, h("i", { class: name })), text);
  return h(
    "div",
    { class: "bar-legend", "aria-hidden": "true" },
    sign("bar", "request or message"),
    sign("bar internal", "internal"),
    sign("critical", "critical path"),
    sign("event", "event"),
  );
}

/** @param {PointerEvent} event */
function fraction(event) {
  const box = /** @type {Element} */ (event.currentTarget).getBoundingClientRect();
  return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
}

/** @param {OpenTrace} open @param {number} from @param {number} to */
function choose(open, from, to) {
  const short = Math.abs(to - from) < CLICK;
  open.range = short ? { from: 0, to: 1 } : { from: Math.min(from, to), to: Math.max(from, to) };
  changed();
}

/** @param {HTMLCanvasElement} canvas @param {Trace} trace */
function draw(canvas, trace) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const key = `${width} ${height} ${state.dark}`;
  const { services } = state; // colours follow from them
  const same =
    trace === picture.trace && key === picture.key && canvas === picture.canvas && services === picture.services;
  if (width === 0 || same) return;
  Object.assign(picture, { trace, key, canvas, services });
  canvas.width = width * devicePixelRatio;
  canvas.height = height * devicePixelRatio;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.scale(devicePixelRatio, devicePixelRatio);
  const colours = new Map(trace.services.map((name) => [name, resolve(colourOf(name))]));
  const error = resolve("var(--error)");
  const row = height / trace.spans.length;
  const thick = Math.max(1, Math.min(row - 1, 5));
  trace.spans.forEach((span, index) => {
    context.fillStyle = colours.get(span.service) ?? "";
    const left = trace.duration > 0 ? (span.start / trace.duration) * width : 0;
    const length = trace.duration > 0 ? (span.duration / trace.duration) * width : width;
    const top = index * row + (row - thick) / 2;
    context.fillRect(left, top, Math.max(length, 1), thick);
    if (!span.error) return;
    context.fillStyle = error;
    context.fillRect(left, top + thick - ERROR, Math.max(length, 1), ERROR);
  });
}
