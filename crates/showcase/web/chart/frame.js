// What a chart over time has around its picture, and points on it that lead somewhere.

import { h } from "../dom.js";
import { clock, rounded } from "../format.js";

/** @typedef {{ time: number, value: number, href: string, label: string }} Mark A point that leads somewhere. */

/** A line across, with what it stands for. @param {number} part Of the height. @param {string} text */
export function gridLine(part, text) {
  return h("div", { class: "grid-line", style: { bottom: `${part * 100}%` } }, h("span", null, rounded(text)));
}

/**
 * @param {Mark[]} marks
 * @param {[number, number]} range Of time: what lies outside of it is left out.
 * @param {(time: number) => number} across Part of the width.
 * @param {(value: number) => number} up Part of the height.
 */
export function marksOn(marks, [from, to], across, up) {
  return marks
    .filter(({ time }) => time >= from && time <= to)
    .map((mark) =>
      h("a", {
        key: mark.href,
        class: "mark",
        href: mark.href,
        "aria-label": mark.label,
        title: mark.label,
        style: { left: `${across(mark.time) * 100}%`, bottom: `${up(mark.value) * 100}%` },
      }),
    );
}

/** The axis of time. @param {[number, number]} range */
export function timeAxis([from, to]) {
  return h(
    "div",
    { class: "times", "aria-hidden": "true" },
    [0, 0.5, 1].map((part) => h("span", null, clock(from + (to - from) * part))),
  );
}
