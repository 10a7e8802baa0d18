// The keyboard.

import { FIELDS } from "./dom.js";
import { viewOf } from "./view/app.js";
import { rowHeight as logRow } from "./view/logs.js";
import { rowHeight as listRow } from "./view/traces.js";
import { choose, keyOf, logs } from "./model/logs.js";
import { fold, isPart, moveTo, showAll, showOnly, visibleSpans } from "./model/trace.js";
import { bringIntoView } from "./model/place.js";
import { pause } from "./model/summaries.js";
import { go, listAddress } from "./route.js";
import { changed, state, update } from "./store.js";

const GO = {
  o: "",
  s: "services",
  t: "traces",
  l: "logs",
  i: "metrics",
  m: "map",
  q: "sql",
  c: "compare",
  y: "try",
  n: "status",
};
/** How long after `g` the other letter may come, in milliseconds. */
const CHORD = 1200;

let chord = 0;

export function startKeys() {
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || state.help) return;
    if (pressed(event, isTyping(event.target))) event.preventDefault();
  });
}

/** @param {EventTarget | null} target */
function isTyping(target) {
  return target instanceof Element && target.matches(FIELDS);
}

/** @param {KeyboardEvent} event @param {boolean} typing @returns {boolean} Whether that was all. */
function pressed(event, typing) {
  const { key } = event;
  const view = viewOf(state.route.view);
  if (typing) {
    const field = /** @type {HTMLElement} */ (event.target);
    const down = key === "ArrowDown" && field.id === "search";
    if (down || key === "Escape" || (key === "Enter" && view === "traces")) field.blur();
    return key === "Escape" || (down && inList(key));
  }
  if (chord && event.timeStamp - chord < CHORD && Object.hasOwn(GO, key)) {
    chord = 0;
    go(`#/${GO[/** @type {keyof typeof GO} */ (key)]}`);
    return true;
  }
  chord = key === "g" ? event.timeStamp : 0;
  if (key === "?") update({ help: true });
  else if (key === "/") search(view);
  else if (view === "traces") return inList(key);
  else if (view === "logs") return inLogs(key);
  else if (view === "trace") return inTrace(key, event.target);
  else return false;
  return true;
}

/** @param {string} view */
function search(view) {
  if (!["traces", "logs", "metrics"].includes(view)) go(listAddress());
  update({ searching: true });
}

/** Steps of a key in rows. @param {string} key @param {number} page @param {number} all */
function steps(key, page, all) {
  return { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, End: all, Home: -all }[key];
}

/** @param {string} key */
function inList(key) {
  const { traces } = state;
  const { list, cursor, height } = traces;
  const row = listRow();
  if (key === "Escape" && cursor) {
    Object.assign(traces, { cursor: "", scroll: 0, moved: true });
    pause(false);
    changed();
    return true;
  }
  const step = steps(key, Math.max(1, Math.floor(height / row) - 1), list.length);
  if (step === undefined || list.length === 0) return false;
  const at = list.findIndex(({ id }) => id === cursor);
  const next = Math.min(list.length - 1, Math.max(0, at + step));
  traces.cursor = list[next]?.id ?? "";
  pause(true);
  bringIntoView(traces, next, row);
  changed();
  return true;
}

/** @param {string} key */
function inLogs(key) {
  const { list, chosen, height } = logs;
  if (key === "Escape" && chosen) {
    choose(null);
    return true;
  }
  const step = steps(key, Math.max(1, Math.floor(height / logRow()) - 1), list.length);
  if (step === undefined || list.length === 0) return false;
  const at = chosen ? list.findIndex((line) => keyOf(line) === keyOf(chosen)) : -1;
  const next = Math.min(list.length - 1, Math.max(0, at + step));
  bringIntoView(logs, next, logRow());
  choose(list[next] ?? null);
  return true;
}

/** @param {string} key @param {EventTarget | null} target */
function inTrace(key, target) {
  const open = state.trace;
  const { cursor } = open ?? {};
  const focused = target instanceof Element ? target : document.body;
  if (key === "Escape") {
    if (cursor) void moveTo("");
    else if (open?.trace && isPart(open)) showAll(open);
    else go(state.route.from);
    return true;
  }
  // Keys of a button, and of text that scrolls, stay theirs.
  if (!open?.trace || focused.closest("button, a, summary, .details")) return false;
  const spans = visibleSpans(open);
  const at = spans.findIndex(({ id }) => id === cursor);
  const span = spans[at];
  const step = steps(key, 15, spans.length);
  if (step !== undefined) {
    void moveTo(spans[Math.min(spans.length - 1, Math.max(0, at + step))]?.id ?? "");
  } else if (key === "ArrowRight" && span) {
    if (open.closed.has(span.id)) fold(span.id, false);
    else if (span.children[0]) void moveTo(span.children[0].id);
  } else if (key === "ArrowLeft" && span) {
    if (span.children.length > 0 && !open.closed.has(span.id)) fold(span.id, true);
    else if (open.trace.byId.has(span.parent)) void moveTo(span.parent);
  } else if (key === "z" && span) {
    showOnly(open, span);
  } else if (key === "Enter" && span) {
    /** @type {HTMLElement | null} */ (document.querySelector(".details-body"))?.focus();
  } else {
    return false;
  }
  return true;
}
