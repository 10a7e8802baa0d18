// From an instrument's points to what can be drawn: a course of time for each group of its streams.
//
// A stream is what one sender says of one set of attributes. Sums and histograms either count from the last point on
// (delta), or since a start (cumulative): then the difference of two points counts, and a new start begins anew.

import { bucketsOf, commonScale, difference, quantile, sum } from "./histogram.js";

/** @import { Bucket } from "./histogram.js" */

/** @typedef {{ time: number, value: number, traceId: string, spanId: string }} Exemplar */
/**
 * @typedef {object} Point Times in unix milliseconds.
 * @property {number} time
 * @property {number} start
 * @property {string} stream
 * @property {Record<string, unknown>} attributes
 * @property {number | null} value
 * @property {number | null} count
 * @property {number | null} sum
 * @property {Bucket[]} buckets
 * @property {Exemplar[]} exemplars
 */
/** @typedef {{ kind: string, temporality: string | null, monotonic: number | null }} Kind */
/** @typedef {{ from: number, time: number, value: number, buckets: Bucket[] }} Change Between two times. */
/** @typedef {{ name: string, values: (number | null)[], buckets: Bucket[][] }} Line `buckets`: of each step of time. */

/** @param {any[]} rows Of the view `metrics`. @returns {Point[]} */
export function pointsOf(rows) {
  const parsed = rows.map(({ buckets }) => (buckets ? JSON.parse(buckets) : null));
  const scale = commonScale(parsed);
  return rows.flatMap((row, index) => {
    const point = pointOf(row, parsed[index], scale);
    if (row.kind !== "summary") return [point];
    // Each of its quantiles is a line of its own.
    return (parsed[index] ?? []).map((/** @type {any} */ { quantile, value }) => ({
      ...point,
      stream: `${point.stream} ${quantile}`,
      attributes: { ...point.attributes, quantile },
      buckets: [],
      value,
    }));
  });
}

/** @param {any} row @param {any} parsed Its buckets. @param {number} scale @returns {Point} */
function pointOf(row, parsed, scale) {
  return {
    time: row.time_unix_nanos / 1e6,
    start: (row.start_unix_nanos ?? 0) / 1e6,
    stream: `${row.resource} ${row.attributes}`,
    attributes: JSON.parse(row.attributes ?? "{}"),
    value: row.value,
    count: row.count,
    sum: row.sum,
    buckets: bucketsOf(parsed, row.min, scale),
    exemplars: JSON.parse(row.exemplars ?? "[]")
      .filter((/** @type {any} */ { trace_id }) => trace_id)
      .map((/** @type {any} */ of) => ({
        time: of.time_unix_nanos / 1e6,
        value: of.value,
        traceId: of.trace_id,
        spanId: of.span_id,
      })),
  };
}

/** Of an up-down counter the value counts, of others how fast it grows. @param {Kind} kind */
export const isRate = ({ kind, monotonic }) => kind === "sum" && monotonic === 1;

/** @param {Kind} kind */
export const isHistogram = ({ kind }) => kind.endsWith("histogram");

/** Attributes by which the points differ. @param {Point[]} points */
export function dimensions(points) {
  /** @type {Map<string, Set<string>>} */
  const values = new Map();
  for (const { attributes } of points) {
    for (const [key, value] of Object.entries(attributes)) {
      values.set(key, (values.get(key) ?? new Set()).add(String(value)));
    }
  }
  return [...values.keys()].sort();
}

/** Stands for all attributes at once. */
export const EACH = "*";

/** @param {Point} point @param {string} by An attribute, all of them ({@link EACH}), or none (empty). */
function groupOf({ attributes }, by) {
  if (by === "") return "";
  if (by !== EACH) return String(attributes[by] ?? "–");
  const entries = Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.map(([key, value]) => `${key}=${value}`).join(" ");
}

/** @template T @param {T[]} items @param {(item: T) => string} key @returns {Map<string, T[]>} */
function grouped(items, key) {
  const groups = new Map();
  for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), item]);
  return groups;
}

