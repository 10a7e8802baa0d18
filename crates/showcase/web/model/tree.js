// Spans in the order of a tree, and the critical path through it.

/** @import { Span, Trace } from "../types.js" */

/**
 * @param {string} id
 * @param {number} start Unix milliseconds.
 * @param {Span[]} spans By start.
 * @returns {Trace}
 */
export function makeTrace(id, start, spans) {
  const byId = new Map(spans.map((span) => [span.id, span]));
  /** @type {Span[]} */
  const roots = [];
  for (const span of spans) {
    const parent = span.parent ? byId.get(span.parent) : undefined;
    if (parent && parent !== span) parent.children.push(span);
    else roots.push(span);
    span.orphan = span.parent !== "" && !parent;
  }
  const ordered = inOrder(roots, spans);
  const end = spans.reduce((latest, span) => Math.max(latest, span.start + span.duration), 0);
  if (roots[0]) markCriticalPath(roots[0]);
  return {
    id,
    start,
    duration: end,
    spans: ordered,
    roots,
    services: [...new Set(ordered.map((span) => span.service))],
    errors: spans.filter((span) => span.error).length,
    failures: ordered.filter(isFailure).sort((a, b) => a.start + a.duration - (b.start + b.duration)),
    byId,
  };
}

/** Whether an error begins with it: no child has failed. @param {Span} span */
const isFailure = (span) => span.error && !span.children.some((child) => child.error);

/** Without recursion: a trace may be deeper than the stack. @param {Span[]} roots @param {Span[]} all */
function inOrder(roots, all) {
  const ordered = new Set();
  const visit = (/** @type {Span} */ root) => {
    const stack = [root];
    for (let span = stack.pop(); span; span = stack.pop()) {
      if (ordered.has(span)) continue;
      ordered.add(span);
      for (let index = span.children.length - 1; index >= 0; index -= 1) {
        const child = /** @type {Span} */ (span.children[index]);
        if (ordered.has(child)) continue;
        child.depth = span.depth + 1;
        stack.push(child);
      }
    }
  };
  roots.forEach(visit);
  // What is in a circle is nobody's descendant.
  for (const span of all) {
    if (ordered.has(span)) continue;
    roots.push(span);
    visit(span);
  }
  return /** @type {Span[]} */ ([...ordered]);
}

/**
 * What the end of `root` had to wait for: back from its end, at each moment the child that ended last before it, and
 * the span itself where no child was running.
 * @param {Span} root
 */
function markCriticalPath(root) {
  const todo = [{ span: root, until: root.start + root.duration }];
  const seen = new Set();
  for (let next = todo.pop(); next; next = todo.pop()) {
    const { span, until } = next;
    if (seen.has(span)) continue;
    seen.add(span);
    let at = Math.min(until, span.start + span.duration);
    const children = [...span.children].sort((a, b) => b.start + b.duration - (a.start + a.duration));
    let last = true;
    for (const child of children) {
      const end = child.start + child.duration;
      // One that outlives its parent is waited for only if nothing else is.
      if (child.start >= at || child.start < span.start || (end > at && !last)) continue;
      last = false;
      if (end < at) span.critical.push([end, at]);
      todo.push({ span: child, until: Math.min(end, at) });
      at = child.start;
    }
    if (at > span.start) span.critical.push([span.start, at]);
  }
}

/** Those of which no ancestor is closed. @param {Trace} trace @param {Set<string>} closed */
export function openSpans(trace, closed) {
  if (closed.size === 0) return trace.spans;
  const open = [];
  let hiddenBelow = Infinity;
  for (const span of trace.spans) {
    if (span.depth > hiddenBelow) continue;
    hiddenBelow = closed.has(span.id) && span.children.length > 0 ? span.depth : Infinity;
    open.push(span);
  }
  return open;
}
