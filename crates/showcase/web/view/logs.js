// Log records: a table that follows what arrives.

import { h } from "../dom.js";
import { exactClock, plural, readable } from "../format.js";
import { bringNews, choose, keyOf, loadLogTable, logs, look, lookForAttributes, search } from "../model/logs.js";
import { traceAddress } from "../route.js";
import { state } from "../store.js";
import { attributesField, field, textField, valueOf } from "./field.js";
import { empty, loading, pairs, service, swatch } from "./parts.js";
import { virtual } from "./virtual.js";

/** @import { Child } from "../dom.js" */
/** @import { LogLine } from "../types.js" */

export const rowHeight = () => (state.narrow ? 58 : 32);

/** Severity numbers begin with these. */
const SEVERITIES = { 5: "DEBUG", 9: "INFO", 13: "WARN", 17: "ERROR" };

export function logsView() {
  return h(
    "div",
    { class: `logs${logs.chosen ? " with-details" : ""}` },
    head(),
    form(),
    h("div", { class: "trace-body" }, content(), logs.chosen && details(logs.chosen)),
  );
}

function head() {
  const { list, truncated, news, loading } = logs;
  const shown = loading && list.length === 0 ? "" : plural(list.length, "record");
  return h(
    "div",
    { class: "title" },
    h("h1", null, "Logs"),
    h("span", { class: "muted" }, truncated ? `The newest ${shown}` : shown),
    h("span", { class: "grow" }),
    h(
      "button",
      { class: "small waiting", disabled: news === 0, onclick: bringNews },
      news > 0 ? `${news} new` : "Up to date",
    ),
  );
}

const get = (/** @type {string} */ name) => state.route.query.get(name) ?? "";

function form() {
  const now = get("service");
  // Some services send nothing but logs.
  const found = logs.list.map(({ service }) => service);
  const services = [...new Set([now, ...state.services, ...found])].filter((name) => name).sort();
  return h(
    "form",
    { class: "log-search card", role: "search", onsubmit: (/** @type {Event} */ event) => event.preventDefault() },
    field(
      "Text",
      textField("In the body, a value, a name", get("text"), (typed) => look("text", [typed])),
    ),
    field(
      "Service",
      h(
        "select",
        { value: now, onchange: (/** @type {Event} */ event) => look("service", [valueOf(event)]) },
        h("option", { value: "" }, "All services"),
        services.map((name) => h("option", { key: name, value: name }, name)),
      ),
    ),
    field(
      "Severity",
      h(
        "select",
        { value: get("severity"), onchange: (/** @type {Event} */ event) => look("severity", [valueOf(event)]) },
        h("option", { value: "" }, "All"),
        Object.entries(SEVERITIES).map(([number, name]) =>
          h("option", { key: number, value: number }, `${name} or worse`),
        ),
      ),
    ),
    attributesField(logs.typed, lookForAttributes),
    get("trace") &&
      h(
        "p",
        { class: "of-trace" },
        "Of ",
        h("a", { class: "mono", href: traceAddress(get("trace"), get("span")) }, `trace ${get("trace").slice(0, 8)}…`),
        get("span") && ", of one span",
        h("button", { class: "small", type: "button", onclick: () => look("trace", []) }, "All traces"),
      ),
  );
}

function content() {
  if (logs.loading && logs.list.length === 0) return loading(420);
  const card = (/** @type {Child} */ child) => h("div", { class: "card" }, child);
  if (logs.error) {
    const again = h("button", { onclick: () => loadLogTable(true) }, "Try again");
    return card(empty("The log records cannot be read", logs.error, again));
  }
  if (logs.list.length === 0 && search().size > 0) {
    const clear = h("a", { class: "button", href: "#/logs" }, "Clear the search");
    return card(empty("No record matches", "A record is found if it matches everything that is asked for.", clear));
  }
  if (logs.list.length === 0) {
    const connect = h("a", { class: "button", href: "#/status" }, "Connect a service");
    const text = "Services send log records beside their traces, if their SDK is told to.";
    return card(empty("No log records yet", text, connect));
  }
  return h("div", { class: "card list-card" }, columns(), list());
}

