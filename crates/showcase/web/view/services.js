// Every service, and one of them: rate, errors and duration from spans, instances, resource and scopes.

import { lineChart } from "../chart/line.js";
import { h } from "../dom.js";
import { ago, duration, number, percent, plural } from "../format.js";
import { loadRed, services } from "../model/red.js";
import { state } from "../store.js";
import { empty, missing, pairs, service, tableOf } from "./parts.js";
import { windowChoice } from "./window.js";

/** @import { Figures, Instance, Open, Service } from "../model/red.js" */

export function servicesView() {
  const name = state.route.path[0] ?? "";
  return name ? one(name) : all();
}

/** @param {string} name */
const serviceAddress = (name) => `#/services/${encodeURIComponent(name)}`;

/** @param {string} view @param {string} name */
const of = (view, name) => `#/${view}?${new URLSearchParams({ service: name })}`;

function all() {
  const { list, error, window } = services;
  return [
    h(
      "div",
      { class: "title" },
      h("h1", null, "Services"),
      h(
        "span",
        { class: "muted" },
        "Every service that has sent anything; rate, errors and duration are from its spans",
      ),
      h("span", { class: "grow" }),
      windowChoice(() => loadRed("", true), window.to),
    ),
    !list && missing("The services cannot be read", error, () => loadRed("", true), 320),
    list && error && h("p", { class: "error-text", role: "alert" }, error),
    list?.length === 0 &&
      h(
        "div",
        { class: "card" },
        empty(
          "No service yet",
          "Nothing has arrived. A service of yours is connected with a few settings.",
          h("a", { class: "button", href: "#/status" }, "Connect a service"),
        ),
      ),
    list && list.length > 0 && overview(list, window.to - window.from),
  ];
}

/** @param {Service[]} list @param {number} length Of the window, in milliseconds. */
function overview(list, length) {
  const columns = [
    "Service",
    "Rate",
    "Errors",
    "p50",
    "p95",
    "p99",
    "Spans",
    "Logs",
    "Instances",
    "Last span",
    "Look at",
  ];
  return h(
    "div",
    { class: "card answer-table service-table", tabindex: "0", role: "region", "aria-label": "Services" },
    tableOf(
      columns,
      (index) => index > 0 && index < columns.length - 1,
      list.map(({ name, figures, logs, failures, instances, points }) =>
        h(
          "tr",
          { key: name },
          h("th", { scope: "row" }, h("a", { href: serviceAddress(name) }, service(name || "no name"))),
          cells(figures, length),
          h("td", { class: "number" }, figures ? number(figures.spans) : "–"),
          h(
            "td",
            { class: "number" },
            logs > 0 ? number(logs) : "–",
            failures > 0 && h("span", { class: "error-text" }, ` ${plural(failures, "error")}`),
          ),
          h("td", { class: "number" }, number(instances)),
          h("td", { class: "number muted" }, figures ? ago(figures.last, state.now) : "–"),
          h(
            "td",
            { class: "looks" },
            figures && h("a", { href: of("traces", name) }, "Traces"),
            logs > 0 && h("a", { href: of("logs", name) }, "Logs"),
            points > 0 && h("a", { href: of("metrics", name) }, "Metrics"),
          ),
        ),
      ),
    ),
  );
}

/** Rate, errors, duration. @param {Figures | null} figures @param {number} length */
function cells(figures, length) {
  if (!figures) return ["", "", "", "", ""].map((_, key) => h("td", { key: String(key), class: "number muted" }, "–"));
  const { spans, errors, p50, p95, p99 } = figures;
  return [
    h("td", { class: "number" }, rate(spans, length)),
    h("td", { class: `number${errors > 0 ? " error-text" : ""}` }, errors > 0 ? percent(errors / spans) : "0 %"),
    [p50, p95, p99].map((value) => h("td", { class: "number" }, duration(value))),
  ];
}

/** A second, or a minute where that would be little. @param {number} spans @param {number} length Milliseconds. */
function rate(spans, length) {
  const perSecond = spans / (length / 1000);
  return perSecond >= 0.1 ? number(perSecond, "/s") : number(perSecond * 60, "/min");
}

/** @param {string} name */
function one(name) {
  const { error, window } = services;
  const open = services.open?.name === name ? services.open : null;
  return [
    h(
      "div",
      { class: "title" },
      h("a", { class: "back", href: "#/services", "aria-label": "All services" }, "←"),
      h("h1", null, service(name)),
      h("a", { class: "button small", href: of("traces", name) }, "Traces"),
      h("a", { class: "button small", href: of("logs", name) }, "Logs"),
      h("a", { class: "button small", href: of("metrics", name) }, "Metrics"),
      h("span", { class: "grow" }),
      windowChoice(() => loadRed(name, true), window.to),
    ),
    !open && missing("The service cannot be read", error, () => loadRed(name, true), 420),
    open && error && h("p", { class: "error-text", role: "alert" }, error),
    open &&
      open.instances.length === 0 &&
      h("div", { class: "card" }, empty("No such service", "Nothing of it is kept.")),
    open &&
      open.instances.length > 0 &&
      h("div", { class: "status-grid" }, charts(open), operations(open, window.to - window.from), about(open)),
  ];
}

