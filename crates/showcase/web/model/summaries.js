// The list of traces: asked for once, then kept up to date by what the server sends.

import { get, sentence } from "../api.js";
import { changed, state } from "../store.js";
import { servicesCame } from "./services.js";

/** @import { Summary } from "../types.js" */

/** As many as the list holds. */
const LIMIT = 5000;
/** Pause before a filtered list is asked for again, in milliseconds. */
const AGAIN = 1000;
const PARAMETERS = ["service", "operation", "text", "attribute", "minDuration", "errors"];

let asked = "";
let count = 0;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let again;

/** The search of the address, as the API takes it. */
function search() {
  const query = new URLSearchParams();
  for (const [name, value] of state.route.query) if (PARAMETERS.includes(name) && value) query.append(name, value);
  return query;
}

/** Whether the list shows less than everything. */
export const filtered = () => search().size > 0;

/** Asks if the search has changed, or always. @param {boolean} [always] */
export async function loadSummaries(always = false) {
  const query = search();
  const wanted = query.toString();
  if (!always && wanted === asked && state.traces.list.length > 0) return;
  const other = wanted !== asked;
  asked = wanted;
  const number = (count += 1);
  const { traces } = state;
  if (other) Object.assign(traces, { loading: true, cursor: "", scroll: 0, moved: true });
  changed();
  query.set("limit", String(LIMIT));
  try {
    const answer = await get(`api/summaries?${query}`);
    if (number !== count) return; // somebody has typed on
    Object.assign(traces, {
      list: answer.traces,
      kept: answer.kept,
      waiting: [],
      missed: false,
      loading: false,
      error: "",
    });
  } catch (error) {
    if (number === count) Object.assign(traces, { loading: false, error: sentence(error) });
  }
  changed();
}

/** What the server has sent: a trace that is new, or has more spans. @param {Summary} summary */
export function summaryCame(summary) {
  const { traces } = state;
  if (summary.services.some(({ name }) => !state.services.includes(name))) servicesCame();
  if (filtered()) {
    // Only the server can tell what matches.
    again ??= setTimeout(() => ((again = undefined), summariesMissed()), AGAIN);
    return;
  }
  if (replaced(traces.list, summary) || replaced(traces.waiting, summary)) return changed();
  traces.kept += 1;
  if (traces.paused) traces.waiting = insert(traces.waiting, summary);
  else traces.list = insert(traces.list, summary);
  changed();
}

/** Some have come of which nothing is known here. */
export function summariesMissed() {
  if (!state.traces.paused) return void loadSummaries(true);
  state.traces.missed = true;
  changed();
}

/** @param {Summary[]} list @param {Summary} summary */
function replaced(list, summary) {
  const index = list.findIndex(({ id }) => id === summary.id);
  if (index >= 0) list[index] = summary;
  return index >= 0;
}

/** Newest first. @param {Summary[]} list @param {Summary} summary */
function insert(list, summary) {
  let index = 0;
  while (index < list.length && /** @type {Summary} */ (list[index]).start > summary.start) index += 1;
  return [...list.slice(0, index), summary, ...list.slice(index)].slice(0, LIMIT);
}

/** While one reads, nothing moves. @param {boolean} paused */
export function pause(paused) {
  const { traces } = state;
  if (traces.paused === paused) return;
  traces.paused = paused;
  if (!paused) bringWaiting();
  changed();
}

/** Puts what came meanwhile into the list. */
export function bringWaiting() {
  const { traces } = state;
  if (traces.missed) return void loadSummaries(true);
  for (const summary of traces.waiting.reverse()) traces.list = insert(traces.list, summary);
  traces.waiting = [];
  changed();
}