function columns() {
  return h(
    "div",
    { class: "log-row columns", "aria-hidden": "true" },
    ["Time", "Severity", "Service", "Record"].map((name) => h("span", null, name)),
  );
}

function list() {
  const chosen = logs.chosen && keyOf(logs.chosen);
  return virtual(
    logs,
    logs.list,
    rowHeight(),
    { class: "trace-list", tabindex: "0", role: "region", "aria-label": "Log records" },
    { role: "list" },
    (line) => [keyOf(line) === chosen, logs.list.length, state.narrow],
    (line, index, style) => row(line, index, style, keyOf(line) === chosen),
  );
}

/** @param {LogLine} line @param {number} index @param {Record<string, string>} style @param {boolean} chosen */
function row(line, index, style, chosen) {
  return h(
    "div",
    {
      key: `${index}`,
      role: "listitem",
      class: "place",
      style,
      "aria-posinset": index + 1,
      "aria-setsize": logs.list.length,
    },
    h(
      "button",
      {
        class: "log-row",
        "aria-pressed": String(chosen),
        focus: chosen,
        onclick: () => choose(chosen ? null : line),
      },
      h("span", { class: "time muted mono", title: exactClock(line.time) }, exactClock(line.time)),
      severity(line.severity),
      h(
        "span",
        { class: "who", title: line.service },
        swatch(line.service),
        h("span", { class: "name" }, line.service),
      ),
      h("span", { class: "what mono" }, line.event && h("b", null, `${line.event} `), readable(line.body)),
    ),
  );
}

/** @param {string} name */
function severity(name) {
  const kind = /ERR|FATAL|CRIT/i.test(name) ? "error" : /WARN/i.test(name) ? "warn" : "";
  return h("span", { class: "severity" }, h("span", { class: `badge ${kind}` }, name || "–"));
}

/** @param {LogLine} line */
function details(line) {
  const { attributes, resource, scope, traceId, spanId } = line;
  const all = traceId && `#/logs?${new URLSearchParams({ trace: traceId })}`;
  return h(
    "aside",
    { class: "details card", "aria-label": "Details of the record" },
    h(
      "div",
      { class: "details-head" },
      h(
        "div",
        { class: "row" },
        service(line.service),
        severity(line.severity),
        h("span", { class: "grow" }),
        h(
          "button",
          {
            class: "quiet icon small",
            onclick: () => choose(null),
            "aria-label": "Close the details",
            title: "Close (Esc)",
          },
          "✕",
        ),
      ),
      line.event && h("h2", null, line.event),
      h("p", { class: "muted" }, exactClock(line.time)),
    ),
    h(
      "div",
      { class: "details-body", tabindex: "0", role: "region", "aria-label": "The record" },
      h("p", { class: "mono wrap" }, typeof line.body === "string" ? line.body : JSON.stringify(line.body, null, 2)),
      traceId
        ? h(
            "div",
            { class: "row" },
            h("a", { class: "button small", href: traceAddress(traceId, spanId) }, spanId ? "Its span" : "Its trace"),
            h("a", { class: "button small", href: all }, "Records of this trace"),
          )
        : h("p", { class: "muted" }, "It was made outside of any trace."),
      section("Attributes", attributes),
      section("Scope", { name: scope.name || "–", version: scope.version || "–" }),
      section("Resource", resource),
    ),
  );
}

/** @param {string} name @param {Record<string, unknown>} attributes */
function section(name, attributes) {
  const entries = Object.entries(attributes);
  if (entries.length === 0) return null;
  return h("details", { key: name, class: "section", open: true }, h("summary", null, name), pairs(entries));
}
