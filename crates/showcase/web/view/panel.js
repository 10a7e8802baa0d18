// The figures of one service: how it does now, and lines of the last minutes.

import { lineChart } from "../chart/line.js";
import { h } from "../dom.js";
import { bytes, clock, duration, number, percent, rounded } from "../format.js";
import { traceAddress } from "../route.js";
import { state, update } from "../store.js";
import { service as serviceName, upBadge } from "./parts.js";
import { pingButton } from "./try.js";

/** @import { Exemplar, Point, RoutePoint, ServiceFigures } from "../types.js" */

const LINES = ["var(--service-7)", "var(--service-6)", "var(--service-10)", "var(--service-9)", "var(--service-8)"];

/** @param {ServiceFigures} service @param {[number, number]} range */
export function panel(service, range) {
  const { name, url, up, points, exemplars } = service;
  const times = points.map(({ time }) => time);
  const routes = [...new Set(points.flatMap((point) => point.routes.map(({ route }) => route)))].sort();
  const now = points.at(-1);
  const quiet = exemplars.length === 0 && !points.some((point) => point.routes.some(({ rate }) => (rate ?? 0) > 0));
  const known = state.connection === "open";
  return h(
    "section",
    { key: name, class: "panel card", "aria-label": name },
    h(
      "div",
      { class: "panel-head" },
      h("h2", null, serviceName(name)),
      upBadge(up),
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
        up && known && pingButton(),
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

/** The last minute: of two seconds nobody could read anything. @param {Point | undefined} now */
function tiles(now) {
  const { minute } = now ?? {};
  const rate = minute && minute.requests / minute.seconds;
  return h(
    "dl",
    { class: "tiles", "aria-label": "In the last minute" },
    tile("Requests, last minute", minute ? number(minute.requests) : "–", rate && rate >= 1 ? number(rate, "/s") : ""),
    tile("Errors", percent(minute?.errors), "", (minute?.errors ?? 0) > 0),
    tile("95th percentile", atMost(minute?.p95, minute?.least)),
    tile("In flight", number(now?.active)),
  );
}

/** A percentile that lies in the lowest bucket is only known not to be above it. @param {number | null | undefined} ms @param {number | null | undefined} least */
function atMost(ms, least) {
  return ms !== null && ms !== undefined && ms <= (least ?? 0) ? `≤ ${rounded(duration(least))}` : duration(ms);
}

/** @param {string} name @param {string} value @param {string} [more] @param {boolean} [bad] */
const tile = (name, value, more = "", bad = false) =>
  h(
    "div",
    { class: "tile" },
    h("dt", null, name),
    h("dd", { class: bad ? "error-text" : "" }, value, more && h("span", { class: "muted more" }, more)),
  );

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
  const lowest = points.map((point) => at(point, route ?? "")?.least).findLast((least) => least);
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
      say: (value) => atMost(value, lowest),
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
      series: [{ name: "requests", colour: "var(--service-7)", values: of("active") }],
    }),
    lineChart({
      ...common,
      title: "CPU, cores",
      key: `${name} cpu`,
      least: 0.05,
      format: (value) => number(value),
      series: [{ name: "cores", colour: "var(--service-10)", values: of("cpu") }],
    }),
    lineChart({
      ...common,
      title: "Memory",
      key: `${name} memory`,
      least: 16 << 20,
      format: bytes,
      series: [{ name: "resident", colour: "var(--service-2)", values: of("memory") }],
    }),
    lineChart({
      ...common,
      title: "Spans per second",
      key: `${name} spans`,
      least: 1,
      format: (value) => number(value),
      series: [
        { name: "exported", colour: "var(--service-0)", values: of("exported") },
        { name: "dropped", colour: "var(--error)", values: of("dropped") },
      ],
    }),
  ];
}
