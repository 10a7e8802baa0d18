// Which part of the time a view looks at: the last minutes up to now, or up to the newest that is kept. A file that was
// saved last week is looked at as it was then.

import { get } from "../api.js";
import { replace } from "../route.js";
import { state } from "../store.js";

/** Choices, in minutes. */
export const WINDOWS = [
  { minutes: 15, name: "15 minutes" },
  { minutes: 60, name: "1 hour" },
  { minutes: 24 * 60, name: "24 hours" },
  { minutes: 60 * 24 * 30, name: "Everything" },
];

/** As the address says. */
export function minutes() {
  const wanted = Number(state.route.query.get("minutes"));
  return WINDOWS.some(({ minutes }) => minutes === wanted) ? wanted : 15;
}

/** @typedef {{ from: number, to: number }} Window Unix milliseconds. */

/** @param {number | undefined} newest Time of the newest that is kept. @returns {Window} */
export function windowTo(newest) {
  const length = minutes() * 60_000;
  const now = Date.now();
  const to = newest !== undefined && newest < now - length ? newest + 1 : now;
  return { from: to - length, to };
}

/** When the newest trace began. @returns {Promise<number | undefined>} */
export async function newestTrace() {
  const { traces } = await get("api/summaries?limit=1");
  return traces[0] && traces[0].start + traces[0].duration;
}

/** For a parameter: SQLite counts in nanoseconds. @param {number} ms */
export const nanos = (ms) => Math.max(0, Math.floor(ms)) * 1e6;

/** Width of a step on the axis of time, for what happened within it: about sixty of them, none shorter than a second. @param {Window} window */
export function stepOf({ from, to }) {
  const steps = [1, 2, 5, 10, 15, 30, 60, 300, 1800, 3600, 12 * 3600, 24 * 3600];
  const rough = (to - from) / 1000 / 60;
  return /** @type {number} */ (steps.find((step) => step >= rough) ?? steps.at(-1)) * 1000;
}

/** @param {string} minutes */
export function chooseWindow(minutes) {
  const { view, path, query } = state.route;
  const next = new URLSearchParams(query);
  next.set("minutes", minutes);
  replace(`#/${[view, ...path.map(encodeURIComponent)].join("/")}?${next}`);
}
