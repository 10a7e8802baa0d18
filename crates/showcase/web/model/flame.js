// Where the time of a trace went: its spans put together by name, each counted with the time of its own.

import { sentence } from "../api.js";
import { changed } from "../store.js";
import { fetchTrace } from "./trace.js";

/** @import { Span, Trace } from "../types.js" */

/**
 * @typedef {object} Frame Spans of one name, called the same way.
 * @property {string} key Tells it apart: the names on the way to it.
 * @property {string} service
 * @property {string} name
 * @property {number} spans
 * @property {number} errors
 * @property {number} self Time in which they waited for no child, in milliseconds.
 * @property {number} total That, and the same of all below.
 * @property {number} longest
 * @property {number} duration Sum of theirs.
 * @property {Frame | null} parent
 * @property {Frame[]} children
 */

export const flame = {
  id: "",
  trace: /** @type {Trace | null} */ (null),
  root: /** @type {Frame | null} */ (null),
  names: /** @type {Frame[]} */ ([]),
  error: "",
  /** Frame that fills the width. */
  zoom: "",
};

/** @param {string} id */
export async function loadFlame(id) {
  if (flame.id === id && flame.trace) return;
  Object.assign(flame, { id, trace: null, root: null, names: [], error: "", zoom: "" });
  changed();
  try {
    const { trace } = await fetchTrace(id);
    if (flame.id === id) Object.assign(flame, { trace, root: frames(trace.roots), names: byName(trace.spans) });
  } catch (error) {
    if (flame.id === id) flame.error = sentence(error);
  }
  changed();
}

/** @param {string} key */
export function zoomTo(key) {
  flame.zoom = key;
  changed();
}

/** Its time without that of its children, of which several may run at once. @param {Span} span */
function selfTime({ start, duration, children }) {
  const end = start + duration;
  let covered = 0;
  let until = start;
  for (const child of [...children].sort((a, b) => a.start - b.start)) {
    const [from, to] = [Math.max(child.start, until), Math.min(child.start + child.duration, end)];
    if (to <= from) continue;
    covered += to - from;
    until = to;
  }
  return duration - covered;
}

/** @param {string} key @param {string} service @param {string} name @param {Frame | null} parent @returns {Frame} */
const frame = (key, service, name, parent) => ({
  key,
  service,
  name,
  spans: 0,
  errors: 0,
  self: 0,
  total: 0,
  longest: 0,
  duration: 0,
  parent,
  children: [],
});

/** @param {Frame} into @param {Span} span */
function count(into, span) {
  into.spans += 1;
  into.errors += span.error ? 1 : 0;
  into.self += selfTime(span);
  into.duration += span.duration;
  into.longest = Math.max(into.longest, span.duration);
}

/** A frame that stands for nothing but what is below it. @param {Span[]} roots */
export function frames(roots) {
  const top = frame("", "", "", null);
  const all = [top];
  // Without recursion: traces may be thousands of spans deep.
  const work = roots.map((span) => ({ span, parent: top }));
  /** @type {Map<string, Frame>} */
  const known = new Map();
  let number = 0;
  /** @type {Map<Frame, number>} */
  const numbers = new Map([[top, 0]]);
  for (let next = work.pop(); next; next = work.pop()) {
    const { span, parent } = next;
    const key = `${numbers.get(parent)} ${span.service} ${span.name}`;
    let here = known.get(key);
    if (!here) {
      here = frame(key, span.service, span.name, parent);
      known.set(key, here);
      numbers.set(here, (number += 1));
      parent.children.push(here);
      all.push(here);
    }
    count(here, span);
    for (const child of span.children) work.push({ span: child, parent: here });
  }
  for (const one of all.reverse()) {
    one.total = one.children.reduce((total, child) => total + child.total, one.self);
    one.children.sort((a, b) => b.total - a.total);
  }
  return top;
}

/** All spans of a name together, those with the most time of their own first. @param {Span[]} spans */
function byName(spans) {
  /** @type {Map<string, Frame>} */
  const names = new Map();
  for (const span of spans) {
    const key = `${span.service} ${span.name}`;
    const here = names.get(key) ?? frame(key, span.service, span.name, null);
    names.set(key, here);
    count(here, span);
  }
  return [...names.values()].sort((a, b) => b.self - a.self);
}
