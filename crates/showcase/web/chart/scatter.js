// Latency over time, a dot a trace, on a canvas: thousands of elements would be slow. Dragging over dots asks what they have
// in common.

import { colourOf, resolve } from "../colours.js";
import { h } from "../dom.js";
import { clock, duration, rounded } from "../format.js";
import { ask } from "../model/why.js";
import { go, traceAddress } from "../route.js";
import { changed, state } from "../store.js";
import { logTicks } from "./scale.js";

/** @import { Summary } from "../types.js" */

const RADIUS = 3;
/** A dot is hit within this distance, in pixels. */
const NEAR = 12;
const LEFT = 72;
const BOTTOM = 20;
const TOP = 8;
const RIGHT = 20;

/** A pointer that moves less than this many pixels has not dragged. */
const STILL = 4;

/** @typedef {{ x: number, y: number }} Place */

/** @type {{ canvas: HTMLCanvasElement | null, list: Summary[], services: string[], dots: (Place & { summary: Summary })[], near: Summary | null, drawn: string,
 *   from: Place | null, to: Place | null, dragged: boolean }} */
const picture = {
  canvas: null,
  list: [],
  services: [],
  dots: [],
  near: null,
  drawn: "",
  from: null,
  to: null,
  dragged: false,
};

/** @param {Summary[]} list Newest first. */
export function scatter(list) {
  const { near } = picture;
  const text = near ? `${clock(near.start)}  ${near.root?.name ?? "?"}  ${duration(near.duration)}` : "";
  return h(
    "div",
    { class: "scatter card" },
    h("canvas", {
      role: "img",
      "aria-label": `Latency of ${list.length} traces over time; the list below has the same traces`,
      class: near ? "hit" : "",
      drawn: (/** @type {HTMLCanvasElement} */ canvas) => draw(canvas, list),
      onpointerdown: press,
      onpointermove: (/** @type {PointerEvent} */ event) => (picture.from ? drag(event) : look(nearest(event))),
      onpointerup: release,
      onpointercancel: () => end(),
      onpointerleave: () => look(null),
      onclick: (/** @type {PointerEvent} */ event) => {
        const found = picture.dragged ? null : nearest(event);
        if (found) go(traceAddress(found.id));
      },
    }),
    h("span", { class: "scatter-tip mono", "aria-hidden": "true" }, text),
  );
}

/** @param {Summary | null} near */
function look(near) {
  if (near === picture.near) return;
  picture.near = near;
  changed();
}

/** A finger scrolls: the buttons below are for it. @param {PointerEvent} event */
function press(event) {
  picture.dragged = false;
  if (event.button !== 0 || event.pointerType === "touch") return;
  picture.from = placeOf(event);
  picture.canvas?.setPointerCapture(event.pointerId);
}

/** @param {PointerEvent} event */
function drag(event) {
  const { from } = picture;
  const to = placeOf(event);
  if (!from || (!picture.dragged && Math.hypot(to.x - from.x, to.y - from.y) < STILL)) return;
  Object.assign(picture, { to, dragged: true, near: null });
  changed();
}

function release() {
  const { from, to, dots } = picture;
  end();
  if (!from || !to) return;
  const [left, right] = [Math.min(from.x, to.x), Math.max(from.x, to.x)];
  const [top, bottom] = [Math.min(from.y, to.y), Math.max(from.y, to.y)];
  const inside = dots.filter(({ x, y }) => x >= left && x <= right && y >= top && y <= bottom);
  const ids = new Set(inside.map(({ summary }) => summary.id));
  void ask("Those you have dragged over", ({ id }) => ids.has(id));
}

function end() {
  Object.assign(picture, { from: null, to: null });
  changed();
}

/** @param {PointerEvent} event @returns {Place} */
function placeOf(event) {
  const box = /** @type {Element} */ (event.currentTarget).getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
}

/** @param {PointerEvent} event */
function nearest(event) {
  const { x, y } = placeOf(event);
  let best = null;
  let distance = NEAR;
  for (const dot of picture.dots) {
    const away = Math.hypot(dot.x - x, dot.y - y);
    if (away < distance) [best, distance] = [dot.summary, away];
  }
  return best;
}

