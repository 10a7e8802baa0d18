// A table as a course of time: which of its columns is time, and lines for the others.

/** @import { Series } from "../chart/line.js" */
/** @import { Table } from "./sql.js" */

/** Lines that can be told apart. */
const MOST = 8;

const NAME = /(^|_)(time|second|minute|hour|day)(_|$)|_unix_nanos$/;

/**
 * Times count since 1970, in seconds, or thousandths, millionths or billionths of one: the number tells which.
 * @param {unknown} value
 * @returns {number | null} Milliseconds.
 */
export function asTime(value) {
  if (typeof value !== "number" || value < 1e8) return null;
  if (value < 1e11) return value * 1e3;
  if (value < 1e14) return value;
  return value < 1e17 ? value / 1e3 : value / 1e6;
}

/** Whether the column is of times. @param {Table} table @param {number} column */
export function isTime({ columns, rows }, column) {
  const some = rows.some((row) => row[column] !== null);
  return (
    some &&
    NAME.test(/** @type {string} */ (columns[column])) &&
    rows.every((row) => row[column] === null || asTime(row[column]) !== null)
  );
}

/**
 * If the first column is of times: a chart for each column of numbers, in it a line for each combination of texts. None,
 * if a line would have two values at one time.
 * @param {Table} table
 * @returns {{ title: string, times: number[], series: Series[], left: number }[]} `left`: lines that are not drawn.
 */
export function courses(table) {
  const { columns, rows } = table;
  const indexes = columns.map((_, index) => index);
  const time = 0;
  if (!isTime(table, time)) return [];
  const isNumber = (/** @type {number} */ index) =>
    rows.every((row) => row[index] === null || typeof row[index] === "number") &&
    rows.some((row) => row[index] !== null);
  const numbers = indexes.filter((index) => !isTime(table, index) && isNumber(index));
  const texts = indexes.filter((index) => !isTime(table, index) && !isNumber(index));
  const times = [...new Set(rows.flatMap((row) => asTime(row[time]) ?? []))].sort((a, b) => a - b);
  if (times.length === 0 || numbers.length === 0) return [];
  const places = new Map(times.map((at, index) => [at, index]));
  /** @type {Map<string, (import("./sql.js").Cell)[][]>} */
  const lines = new Map();
  for (const row of rows) {
    const at = asTime(row[time]);
    if (at === null) continue;
    const name = texts.map((index) => row[index] ?? "–").join(" · ");
    const line = lines.get(name) ?? [];
    const place = /** @type {number} */ (places.get(at));
    if (line[place]) return [];
    line[place] = row;
    lines.set(name, line);
  }
  const drawn = [...lines].slice(0, MOST);
  return numbers.map((index) => ({
    title: /** @type {string} */ (columns[index]),
    times,
    left: lines.size - drawn.length,
    series: drawn.map(([name, line], number) => ({
      name: name || /** @type {string} */ (columns[index]),
      colour: `var(--service-${number % MOST})`,
      values: times.map((_, place) => /** @type {number | null} */ (line[place]?.[index] ?? null)),
    })),
  }));
}
