// Every service that has sent anything: rate, errors and duration from its spans, and what it says of itself.

import { sentence } from "../api.js";
import { changed } from "../store.js";
import { ask } from "./sql.js";
import { nanos, newestTrace, stepOf, windowTo } from "./window.js";

/** @import { Window } from "./window.js" */

/**
 * @typedef {object} Figures Of some spans; durations in milliseconds.
 * @property {number} spans
 * @property {number} errors
 * @property {number} last When the newest of them began, unix milliseconds.
 * @property {number} p50
 * @property {number} p95
 * @property {number} p99
 */
/** @typedef {{ name: string, instances: number, logs: number, failures: number, points: number, figures: Figures | null }} Service */
/** @typedef {Figures & { name: string, kind: string }} Operation */
/** @typedef {Figures & { time: number }} Step */
/** @typedef {{ attributes: Record<string, unknown> }} Instance */
/** @typedef {{ signal: string, name: string | null, version: string | null, count: number }} Scope */
/**
 * @typedef {object} Open One service.
 * @property {string} name
 * @property {Operation[]} operations
 * @property {Step[]} steps
 * @property {number} step Of time, in milliseconds.
 * @property {Instance[]} instances
 * @property {Scope[]} scopes
 */

export const services = {
  list: /** @type {Service[] | null} */ (null),
  open: /** @type {Open | null} */ (null),
  window: /** @type {Window} */ ({ from: 0, to: 0 }),
  error: "",
};

/** Spans that answer others stand for a service; where there are none, all of them do. */
const ANSWERS = "kind in ('server', 'consumer')";

/** @param {string} groups Columns, by which spans are told apart. @param {string} where */
const figuresBy = (groups, where) => `
  with s as (select ${groups}, ${ANSWERS} as answers, status = 'error' as bad, duration_ms, start_unix_nanos as start
             from spans where start_unix_nanos >= ?1 and start_unix_nanos < ?2 ${where}),
  r as (select *, cume_dist() over (partition by g1, g2, answers order by duration_ms) as share from s)
  select g1, g2, answers, count(*) as spans, sum(bad) as errors, min(start) / 1e6 as first, max(start) / 1e6 as last,
         min(iif(share >= 0.5, duration_ms, null)) as p50, min(iif(share >= 0.95, duration_ms, null)) as p95,
         min(iif(share >= 0.99, duration_ms, null)) as p99
  from r group by g1, g2, answers order by g1, g2`;

/** @param {any[]} rows */
function answering(rows) {
  const some = rows.filter(({ answers }) => answers);
  return some.length > 0 ? some : rows;
}

let count = 0;
/** A heavy question is not asked again at once. */
let rest = 0;

/** @param {string} name Of one service; empty: all. @param {boolean} [always] */
export async function loadRed(name, always = false) {
  if (!always && Date.now() < rest) return;
  const number = (count += 1);
  rest = Infinity;
  const start = performance.now();
  try {
    const window = windowTo(await newestTrace());
    const loaded = name ? { open: await loadOne(name, window) } : { list: await loadAll(window) };
    if (number === count) Object.assign(services, loaded, { window, error: "" });
  } catch (error) {
    if (number === count) services.error = sentence(error);
  }
  if (number === count) rest = Date.now() + 5 * (performance.now() - start);
  changed();
}

/** @param {Window} window @returns {Promise<Service[]>} */
async function loadAll(window) {
  const range = [nanos(window.from), nanos(window.to)];
  const within = "where time_unix_nanos >= ?1 and time_unix_nanos < ?2 group by service";
  const [resources, spans, logs, points] = await Promise.all([
    ask("select service, count(*) as instances from resources group by service order by service"),
    ask(figuresBy("service as g1, '' as g2", ""), range),
    ask(`select service, count(*) as logs, sum(severity_number >= 17) as failures from logs ${within}`, range),
    ask(`select service, count(*) as points from metrics ${within}`, range),
  ]);
  const of = (/** @type {any[]} */ rows, /** @type {string} */ name) => rows.find(({ service }) => service === name);
  return resources.map(({ service: name, instances }) => ({
    name,
    instances,
    logs: of(logs, name)?.logs ?? 0,
    failures: of(logs, name)?.failures ?? 0,
    points: of(points, name)?.points ?? 0,
    figures: answering(spans.filter(({ g1 }) => g1 === name))[0] ?? null,
  }));
}

/** @param {string} name @param {Window} window @returns {Promise<Open>} */
async function loadOne(name, window) {
  const range = [nanos(window.from), nanos(window.to), name];
  const scopes = (/** @type {string} */ signal, /** @type {string} */ time) =>
    `select '${signal}' as signal, scope_name as name, scope_version as version, count(*) as count from ${signal}
     where ${time} >= ?1 and ${time} < ?2 and service = ?3 group by scope_name, scope_version`;
  const operations = await ask(figuresBy("name as g1, kind as g2", "and service = ?3"), range);
  const first = operations.reduce((first, operation) => Math.min(first, operation.first), window.to);
  const step = stepOf({ from: first, to: window.to });
  const [steps, instances, ...found] = await Promise.all([
    ask(figuresBy(`start_unix_nanos / ${nanos(step)} as g1, '' as g2`, "and service = ?3"), range),
    ask("select attributes from resources where service = ?1", [name]),
    ask(scopes("spans", "start_unix_nanos"), range),
    ask(scopes("logs", "time_unix_nanos"), range),
    ask(scopes("metrics", "time_unix_nanos"), range),
  ]);
  return {
    name,
    step,
    operations: operations.map((row) => ({ ...row, name: row.g1, kind: row.g2 })),
    steps: answering(steps).map((row) => ({ ...row, time: row.g1 * step })),
    instances: instances.map(({ attributes }) => ({ attributes: JSON.parse(attributes ?? "{}") })),
    scopes: found.flat(),
  };
}
