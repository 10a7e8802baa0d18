// The figures of one service: how it does now, and lines of the last minutes.

import { lineChart } from "../chart/line.js";
import { h } from "../dom.js";
import { bytes, clock, duration, number, percent } from "../format.js";
import { traceAddress } from "../route.js";
import { state, update } from "../store.js";
import { service as serviceName } from "./parts.js";
import { pingButton } from "./try.js";

/** @import { Exemplar, Point, RoutePoint, ServiceFigures } from "../types.js" */

const LINES = ["var(--service-0)", "var(--service-1)", "var(--service-2)", "var(--service-3)", "var(--service-5)"];

/** @param {ServiceFigures} service @param {[number, number]} range */
export function panel(service, range) {
  const { name, url, up, points } = service;
  const times = points.map(({ time }) => time);
  const routes = [...new Set(points.flatMap((point) => point.routes.map(({ route }) => route)))].sort();
  const now = points.at(-1);
  const quiet = !points.some((point) => point.routes.some(({ rate }) => (rate ?? 0) > 0));
  return h(
    "section",
    { key: name, class: "panel card", "aria-label": name },
    h(
      "div",
      { class: "panel-head" },
      h("h2", null, serviceName(name)),
      h("span", { class: `badge ${up ? "good" : "error"}` }, up ? "up" : "down"),
      h("span", { class: "grow" }),
      h(
        "a",
        { class: "mono small-link", href: `${url}/metrics`, target: "_blank", rel: "noopener" },
        `${url.replace(/^https?:\/\//, "")}/metrics`,
      ),
    ),
    tiles(now),
    quiet &&
      h(
        "div",
        { class: "row hint" },
        h("span", { class: "muted" }, up ? "No request yet." : "It does not answer."),
        up && pingButton(),
      ),
    lineChart({
      title: "Requests per second",
      key: `${name} rate`,
      times,
      range,
      least: 1,
      format: (value) => number(value),
      series: byRoute(points, routes, "rate"),
    }),
    lineChart({
      title: "Error ratio",
      key: `${name} errors`,
      times,
      range,
      least: 0.1,
      format: percent,
      series: byRoute(points, routes, "errors"),
    }),
    latency(service, times, routes, range),
    h("div", { class: "small-charts" }, small(service, times, range)),
  );
}

/** @param {Point | undefined} now */
function tiles(now) {
  const routes = now?.routes ?? [];
  const rate = routes.reduce((sum, { rate }) => sum + (rate ?? 0), 0);
  const failing = routes.reduce((sum, { rate, errors }) => sum + (rate ?? 0) * (errors ?? 0), 0);
  const slowest = routes.reduce(
    (/** @type {number | null} */ most, { p95 }) => (p95 === null ? most : Math.max(most ?? 0, p95)),
    null,
  );
  const ratio = rate > 0 ? failing / rate : null;
  return h(
    "dl",
    { class: "tiles" },
    tile("Requests", now ? number(rate, "/s") : "–"),
    tile("Errors", percent(ratio), (ratio ?? 0) > 0),
    tile("95th percentile", duration(slowest)),
    tile("In flight", number(now?.active)),
  );
}

/** @param {string} name @param {string} value @param {boolean} [bad] */
const tile = (name, value, bad = false) =>
  h("div", { class: "tile" }, h("dt", null, name), h("dd", { class: bad ? "error-text" : "" }, value));

/** @param {Point[]} points @param {string[]} routes @param {"rate" | "errors"} figure */
function byRoute(points, routes, figure) {
  const names = routes.length > 0 ? routes : ["all routes"];
  return names.map((route, index) => ({
    name: route,
    colour: /** @type {string} */ (LINES[index % LINES.length]),
    values: points.map((point) => at(point, route)?.[figure] ?? null),
  }));
}

/** @param {Point} point @param {string} route @returns {RoutePoint | undefined} */
const at = (point, route) => point.routes.find((one) => one.route === route);

/**
 * @param {ServiceFigures} service
 * @param {number[]} times
 * @param {string[]} routes
 * @param {[number, number]} range
 */
function latency({ name, points, exemplars }, times, routes, range) {
  const route = routes.includes(state.shownRoutes[name] ?? "")
    ? state.shownRoutes[name]
    : (routes.find((one) => one === "/ping" || one === "/pong") ?? routes[0]);
  const series = /** @type {const} */ (["p50", "p95", "p99"]).map((figure) => ({
    name: figure,
    colour: `var(--${figure})`,
    values: points.map((point) => at(point, route ?? "")?.[figure] ?? null),
  }));
  const marks = slowest(
    exemplars.filter((one) => one.route === route),
    range,
  ).map(({ time, value, traceId, spanId }) => ({
    time,
    value,
    href: traceAddress(traceId, spanId),
    label: `Trace of a request of ${duration(value)} at ${clock(time)}`,
  }));
  const choice =
    routes.length > 1 &&
    h(
      "select",
      {
        class: "route",
        "aria-label": `Route of ${name}`,
        value: route,
        onchange: (/** @type {Event} */ event) =>
          update({
            shownRoutes: { ...state.shownRoutes, [name]: /** @type {HTMLSelectElement} */ (event.currentTarget).value },
          }),
      },
      routes.map((one) => h("option", { key: one, value: one }, one)),
    );
  const hint = marks.length > 0 ? "Each dot is a request, the slowest of its moment: it opens the trace." : "";
  return [
    lineChart({
      title: "Duration",
      key: `${name} duration`,
      times,
      range,
      least: 1,
      format: duration,
      series,
      marks,
      aside: choice,
    }),
    h("p", { class: "muted hint-line" }, hint),
  ];
}

/** More dots than this beside each other would hide one another. */
const DOTS = 48;

/** The slowest of each moment. @param {Exemplar[]} exemplars @param {[number, number]} range */
function slowest(exemplars, [from, to]) {
  /** @type {Map<number, Exemplar>} */
  const found = new Map();
  for (const one of exemplars) {
    // Moments that stay the same while time goes on: dots do not jump.
    const moment = Math.floor((one.time * DOTS) / (to - from));
    if (one.value > (found.get(moment)?.value ?? -1)) found.set(moment, one);
  }
  return [...found.values()];
}

/** @param {ServiceFigures} service @param {number[]} times @param {[number, number]} range */
function small({ name, points }, times, range) {
  const of = (/** @type {"active" | "cpu" | "memory" | "exported" | "dropped"} */ figure) =>
    points.map((point) => point[figure]);
  const common = { times, range, small: true };
  return [
    lineChart({
      ...common,
      title: "In flight",
      key: `${name} active`,
      least: 2,
      format: (value) => number(value),
      series: [{ name: "requests", colour: "var(--service-0)", values: of("active") }],
    }),
    lineChart({
      ...common,
      title: "CPU, cores",
      key: `${name} cpu`,
      least: 0.05,
      format: (value) => number(value),
      series: [{ name: "cores", colour: "var(--service-2)", values: of("cpu") }],
    }),
    lineChart({
      ...common,
      title: "Memory",
      key: `${name} memory`,
      least: 16 << 20,
      format: bytes,
      series: [{ name: "resident", colour: "var(--service-5)", values: of("memory") }],
    }),
    lineChart({
      ...common,
      title: "Spans per second",
      key: `${name} spans`,
      least: 1,
      format: (value) => number(value),
      series: [
        { name: "exported", colour: "var(--service-6)", values: of("exported") },
        { name: "dropped", colour: "var(--error)", values: of("dropped") },
      ],
    }),
  ];
}
