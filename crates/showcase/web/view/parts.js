// Small things that several views show.

import { colourOf } from "../colours.js";
import { h } from "../dom.js";
import { readable } from "../format.js";
import { state, update } from "../store.js";

/** @import { Child } from "../dom.js" */

/** A service's name with its colour. @param {string} name @param {Child} [more] */
export function service(name, more) {
  return h("span", { class: "service" }, swatch(name), h("span", { class: "service-name", title: name }, name), more);
}

/** @param {string} name */
export function swatch(name) {
  return h("span", { class: "swatch", style: { background: colourOf(name) } });
}

/** For those who listen to the page. @param {string} text */
export const unseen = (text) => h("span", { class: "unseen" }, text);

/** @param {string} heading @param {Child} text @param {Child[]} actions */
export function empty(heading, text, ...actions) {
  return h(
    "div",
    { class: "empty" },
    h("h2", null, heading),
    h("p", null, text),
    actions.length > 0 && h("div", { class: "row" }, actions),
  );
}

/**
 * @param {string[]} columns Their headings.
 * @param {(index: number) => boolean} isNumber Whether a column is of numbers, which stand at its right.
 * @param {Child} rows
 */
export function tableOf(columns, isNumber, rows) {
  const heading = (/** @type {string} */ name, /** @type {number} */ index) =>
    h("th", { scope: "col", class: isNumber(index) ? "number" : "" }, name);
  return h("table", null, h("thead", null, h("tr", null, columns.map(heading))), h("tbody", null, rows));
}

/** Names and values, such as attributes. @param {[string, unknown][]} entries */
export function pairs(entries) {
  return h(
    "dl",
    { class: "pairs" },
    entries.map(([key, value]) =>
      h("div", null, h("dt", null, breakable(key)), h("dd", { class: "mono" }, readable(value))),
    ),
  );
}

/** A long key goes on in the next line after a dot or a dash, not within a word. @param {string} key */
const breakable = (key) => key.split(/(?<=[._-])(?=.)/).map((part, index) => [index > 0 && h("wbr"), part]);

/** Something is being loaded: it has the height of what comes. @param {number} height */
export function loading(height) {
  return h(
    "div",
    { key: "loading", role: "status", "aria-label": "Loading" },
    h("div", { class: "skeleton", style: { height: `${height}px` } }),
  );
}

/**
 * In the place of what has not come: that it is being loaded, or why it is not there.
 * @param {string} heading
 * @param {string} error Empty: none.
 * @param {() => void} again
 * @param {number} height
 */
export function missing(heading, error, again, height) {
  if (!error) return loading(height);
  return h("div", { class: "card" }, empty(heading, error, h("button", { onclick: again }, "Try again")));
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let forgetting;

/** Says for a moment what was done. @param {string} notice */
export function say(notice) {
  clearTimeout(forgetting);
  update({ notice });
  forgetting = setTimeout(() => update({ notice: "" }), 1800);
}

/** @param {string} text @param {string} what Such as `Trace id`. */
export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    say(`${what} copied`);
  } catch {
    say("The browser does not let this page copy");
  }
}

/**
 * Text to be copied as a whole.
 * @param {string} heading
 * @param {string} text
 * @param {string} what Names it alone.
 */
export function copyable(heading, text, what) {
  return h(
    "div",
    { class: "copyable" },
    h(
      "div",
      { class: "copyable-head" },
      h("h3", null, heading),
      h("button", { class: "small", onclick: () => copy(text, what), "aria-label": `Copy: ${what}` }, "Copy"),
    ),
    h("pre", { tabindex: "0", role: "region", "aria-label": what }, text),
  );
}

/** Whether a service answers; while nothing comes from the showcase, nobody knows. @param {boolean} up */
export function upBadge(up) {
  if (state.connection !== "open") return h("span", { class: "badge" }, "not known");
  return h("span", { class: `badge ${up ? "good" : "error"}` }, up ? "up" : "down");
}

/** Shown while the server is away; it has a place of its own so that nothing jumps. */
export function connection() {
  const { connection } = state;
  const text = { connecting: "Connecting", open: "Live", lost: "Reconnecting" }[connection];
  const dot = { connecting: "", open: "good", lost: "bad" }[connection];
  return h("span", { class: "connection", role: "status" }, h("span", { class: `dot ${dot}` }), text);
}
