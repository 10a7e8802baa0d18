// Where a long list is scrolled to.

/** @import { Place } from "../types.js" */

/**
 * Scrolls as little as shows the row as a whole.
 * @param {Place} place
 * @param {number} index
 * @param {number} row Height of one.
 */
export function bringIntoView(place, index, row) {
  const scroll = Math.min(index * row, Math.max(place.scroll, (index + 1) * row - place.height));
  if (scroll !== place.scroll) Object.assign(place, { scroll, moved: true });
}