/** What a stream has counted between its points. @param {Point[]} points In order of time. @param {Kind} kind */
function changes(points, { temporality }) {
  /** @type {Change[]} */
  const found = [];
  points.forEach((point, index) => {
    const value = point.value ?? point.count ?? 0;
    const before = points[index - 1];
    if (temporality === "delta") {
      found.push({
        from: point.start || before?.time || point.time - 1000,
        time: point.time,
        value,
        buckets: point.buckets,
      });
      return;
    }
    const last = before && (before.value ?? before.count ?? 0);
    const goesOn = before && last !== undefined && before.start === point.start && value >= last;
    if (goesOn) {
      found.push({
        from: before.time,
        time: point.time,
        value: value - last,
        buckets: difference(point.buckets, before.buckets),
      });
    } else if (point.start > 0 && point.start < point.time) {
      found.push({ from: point.start, time: point.time, value, buckets: point.buckets });
    }
  });
  return found.filter(({ from, time }) => time > from);
}

/**
 * A line for each group, with a value for each of `times`, the ends of steps that are `step` long.
 * @param {Point[]} points
 * @param {Kind} kind
 * @param {string} by
 * @param {number[]} times
 * @param {number} step
 * @returns {Line[]}
 */
export function lines(points, kind, by, times, step) {
  const sorted = [...points].sort((a, b) => a.time - b.time);
  const first = times[0] ?? 0;
  const placeOf = (/** @type {number} */ time) => Math.ceil((time - first) / step);
  const all = [...grouped(sorted, (point) => groupOf(point, by))].map(([name, of]) => {
    const streams = [...grouped(of, ({ stream }) => stream).values()];
    const line = isRate(kind) || isHistogram(kind) ? rates(streams) : levels(streams);
    return { name, ...line };
  });
  return all.sort((a, b) => most(b.values) - most(a.values));

  /** A second, and what was counted. @param {Point[][]} streams */
  function rates(streams) {
    const values = /** @type {(number | null)[]} */ (times.map(() => null));
    const buckets = /** @type {Bucket[][][]} */ (times.map(() => []));
    for (const stream of streams) {
      // A change may last several steps, and several may share one.
      const parts = times.map(() => ({ lasts: 0, counted: 0 }));
      for (const { from, time, value, buckets: counted } of changes(stream, kind)) {
        const end = Math.min(times.length - 1, placeOf(time));
        for (let place = Math.max(0, placeOf(from)); place <= end; place += 1) {
          const part = /** @type {typeof parts[number]} */ (parts[place]);
          const until = first + place * step;
          const lasts = Math.min(time, until) - Math.max(from, until - step);
          if (lasts <= 0) continue;
          const share = lasts / (time - from);
          part.lasts += lasts;
          part.counted += value * share;
          buckets[place]?.push(counted.map((bucket) => ({ ...bucket, count: bucket.count * share })));
        }
      }
      parts.forEach(({ lasts, counted }, place) => {
        if (lasts > 0) values[place] = (values[place] ?? 0) + (counted / lasts) * 1000;
      });
    }
    return { values, buckets: buckets.map(sum) };
  }

  /** The last that was said in each step, or before that while the sender goes on. @param {Point[][]} streams */
  function levels(streams) {
    const values = /** @type {(number | null)[]} */ (times.map(() => null));
    const counts = times.map(() => 0);
    for (const stream of streams) {
      let level = 0;
      const own = /** @type {(number | null)[]} */ (times.map(() => null));
      for (const point of stream) {
        level = kind.temporality === "delta" ? level + (point.value ?? 0) : (point.value ?? point.count ?? 0);
        const place = placeOf(point.time);
        if (place >= 0 && place < own.length) own[place] = level;
      }
      const [begin, end] = [own.findIndex((value) => value !== null), own.findLastIndex((value) => value !== null)];
      let last = 0;
      for (let place = begin; begin >= 0 && place <= end; place += 1) {
        last = own[place] ?? last;
        values[place] = (values[place] ?? 0) + last;
        counts[place] = (counts[place] ?? 0) + 1;
      }
    }
    // Gauges of several senders have no sum that means something; those of an up-down counter do.
    if (kind.kind !== "sum")
      values.forEach((value, place) => value !== null && (values[place] = value / (counts[place] || 1)));
    return { values, buckets: times.map(() => []) };
  }
}

/** @param {(number | null)[]} values */
const most = (values) => values.reduce((/** @type {number} */ most, value) => Math.max(most, value ?? 0), 0);

/** A percentile of each step. @param {Line} line @param {number} share */
export const percentiles = ({ buckets }, share) => buckets.map((of) => (of.length > 0 ? quantile(of, share) : null));
