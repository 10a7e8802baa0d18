// The one trace that is looked at.

import { get, sentence } from "../api.js";
import { replace, traceAddress } from "../route.js";
import { changed, state, update } from "../store.js";
import { bringIntoView } from "./place.js";
import { readSpans } from "./otlp.js";
import { makeTrace, openSpans } from "./tree.js";

/** @import { OpenTrace, Span, Trace } from "../types.js" */

/** @param {string} id @returns {Promise<{ json: any, trace: Trace }>} */
export async function fetchTrace(id) {
  const json = await get(`api/v3/traces/${encodeURIComponent(id)}`);
  const { start, spans } = readSpans(json);
  if (spans.length === 0) throw new Error("This trace has no spans.");
  return { json, trace: makeTrace(id, start, spans) };
}

/** Opens it with this span in view, or only goes to that span. @param {string} id @param {string} span */
export async function openTrace(id, span) {
  if (state.trace?.id === id && state.trace.trace) {
    if (span !== state.trace.cursor) void moveTo(span);
    return;
  }
  update({
    trace: {
      id,
      trace: null,
      json: null,
      error: "",
      closed: new Set(),
      cursor: span,
      range: { from: 0, to: 1 },
      scroll: 0,
      height: 500,
      moved: false,
      logs: null,
    },
  });
  await refreshTrace(id);
  if (state.trace?.id === id && span) void moveTo(span);
}

/** Asks for it again: more spans have come. @param {string} id */
export async function refreshTrace(id) {
  const open = state.trace;
  if (open?.id !== id) return;
  try {
    Object.assign(open, await fetchTrace(id), { error: "" });
  } catch (error) {
    if (!open.trace) open.error = sentence(error);
  }
  changed();
}

/** @param {OpenTrace} open @returns {Span[]} Those that are not folded away. */
export const visibleSpans = (open) => (open.trace ? openSpans(open.trace, open.closed) : []);

export const ROW = 30;
export const NARROW_ROW = 46;
export const rowHeight = () => (state.narrow ? NARROW_ROW : ROW);

/** Selects a span, unfolds the way to it, and scrolls there. @param {string} id Empty: none. */
export async function moveTo(id) {
  const open = state.trace;
  if (!open?.trace) return;
  const { byId } = open.trace;
  open.cursor = byId.has(id) ? id : "";
  open.logs = null;
  replace(traceAddress(open.id, open.cursor));
  const ancestors = new Set(); // a circle ends
  for (let span = byId.get(byId.get(id)?.parent ?? ""); span && !ancestors.has(span); span = byId.get(span.parent)) {
    ancestors.add(span);
    open.closed.delete(span.id);
  }
  const row = visibleSpans(open).findIndex((span) => span.id === id);
  if (row >= 0) bringIntoView(open, row, rowHeight());
  changed();
  await loadLogs();
}

/** Asks for the log lines of the chosen span: they come later than the span, or not at all. */
export async function loadLogs() {
  const open = state.trace;
  if (!open?.trace || !open.cursor) return;
  const { id, cursor } = open;
  const answer = await get(`api/logs?trace=${id}&span=${cursor}`).catch(() => ({ logs: [] }));
  if (state.trace === open && open.cursor === cursor) open.logs = answer.logs;
  changed();
}

/** Whether the timeline shows less than the whole trace. @param {OpenTrace} open */
export const isPart = ({ range }) => range.from > 0 || range.to < 1;

/** @param {OpenTrace} open */
export function showAll(open) {
  open.range = { from: 0, to: 1 };
  changed();
}

/** The time of one span, with a little around it. @param {OpenTrace} open @param {Span} span */
export function showOnly(open, { start, duration }) {
  const whole = Math.max(open.trace?.duration ?? 0, 1e-6);
  const around = duration * 0.05;
  const from = Math.max(0, (start - around) / whole);
  const to = Math.min(1, (start + duration + around) / whole);
  open.range = to > from ? { from, to } : { from: 0, to: 1 };
  changed();
}

/** @param {string} id @param {boolean} close */
export function fold(id, close) {
  const closed = state.trace?.closed;
  if (close) closed?.add(id);
  else closed?.delete(id);
  changed();
}

/** Everything below the roots, or nothing. @param {boolean} close */
export function foldAll(close) {
  const open = state.trace;
  if (!open?.trace) return;
  const parents = open.trace.spans.filter((span) => span.children.length > 0);
  open.closed = new Set(close ? parents.map((span) => span.id) : []);
  Object.assign(open, { scroll: 0, moved: true });
  changed();
}
