// Every instrument of every service, and one of them as charts.

import { heatmap } from "../chart/heatmap.js";
import { lineChart } from "../chart/line.js";
import { h } from "../dom.js";
import { bytes, duration, number, plural } from "../format.js";
import { dimensions, EACH, isHistogram, isRate, lines, percentiles } from "../model/instrument.js";
import { group, grouping, instrumentAddress, isOpen, loadMetrics, metrics } from "../model/metrics.js";
import { stepOf } from "../model/window.js";
import { traceAddress } from "../route.js";
import { changed, state } from "../store.js";
import { field, textField } from "./field.js";
import { empty, missing, service } from "./parts.js";
import { windowChoice } from "./window.js";

/** @import { Mark } from "../chart/frame.js" */
/** @import { Series } from "../chart/line.js" */
/** @import { Line, Point } from "../model/instrument.js" */
/** @import { Instrument } from "../model/metrics.js" */

/** Lines that can be told apart, and dots that can be hit. */
const LINES = 8;
const DOTS = 40;

export function metricsView() {
  const { list, error, window } = metrics;
  return [
    h(
      "div",
      { class: "title" },
      h("h1", null, "Metrics"),
      h("span", { class: "muted" }, list ? plural(list.length, "instrument") : ""),
      h("span", { class: "grow" }),
      windowChoice(() => loadMetrics(true), window.to),
    ),
    !list && missing("The metrics cannot be read", error, () => loadMetrics(true), 420),
    list && error && h("p", { class: "error-text", role: "alert" }, error),
    list?.length === 0 &&
      h(
        "div",
        { class: "card" },
        empty(
          "No metrics yet",
          "Services send their metrics every minute, if their SDK is told to.",
          h("a", { class: "button", href: "#/status" }, "Connect a service"),
        ),
      ),
    list && list.length > 0 && h("div", { class: "metrics" }, instruments(list), chosen()),
  ];
}

/** @param {Instrument[]} list */
function instruments(list) {
  const wanted = metrics.text.toLowerCase();
  const of = state.route.query.get("service");
  const named = state.route.query.get("name");
  // Another view leads here with a service alone.
  const shown = list.filter(
    (one) =>
      `${one.name} ${one.service} ${one.scope}`.toLowerCase().includes(wanted) && (named || !of || one.service === of),
  );
  let last = "";
  return h(
    "nav",
    { class: "card instruments", "aria-label": "Instruments" },
    field(
      "Find",
      textField("Instrument, service or scope", metrics.text, (typed) => {
        metrics.text = typed;
        changed();
      }),
    ),
    !named && of && h("p", null, service(of), " ", h("a", { href: "#/metrics" }, "All services")),
    shown.length === 0 && h("p", { class: "muted" }, "No instrument is called so."),
    h(
      "ul",
      null,
      shown.map((one) => {
        const heading = `${one.service}\n${one.scope}`;
        const isNew = heading !== last;
        const isOther = !last.startsWith(`${one.service}\n`);
        last = heading;
        return [
          isNew &&
            h(
              "li",
              { key: heading, class: "of" },
              isOther && service(one.service),
              h("span", { class: "muted mono" }, one.scope || "no scope"),
            ),
          h(
            "li",
            { key: `${heading}\n${one.name}\n${one.kind}` },
            h(
              "a",
              { href: instrumentAddress(one), "aria-current": isOpen(one) ? "true" : null },
              one.name,
              h("span", { class: "muted" }, ` ${KINDS[one.kind] ?? one.kind}`),
            ),
          ),
        ];
      }),
    ),
  );
}

/** @type {Record<string, string>} */
const KINDS = { exponential_histogram: "histogram, exponential" };

function chosen() {
  const { open, points } = metrics;
  if (!state.route.query.get("name")) {
    return h("div", { class: "card" }, empty("No instrument chosen", "Choose one from the list to see its course."));
  }
  if (!open || !points) {
    return h(
      "div",
      { class: "card" },
      empty("No such instrument", "It has no points in this time. Choose a longer one."),
    );
  }
  const by = grouping(points);
  const keys = dimensions(points);
  const { name, unit, description, kind, temporality } = open;
  return h(
    "section",
    { class: "card instrument", "aria-label": name },
    h(
      "div",
      { class: "row" },
      h("h2", null, name),
      h("span", { class: "badge" }, KINDS[kind] ?? kind),
      temporality && h("span", { class: "badge" }, temporality),
      unit && h("span", { class: "badge" }, unit),
      h("span", { class: "grow" }),
      h(
        "label",
        { class: "window-choice" },
        h("span", { class: "muted" }, "A line for"),
        h(
          "select",
          {
            value: by,
            onchange: (/** @type {Event} */ event) =>
              group(/** @type {HTMLSelectElement} */ (event.currentTarget).value),
          },
          h("option", { value: "" }, "everything"),
          h("option", { value: EACH }, "each set of attributes"),
          keys.map((key) => h("option", { key, value: key }, `each ${key}`)),
        ),
      ),
    ),
    description && h("p", { class: "muted" }, description),
    metrics.truncated && h("p", { class: "muted" }, "There are more points than can be drawn: these are the newest."),
    charts(open, points, by),
  );
}

