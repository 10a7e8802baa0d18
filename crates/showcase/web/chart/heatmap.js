// How values were spread over time: a cell for each bucket and step, the stronger the more. Dots are exemplars.

import { resolve } from "../colours.js";
import { h } from "../dom.js";
import { state } from "../store.js";
import { gridLine, marksOn, timeAxis } from "./frame.js";
import { logTicks } from "./scale.js";

/** @import { Bucket } from "../model/histogram.js" */
/** @import { Mark } from "./frame.js" */

/**
 * @typedef {object} Heat
 * @property {string} title
 * @property {number[]} times Ends of the steps, unix milliseconds.
 * @property {number} step
 * @property {Bucket[][]} buckets Of each step.
 * @property {(value: number) => string} format
 * @property {Mark[]} marks
 */

/** Values below this part of the highest bound share the lowest row. */
const DEPTH = 1e6;

/** Height of the lowest cell, in pixels. */
const LEAST = 4;

/** @param {Heat} heat */
export function heatmap(heat) {
  const { title, times, step, buckets, format, marks } = heat;
  const all = buckets.flat();
  const bounds = all.flatMap(({ low, high }) => [low, high]).filter((bound) => bound > 0 && Number.isFinite(bound));
  const marked = marks.map(({ value }) => value).filter((value) => value > 0);
  const high = Math.max(...bounds, ...marked) || 1;
  const low = Math.max(Math.min(...bounds, ...marked), high / DEPTH) / 2;
  const range = /** @type {[number, number]} */ ([/** @type {number} */ (times[0]) - step, times.at(-1)]);
  const [from, to] = range;
  const across = (/** @type {number} */ time) => (time - from) / (to - from);
  const up = (/** @type {number} */ value) =>
    Math.min(1, Math.max(0, Math.log(Math.max(value, low) / low) / Math.log((high * 1.5) / low)));
  const most = all.reduce((most, { count }) => Math.max(most, count), 0);
  return h(
    "figure",
    { class: "chart heat", key: title },
    h(
      "figcaption",
      null,
      h("h3", null, title),
      h("span", { class: "legend muted" }, "stronger: more · dots open traces"),
    ),
    h(
      "div",
      { class: "plot" },
      logTicks(low, high * 1.5, 5).map((value) => gridLine(up(value), format(value))),
      h("canvas", {
        role: "img",
        "aria-label": `${title}, from ${format(low)} to ${format(high)}; the percentiles are lines above`,
        drawn: (/** @type {HTMLCanvasElement} */ canvas) => draw(canvas, heat, across, up, most),
      }),
      marksOn(marks, range, across, up),
    ),
    timeAxis(range),
  );
}

/** @type {WeakMap<HTMLCanvasElement, { buckets: Bucket[][], key: string }>} */
const drawn = new WeakMap();

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Heat} heat
 * @param {(time: number) => number} across
 * @param {(value: number) => number} up
 * @param {number} most
 */
function draw(canvas, { times, step, buckets }, across, up, most) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const key = `${width} ${height} ${state.dark} ${times[0]}`;
  const last = drawn.get(canvas);
  if (width === 0 || (last?.buckets === buckets && last.key === key)) return;
  drawn.set(canvas, { buckets, key });
  canvas.width = width * devicePixelRatio;
  canvas.height = height * devicePixelRatio;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.scale(devicePixelRatio, devicePixelRatio);
  context.fillStyle = resolve("var(--accent)");
  times.forEach((time, place) => {
    const [left, right] = [across(time - step) * width, across(time) * width];
    for (const { low, high, count } of buckets[place] ?? []) {
      const [bottom, top] = [up(low) * height, up(high) * height];
      context.globalAlpha = 0.15 + 0.85 * Math.sqrt(count / most);
      const tall = Math.max(LEAST, top - bottom - 0.5);
      context.fillRect(left, height - (top + bottom + tall) / 2, Math.max(1, right - left - 0.5), tall);
    }
  });
}
