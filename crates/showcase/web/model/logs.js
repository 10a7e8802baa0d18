// The table of log records: the newest that match, asked for again and again.

import { get, sentence } from "../api.js";
import { replace } from "../route.js";
import { changed, state } from "../store.js";
import { readAttributes, writeAttributes } from "./attributes.js";
import { loadServices } from "./services.js";

/** @import { LogLine } from "../types.js" */

/** Records that the table holds. */
const LIMIT = 1000;
/** Pause after the last key, in milliseconds. */
const TYPED = 250;
const PARAMETERS = ["service", "severity", "text", "attribute", "trace", "span"];

export const logs = {
  /** Newest first. */
  list: /** @type {LogLine[]} */ ([]),
  /** What came while one was reading, with the rest. */
  waiting: /** @type {LogLine[] | null} */ (null),
  /** Records in `waiting` that the list does not have. */
  news: 0,
  truncated: false,
  loading: true,
  error: "",
  chosen: /** @type {LogLine | null} */ (null),
  /** Attributes as they are typed. */
  typed: "",
  scroll: 0,
  height: 500,
  moved: false,
};

/** The search of the address, as the API takes it. */
export function search() {
  const query = new URLSearchParams();
  for (const [name, value] of state.route.query) if (PARAMETERS.includes(name) && value) query.append(name, value);
  return query;
}

let asked = "";
let count = 0;

/** @param {boolean} [entered] Whether somebody has come to the view, or has changed the address. */
export async function loadLogTable(entered = false) {
  const query = search();
  const wanted = query.toString();
  if (entered) {
    void loadServices();
    const attributes = query.getAll("attribute");
    if (String(readAttributes(logs.typed).pairs) !== String(attributes)) logs.typed = writeAttributes(attributes);
  }
  const other = wanted !== asked;
  asked = wanted;
  const number = (count += 1);
  if (other) Object.assign(logs, { loading: true, waiting: null, news: 0, chosen: null, scroll: 0, moved: true });
  changed();
  query.set("limit", String(LIMIT));
  try {
    const answer = await get(`api/logs?${query}`);
    if (number !== count) return; // somebody has typed on
    take(answer.logs.reverse(), other);
    Object.assign(logs, { truncated: answer.truncated, loading: false, error: "" });
  } catch (error) {
    if (number === count) Object.assign(logs, { list: other ? [] : logs.list, loading: false, error: sentence(error) });
  }
  changed();
}

/** Tells records apart: they have no id. @param {LogLine} line */
export const keyOf = ({ time, service, spanId, event, body }) => JSON.stringify([time, service, spanId, event, body]);

/** @param {LogLine[]} list @param {boolean} other Whether it answers another question. */
function take(list, other) {
  const known = new Set(logs.list.map(keyOf));
  const news = list.filter((line) => !known.has(keyOf(line))).length;
  if (news === 0 && list.length === logs.list.length && !other) return;
  if (!other && logs.list.length > 0 && isReading()) Object.assign(logs, { waiting: list, news });
  else Object.assign(logs, { list, waiting: null, news: 0 });
}

/** While one reads, nothing moves. */
const isReading = () => logs.scroll > 0 || logs.chosen !== null;

/** Puts what came meanwhile into the table. */
export function bringNews() {
  Object.assign(logs, { list: logs.waiting ?? logs.list, waiting: null, news: 0, scroll: 0, moved: true });
  changed();
}

/** @param {LogLine | null} line */
export function choose(line) {
  logs.chosen = line;
  changed();
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let typing;

/** Looks for something else. @param {string} name @param {string[]} values */
export function look(name, values) {
  const query = search();
  query.delete(name);
  for (const value of values) if (value) query.append(name, value);
  if (name === "trace") query.delete("span");
  replace(`#/logs${query.size > 0 ? `?${query}` : ""}`);
  clearTimeout(typing);
  typing = setTimeout(loadLogTable, TYPED);
}

/** @param {string} typed */
export function lookForAttributes(typed) {
  logs.typed = typed;
  const { pairs, wrong } = readAttributes(typed);
  if (!wrong) look("attribute", pairs);
  changed();
}