/** @param {HTMLCanvasElement} canvas @param {Summary[]} list */
function draw(canvas, list) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const { from, to } = picture;
  const selection = from && to ? `${from.x} ${from.y} ${to.x} ${to.y}` : "";
  const key = `${width} ${height} ${state.dark} ${list.length} ${picture.near?.id} ${selection} ${state.why?.selected.size}`;
  const { services } = state; // colours follow from them
  const same =
    list === picture.list && key === picture.drawn && canvas === picture.canvas && services === picture.services;
  if (width === 0 || same) return;
  Object.assign(picture, { canvas, list, services, drawn: key });
  const scale = devicePixelRatio;
  canvas.width = width * scale;
  canvas.height = height * scale;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.scale(scale, scale);
  const [x, y, times, lengths] = scales(list, width, height);
  axes(context, width, height, x, y, times, lengths);
  picture.dots = list.map((summary) => ({ x: x(summary.start), y: y(summary.duration), summary }));
  const colours = new Map();
  const colour = (/** @type {string} */ value) => {
    if (!colours.has(value)) colours.set(value, resolve(value));
    return colours.get(value);
  };
  const chosen = state.why?.selected;
  // Errors last: they lie on top.
  for (const bad of [false, true]) {
    for (const dot of picture.dots) {
      const { id, errors, root } = dot.summary;
      if (errors > 0 !== bad) continue;
      context.globalAlpha = chosen && !chosen.has(id) ? 0.15 : bad ? 0.95 : 0.7;
      context.fillStyle = colour(bad ? "var(--error)" : root ? colourOf(root.service) : "var(--muted)");
      mark(context, dot.x, dot.y, bad);
    }
  }
  const near = picture.dots.find((dot) => dot.summary.id === picture.near?.id);
  if (near) ring(context, near.x, near.y, colour("var(--text)"));
  if (from && to) {
    context.globalAlpha = 1;
    context.strokeStyle = colour("var(--accent)");
    context.strokeRect(from.x, from.y, to.x - from.x, to.y - from.y);
    context.globalAlpha = 0.12;
    context.fillStyle = colour("var(--accent)");
    context.fillRect(from.x, from.y, to.x - from.x, to.y - from.y);
  }
}

/**
 * Errors are squares: not everybody tells the colours apart.
 * @param {CanvasRenderingContext2D} context
 * @param {number} x
 * @param {number} y
 * @param {boolean} bad
 */
function mark(context, x, y, bad) {
  context.beginPath();
  if (bad) context.rect(x - RADIUS, y - RADIUS, RADIUS * 2, RADIUS * 2);
  else context.arc(x, y, RADIUS, 0, Math.PI * 2);
  context.fill();
}

/** @param {CanvasRenderingContext2D} context @param {number} x @param {number} y @param {string} colour */
function ring(context, x, y, colour) {
  context.globalAlpha = 1;
  context.strokeStyle = colour;
  context.lineWidth = 1.5;
  context.beginPath();
  context.arc(x, y, RADIUS + 3, 0, Math.PI * 2);
  context.stroke();
}

/** @typedef {(value: number) => number} Scale */
/**
 * @param {Summary[]} list
 * @param {number} width
 * @param {number} height
 * @returns {[Scale, Scale, [number, number], [number, number]]}
 */
function scales(list, width, height) {
  let [oldest, newest] = [Infinity, -Infinity];
  let [low, high] = [Infinity, 0];
  for (const { start, duration } of list) {
    oldest = Math.min(oldest, start);
    newest = Math.max(newest, start);
    low = Math.min(low, Math.max(duration, 0.001));
    high = Math.max(high, duration);
  }
  oldest = Math.min(oldest, newest - 10_000);
  [low, high] = [low / 1.5, Math.max(high, low) * 1.5];
  const across = (width - LEFT - RIGHT) / (newest - oldest);
  const up = (height - TOP - BOTTOM) / Math.log(high / low);
  return [
    (time) => LEFT + (time - oldest) * across,
    (value) => height - BOTTOM - Math.log(Math.max(value, low) / low) * up,
    [oldest, newest],
    [low, high],
  ];
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} width
 * @param {number} height
 * @param {Scale} x
 * @param {Scale} y
 * @param {[number, number]} times @param {[number, number]} lengths
 */
function axes(context, width, height, x, y, times, lengths) {
  context.font = `11px ${resolve("var(--font)")}`;
  context.fillStyle = resolve("var(--muted)");
  context.strokeStyle = resolve("var(--line)");
  context.lineWidth = 1;
  context.textBaseline = "middle";
  context.textAlign = "right";
  for (const value of logTicks(...lengths, 4)) {
    context.fillText(rounded(duration(value)), LEFT - 10, y(value));
    context.beginPath();
    context.moveTo(LEFT, Math.round(y(value)) + 0.5);
    context.lineTo(width - RIGHT, Math.round(y(value)) + 0.5);
    context.stroke();
  }
  context.textBaseline = "alphabetic";
  const count = Math.max(2, Math.floor(width / 180));
  for (let index = 0; index < count; index += 1) {
    const time = times[0] + ((times[1] - times[0]) * index) / (count - 1);
    context.textAlign = index === 0 ? "left" : index === count - 1 ? "right" : "center";
    context.fillText(clock(time), x(time), height - 5);
  }
}
