// Every instrument, and the points of one.

import { sentence } from "../api.js";
import { replace } from "../route.js";
import { changed, state } from "../store.js";
import { dimensions, EACH, isHistogram, pointsOf } from "./instrument.js";
import { ask } from "./sql.js";
import { nanos, windowTo } from "./window.js";

/** @import { Point } from "./instrument.js" */
/** @import { Window } from "./window.js" */

/**
 * @typedef {object} Instrument
 * @property {string} service
 * @property {string} scope
 * @property {string} name
 * @property {string} kind
 * @property {string | null} unit
 * @property {string | null} description
 * @property {string | null} temporality
 * @property {number | null} monotonic
 * @property {number} points In the window.
 */

/** Points of one instrument that are drawn, the newest. */
const MOST = 20_000;

export const metrics = {
  list: /** @type {Instrument[] | null} */ (null),
  open: /** @type {Instrument | null} */ (null),
  points: /** @type {Point[] | null} */ (null),
  truncated: false,
  window: /** @type {Window} */ ({ from: 0, to: 0 }),
  error: "",
  /** Typed, to find an instrument. */
  text: "",
};

let count = 0;
/** A heavy question is not asked again at once. */
let rest = 0;

/** @param {boolean} [entered] Whether somebody has come to the view, or has changed the address. */
export async function loadMetrics(entered = false) {
  if (!entered && Date.now() < rest) return;
  const number = (count += 1);
  rest = Infinity;
  const start = performance.now();
  try {
    let window = windowTo(undefined);
    let list = await instruments(window);
    if (list.length === 0) {
      const [newest] = await ask("select max(time_unix_nanos) / 1e6 as time from metrics");
      window = windowTo(newest?.time ?? undefined);
      list = await instruments(window);
    }
    const open = list.find(isOpen) ?? null;
    const rows = open ? await pointsIn(open, window) : [];
    if (number !== count) return;
    const points = open && pointsOf(rows);
    Object.assign(metrics, { list, open, points, truncated: rows.length === MOST, window, error: "" });
  } catch (error) {
    if (number === count) metrics.error = sentence(error);
  }
  if (number === count) rest = Date.now() + 5 * (performance.now() - start);
  changed();
}

/** @param {Window} window @returns {Promise<Instrument[]>} */
function instruments({ from, to }) {
  return ask(
    `select service, coalesce(scope_name, '') as scope, name, kind, unit, max(description) as description,
            max(temporality) as temporality, max(monotonic) as monotonic, count(*) as points
     from metrics where time_unix_nanos >= ?1 and time_unix_nanos <= ?2
     group by service, scope, name, kind, unit order by service, scope, name`,
    [nanos(from), nanos(to)],
  );
}

/** @param {Instrument} instrument @param {Window} window */
function pointsIn({ service, scope, name }, { from, to }) {
  return ask(
    `select kind, time_unix_nanos, start_unix_nanos, attributes, value, count, sum, min, buckets, exemplars, resource
     from metrics where time_unix_nanos >= ?1 and time_unix_nanos <= ?2 and service = ?3
       and coalesce(scope_name, '') = ?4 and name = ?5
     order by time_unix_nanos desc limit ${MOST}`,
    [nanos(from), nanos(to), service, scope, name],
    MOST,
  );
}

const get = (/** @type {string} */ name) => state.route.query.get(name) ?? "";

/** Whether the address names it. @param {Instrument} instrument */
export const isOpen = ({ service, scope, name }) =>
  service === get("service") && scope === get("scope") && name === get("name");

/** @param {Instrument} instrument */
export function instrumentAddress({ service, scope, name }) {
  const query = new URLSearchParams({ service, scope, name });
  const minutes = get("minutes");
  if (minutes) query.set("minutes", minutes);
  return `#/metrics?${query}`;
}

/** By what the lines differ: an attribute, all of them, or nothing. @param {Point[]} points */
export function grouping(points) {
  const by = state.route.query.get("by");
  if (by !== null && (by === "" || by === EACH || dimensions(points).includes(by))) return by;
  return metrics.open && isHistogram(metrics.open) ? "" : EACH;
}

/** @param {string} by */
export function group(by) {
  const query = new URLSearchParams(state.route.query);
  query.set("by", by);
  replace(`#/metrics?${query}`);
  changed();
}