/** What was computed for these points; figures that arrive elsewhere change nothing in it. */
const computed = { points: /** @type {Point[]} */ ([]), by: "", all: /** @type {Course | null} */ (null) };
/** @typedef {{ times: number[], step: number, drawn: Line[], left: number, together: Line | undefined }} Course */

/** @param {Instrument} open @param {Point[]} points @param {string} by @returns {Course} */
function course(open, points, by) {
  if (computed.all && computed.points === points && computed.by === by) return computed.all;
  const moments = points.map(({ time }) => time);
  const first = moments.reduce((a, b) => Math.min(a, b), Infinity);
  const last = moments.reduce((a, b) => Math.max(a, b), 0);
  const step = stepOf({ from: first, to: last });
  const begin = (Math.floor(first / step) - 1) * step;
  const count = Math.ceil(/** @type {number} */ (last - begin) / step) + 1;
  const times = Array.from({ length: count }, (_, index) => begin + index * step);
  const all = lines(points, open, by, times, step);
  const together = by === "" ? all[0] : lines(points, open, "", times, step)[0];
  const drawn = all.slice(0, LINES);
  Object.assign(computed, { points, by, all: { times, step, drawn, left: all.length - drawn.length, together } });
  return /** @type {Course} */ (computed.all);
}

/** @param {Instrument} open @param {Point[]} points @param {string} by */
function charts(open, points, by) {
  const { times, step, drawn, left, together } = course(open, points, by);
  const format = formatOf(open.unit);
  const range = /** @type {[number, number]} */ ([/** @type {number} */ (times[0]) - step, times.at(-1)]);
  const aside = left > 0 && h("span", { class: "muted" }, `and ${left} more`);
  /** @param {(line: Line) => (number | null)[]} values @returns {Series[]} */
  const series = (values) =>
    drawn.map((line, index) => ({
      name: line.name || open.name,
      colour: `var(--service-${index})`,
      values: values(line),
    }));
  const dots = marks(points, format);
  if (!isHistogram(open)) {
    const perSecond = isRate(open);
    const title = perSecond ? "A second" : "Value";
    return lineChart({
      title,
      times,
      range,
      least: 0,
      aside,
      format: perSecond ? (value) => `${format(value)}${value === null || value === undefined ? "" : "/s"}` : format,
      series: series(({ values }) => values),
      // What was added when is no point on the axis of a rate.
      marks: perSecond ? dots.map((dot) => ({ ...dot, value: 0 })) : dots,
    });
  }
  const shares = /** @type {const} */ ([0.5, 0.95, 0.99]);
  const three = (/** @type {Line} */ line) =>
    shares.map((share) => {
      const name = `p${share * 100}`;
      return { name, colour: `var(--${name})`, values: percentiles(line, share) };
    });
  return [
    drawn.length > 1 || by !== ""
      ? lineChart({
          title: "95th percentile",
          times,
          range,
          format,
          least: 0,
          aside,
          series: series((line) => percentiles(line, 0.95)),
        })
      : together && lineChart({ title: "Percentiles", times, range, format, least: 0, series: three(together) }),
    together && heatmap({ title: "Distribution", times, step, buckets: together.buckets, format, marks: dots }),
    lineChart({
      title: "Measurements a second",
      times,
      range,
      least: 0,
      small: true,
      format: (value) => number(value, "/s"),
      series: series(({ values }) => values),
    }),
  ];
}

/** @param {Point[]} points @param {(value: number) => string} format @returns {Mark[]} */
function marks(points, format) {
  const all = points.flatMap(({ exemplars }) => exemplars);
  const once = new Map(all.map((one) => [`${one.spanId} ${one.time} ${one.value}`, one]));
  return [...once.values()]
    .sort((a, b) => b.time - a.time)
    .slice(0, DOTS)
    .map(({ time, value, traceId, spanId }) => ({
      time,
      value,
      href: traceAddress(traceId, spanId),
      label: `${format(value)}, trace ${traceId.slice(0, 8)}`,
    }));
}

/** @param {string | null} unit As UCUM has it. @returns {(value: number | null | undefined) => string} */
function formatOf(unit) {
  const times = (/** @type {number} */ factor) => (/** @type {number | null | undefined} */ value) =>
    duration(value === null || value === undefined ? value : value * factor);
  switch (unit) {
    case "s":
      return times(1000);
    case "ms":
      return times(1);
    case "us":
      return times(1e-3);
    case "ns":
      return times(1e-6);
    case "By":
      return (value) => bytes(value === null || value === undefined ? value : Math.round(value));
    default:
      // In braces a unit only says what is counted.
      return (value) =>
        number(value, unit && value !== null && value !== undefined && /^[^{1]/.test(unit) ? ` ${unit}` : "");
  }
}