/** @param {Open} open */
function charts({ steps, step }) {
  if (steps.length === 0) {
    return h("section", { class: "card" }, empty("No spans in this time", "Choose a longer one above."));
  }
  const first = /** @type {{ time: number }} */ (steps[0]).time;
  const last = /** @type {{ time: number }} */ (steps.at(-1)).time;
  // A step without a span has a rate of 0, and no duration.
  const times = Array.from({ length: Math.round((last - first) / step) + 3 }, (_, index) => first + (index - 1) * step);
  const at = new Map(steps.map((one) => [one.time, one]));
  const values = (/** @type {(of: Figures) => number} */ read, /** @type {number | null} */ none) =>
    times.map((time) => {
      const of = at.get(time);
      return of ? read(of) : none;
    });
  const range = /** @type {[number, number]} */ ([times[0], times.at(-1)]);
  /** @param {string} title @param {(value: number | null | undefined) => string} format @param {number} least @param {import("../chart/line.js").Series[]} series */
  const chart = (title, format, least, series) => lineChart({ title, times, series, range, format, least });
  return h(
    "section",
    { class: "card service-charts", "aria-label": "Course" },
    h("h2", null, "Rate, errors, duration"),
    chart("Rate", (value) => number(value, "/s"), 0, [
      { name: "rate", colour: "var(--p50)", values: values(({ spans }) => spans / (step / 1000), 0) },
    ]),
    chart("Errors", percent, 0.05, [
      { name: "errors", colour: "var(--error)", values: values(({ spans, errors }) => errors / spans, null) },
    ]),
    chart("Duration", duration, 0, [
      { name: "p50", colour: "var(--p50)", values: values(({ p50 }) => p50, null) },
      { name: "p95", colour: "var(--p95)", values: values(({ p95 }) => p95, null) },
      { name: "p99", colour: "var(--p99)", values: values(({ p99 }) => p99, null) },
    ]),
  );
}

/** @param {Open} open @param {number} length */
function operations({ name, operations }, length) {
  if (operations.length === 0) return null;
  return h(
    "section",
    { class: "card answer-table", "aria-label": "Operations", tabindex: "0", role: "region" },
    h("h2", null, "Operations"),
    tableOf(
      ["Name", "Kind", "Rate", "Errors", "p50", "p95", "p99", "Spans"],
      (index) => index > 1,
      [...operations]
        .sort((a, b) => b.p95 - a.p95)
        .map((operation) =>
          h(
            "tr",
            { key: `${operation.kind} ${operation.name}` },
            h(
              "th",
              { scope: "row" },
              h(
                "a",
                { href: `#/traces?${new URLSearchParams({ service: name, operation: operation.name })}` },
                operation.name,
              ),
            ),
            h("td", { class: "muted" }, operation.kind),
            cells(operation, length),
            h("td", { class: "number" }, number(operation.spans)),
          ),
        ),
    ),
  );
}

/** @param {Open} open */
function about({ instances, scopes }) {
  const common = shared(instances);
  return h(
    "div",
    { class: "services-grid" },
    h(
      "section",
      { class: "card", "aria-label": "Resource" },
      h("h2", null, "Resource"),
      pairs(Object.entries(common)),
      h("h2", { class: "next" }, plural(instances.length, "instance")),
      instances.length > 1 && h("p", { class: "muted" }, "What each of them says that not all have in common:"),
      instances.map(({ attributes }, index) => {
        const own = Object.entries(attributes).filter(([key]) => !(key in common));
        return own.length > 0 && h("div", { key: String(index), class: "instance" }, pairs(own));
      }),
    ),
    h(
      "section",
      { class: "card", "aria-label": "Scopes" },
      h("h2", null, "Scopes"),
      h("p", { class: "muted" }, "The libraries that made its telemetry, in this time."),
      scopes.length > 0 &&
        tableOf(
          ["Name", "Version", "Made"],
          () => false,
          scopes.map(({ signal, name, version, count }) =>
            h(
              "tr",
              null,
              h("th", { scope: "row", class: "mono wrap" }, name ?? "no name"),
              h("td", { class: "mono" }, version ?? "–"),
              h("td", null, MADE[signal]?.(count) ?? ""),
            ),
          ),
        ),
    ),
  );
}

/** @type {Record<string, (count: number) => string>} */
const MADE = {
  spans: (count) => plural(count, "span"),
  logs: (count) => plural(count, "log record"),
  metrics: (count) => plural(count, "metric point"),
};

/** What all of them say. @param {Instance[]} instances */
function shared(instances) {
  const [first, ...others] = instances;
  const entries = Object.entries(first?.attributes ?? {});
  return Object.fromEntries(
    entries.filter(([key, value]) =>
      others.every(({ attributes }) => JSON.stringify(attributes[key]) === JSON.stringify(value)),
    ),
  );
}
