// A list of which only what is in view exists.

import { h } from "../dom.js";
import { changed } from "../store.js";

/** @import { Node_, Props } from "../dom.js" */
/** @import { Place } from "../types.js" */

/** Rows above and below the view, so that scrolling never shows a gap. */
const SPARE = 8;

/**
 * The box of each list. It is only told where to scroll to when it is new or when the page has decided so: whoever
 * scrolls is ahead of what the page knows.
 * @type {WeakMap<Place, Element>}
 */
const boxes = new WeakMap();

/**
 * The row of each item as it was drawn last, and what it was drawn from: a row of which nothing has changed is the same
 * value again, and costs nothing.
 * @type {WeakMap<object, { from: unknown[], node: Node_ }>}
 */
const drawn = new WeakMap();

/**
 * @param {object} item @param {unknown[]} from @param {() => Node_} draw
 */
function remembered(item, from, draw) {
  const last = drawn.get(item);
  if (last && last.from.length === from.length && last.from.every((value, index) => value === from[index]))
    return last.node;
  const node = draw();
  drawn.set(item, { from, node });
  return node;
}

/**
 * @template {object} T
 * @param {Place} place
 * @param {T[]} items
 * @param {number} row Height of each, in pixels.
 * @param {Props} props Of the box that scrolls.
 * @param {Props} inner Of the box that holds the rows.
 * @param {(item: T) => unknown[]} from What a row depends on besides its item and its place.
 * @param {(item: T, index: number, style: Record<string, string>) => Node_} draw `style` puts it in its place.
 */
export function virtual(place, items, row, props, inner, from, draw) {
  const first = Math.max(0, Math.floor(place.scroll / row) - SPARE);
  const last = Math.min(items.length, Math.ceil((place.scroll + place.height) / row) + SPARE);
  const rows = items.slice(first, last).map((item, offset) => {
    const index = first + offset;
    const style = { transform: `translateY(${index * row}px)`, height: `${row}px` };
    return remembered(item, [index, row, ...from(item)], () => draw(item, index, style));
  });
  const scrolled = (/** @type {Event} */ event) => {
    place.scroll = /** @type {Element} */ (event.currentTarget).scrollTop;
    changed();
  };
  const placed = (/** @type {Element} */ element) => {
    if (place.moved || boxes.get(place) !== element) element.scrollTop = place.scroll;
    place.moved = false;
    boxes.set(place, element);
    if (element.clientHeight === place.height || element.clientHeight === 0) return;
    place.height = element.clientHeight;
    changed();
  };
  return h(
    "div",
    { ...props, onscroll: scrolled, drawn: placed },
    h("div", { ...inner, style: { position: "relative", height: `${items.length * row}px` } }, rows),
  );
}
