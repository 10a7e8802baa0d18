// Which span of one trace is which of another: the same names on the way from the root, counted.

/** @import { Span, Trace } from "../types.js" */

/** @typedef {{ key: string, name: string, service: string, depth: number, a: Span | undefined, b: Span | undefined }} Aligned */

/** @param {Trace} first @param {Trace} second @returns {Aligned[]} */
export function align(first, second) {
  const [a, b] = [byWay(first), byWay(second)];
  const rows = [...a].map(([key, span]) => aligned(key, span, span, b.get(key)));
  for (const [key, span] of b) if (!a.has(key)) rows.push(aligned(key, span, undefined, span));
  return rows;
}

/**
 * @param {string} key
 * @param {Span} span
 * @param {Span | undefined} a
 * @param {Span | undefined} b
 * @returns {Aligned}
 */
const aligned = (key, { name, service, depth }, a, b) => ({ key, name, service, depth: Math.min(depth, 10), a, b });

/** Spans by their way from the root. @param {Trace} trace */
function byWay(trace) {
  /** @type {Map<string, Span>} */
  const found = new Map();
  const ways = new Map();
  const counts = new Map();
  for (const span of trace.spans) {
    // Numbers stand for the way to the parent: in a deep trace the names themselves would grow without end.
    const step = `${ways.get(span.parent) ?? ""}/${span.service}/${span.kind}/${span.name}`;
    const count = (counts.get(step) ?? 0) + 1;
    counts.set(step, count);
    const key = `${step}#${count}`;
    ways.set(span.id, hash(key));
    found.set(key, span);
  }
  return found;
}

/** @param {string} text */
function hash(text) {
  let value = 0;
  for (let index = 0; index < text.length; index += 1) value = (Math.imul(value, 31) + text.charCodeAt(index)) | 0;
  return value.toString(36);
}
