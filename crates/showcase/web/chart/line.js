// Lines over time. The picture is stretched to its place, so it needs no measuring; words and points lie above it.

import { h } from "../dom.js";
import { state, update } from "../store.js";
import { gridLine, marksOn, timeAxis } from "./frame.js";
import { ticks } from "./scale.js";

/** @import { Child } from "../dom.js" */
/** @import { Mark } from "./frame.js" */

/** @typedef {{ name: string, colour: string, dash?: boolean, values: (number | null)[] }} Series A value for each time. */
/**
 * @typedef {object} Lines
 * @property {string} title
 * @property {string} [key] Tells charts of one title apart.
 * @property {number[]} times Unix milliseconds.
 * @property {Series[]} series
 * @property {[number, number]} range Of time.
 * @property {(value: number | null | undefined) => string} format
 * @property {Lines["format"]} [say] Of a value in the legend, if that says it otherwise than the axis.
 * @property {number} least The axis goes at least up to this.
 * @property {Mark[]} [marks]
 * @property {Child} [aside] At the right of the title.
 * @property {boolean} [small]
 */

/** @param {Lines} lines */
export function lineChart(lines) {
  const { title, times, series, range, format, say = format, marks = [], aside, small } = lines;
  const [from, to] = range;
  const high = series
    .flatMap(({ values }) => values)
    .reduce((/** @type {number} */ most, value) => Math.max(most, value ?? 0), lines.least);
  const top = marks.reduce((most, { value }) => Math.max(most, value), high);
  const steps = ticks(top, small ? 2 : 3);
  const ceiling = /** @type {number} */ (steps.at(-1));
  const at = state.hover === null ? times.length - 1 : closest(times, state.hover);
  const across = (/** @type {number} */ time) => (time - from) / (to - from);
  const hovered = times[at];
  const words = series.map(({ name, values }) => `${name} ${say(values.at(-1))}`).join(", ");
  return h(
    "figure",
    { class: `chart${small ? " small" : ""}`, key: lines.key ?? title },
    h(
      "figcaption",
      null,
      h("h3", null, title),
      h(
        "span",
        { class: "legend" },
        series.map((one) => entry(one, at, say, series.length)),
      ),
      aside,
    ),
    h(
      "div",
      {
        class: "plot",
        onpointermove: (/** @type {PointerEvent} */ event) => hover(event, range),
        onpointerleave: () => update({ hover: null }),
      },
      steps.map((value) => gridLine(value / ceiling, format(value))),
      h(
        "svg",
        { viewBox: "0 0 1000 100", preserveAspectRatio: "none", role: "img", "aria-label": `${title}: ${words}` },
        series.flatMap((one) => paths(one, times, across, ceiling, series.length === 1)),
      ),
      state.hover !== null &&
        hovered !== undefined &&
        h("div", { class: "cursor", style: { left: `${across(hovered) * 100}%` } }),
      marksOn(marks, range, across, (value) => value / ceiling),
    ),
    !small && timeAxis(range),
  );
}

/** @param {Series} series @param {number} at @param {Lines["format"]} format @param {number} count */
function entry({ name, colour, values }, at, format, count) {
  return h(
    "span",
    { class: "entry" },
    count > 1 && h("i", { style: { background: colour } }),
    count > 1 && h("span", { class: "muted" }, name),
    h("b", null, format(values[at])),
  );
}

/**
 * @param {Series} series
 * @param {number[]} times
 * @param {(time: number) => number} across
 * @param {number} ceiling
 * @param {boolean} alone
 */
function paths({ values, colour, dash }, times, across, ceiling, alone) {
  let line = "";
  let area = "";
  let start = "";
  let last = "";
  const close = () => {
    if (start) area += `L${last} 100L${start} 100Z`;
    start = "";
  };
  values.forEach((value, index) => {
    if (value === null || value === undefined) return close();
    const x = (across(/** @type {number} */ (times[index])) * 1000).toFixed(1);
    const point = `${x} ${(100 - (value / ceiling) * 100).toFixed(2)}`;
    line += start ? `L${point}` : `M${point}h0`;
    area += start ? `L${point}` : `M${point}`;
    start ||= x;
    last = x;
  });
  close();
  const stroke = {
    d: line,
    fill: "none",
    class: "line",
    "stroke-dasharray": dash ? "4 4" : null,
    style: { stroke: colour },
  };
  return [
    alone && h("path", { key: "area", d: area, class: "area", style: { fill: colour } }),
    h("path", { ...stroke, key: colour + dash }),
  ].filter((node) => node !== false);
}

/** @param {number[]} times Sorted. @param {number} time */
function closest(times, time) {
  let best = 0;
  times.forEach((one, index) => {
    if (Math.abs(one - time) < Math.abs(/** @type {number} */ (times[best]) - time)) best = index;
  });
  return best;
}

/** @param {PointerEvent} event @param {[number, number]} range */
function hover(event, [from, to]) {
  const box = /** @type {Element} */ (event.currentTarget).getBoundingClientRect();
  update({ hover: from + ((event.clientX - box.left) / box.width) * (to - from) });
}
