// Which service calls which.

import { h } from "../dom.js";
import { layout } from "../chart/graph.js";
import { duration, number, percent, plural } from "../format.js";
import { loadMap } from "../model/map.js";
import { state, update } from "../store.js";
import { colourOf } from "../colours.js";
import { empty, missing, service, tableOf } from "./parts.js";
import { pingButton } from "./try.js";

/** @import { Call, ServiceMap } from "../types.js" */

export function mapView() {
  const { map, mapError } = state;
  return [
    h(
      "div",
      { class: "title" },
      h("h1", null, "Map"),
      h("span", { class: "muted" }, "Services and their calls, from the traces of the last 15 minutes"),
    ),
    !map && missing("The map cannot be read", mapError, loadMap, 420),
    map &&
      map.services.length === 0 &&
      h(
        "div",
        { class: "card" },
        empty("Nothing on the map yet", "Send a request to ping: the map is drawn from traces.", pingButton()),
      ),
    map && map.services.length > 0 && [picture(map), calls(map)],
  ];
}

/** @param {Call} call */
const ratio = ({ calls, errors }) => (calls > 0 ? errors / calls : 0);

/** Smaller than this nobody can read it: then the picture is scrolled. */
const LEAST = 0.6;
const MOST = 3;
/** Of one press. */
const STEP = 1.25;

/** @param {ServiceMap} map */
function picture(map) {
  const { nodes, edges, width, height } = layout(map, state.narrow);
  const most = map.calls.reduce((most, { calls }) => Math.max(most, calls), 1);
  const size = state.zoom
    ? { width: `${width * state.zoom}px` }
    : { width: "100%", "min-width": `${width * LEAST}px`, "max-width": `${width * 1.25}px` };
  return h(
    "div",
    { class: "card map" },
    h(
      "div",
      { class: "zoom", role: "group", "aria-label": "Zoom" },
      zoomButton("−", "Smaller", 1 / STEP, width),
      h(
        "button",
        { class: "small", "aria-pressed": String(state.zoom === 0), onclick: () => update({ zoom: 0 }) },
        "Fit",
      ),
      zoomButton("+", "Larger", STEP, width),
    ),
    h(
      "div",
      {
        class: "map-picture",
        tabindex: "0",
        role: "region",
        "aria-label": "Map of the services",
        title: "Drag to move, Ctrl and the wheel to zoom",
        onwheel: (/** @type {WheelEvent} */ event) => {
          if (!event.ctrlKey) return;
          event.preventDefault();
          zoom(/** @type {Element} */ (event.currentTarget), event.deltaY < 0 ? STEP : 1 / STEP, width);
        },
        onpointerdown: take,
        onpointermove: drag,
        onpointerup: drop,
        onpointercancel: drop,
      },
      h(
        "svg",
        { viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": "Services and calls", style: size },
        h(
          "defs",
          null,
          h(
            "marker",
            {
              id: "arrow",
              viewBox: "0 0 10 10",
              refX: "9",
              refY: "5",
              markerWidth: "9",
              markerHeight: "9",
              orient: "auto-start-reverse",
              markerUnits: "userSpaceOnUse",
            },
            h("path", { d: "M0 0.5L9.5 5L0 9.5z", class: "arrow" }),
          ),
        ),
        edges.map(({ call, path }) => line(call, path, most)),
        nodes.map((place) => node(place, map)),
        edges.map(({ call, x, y }) => words(call, x, y)),
      ),
    ),
  );
}

/** @param {string} sign @param {string} label @param {number} factor @param {number} width */
function zoomButton(sign, label, factor, width) {
  const press = (/** @type {Event} */ event) => {
    const picture = /** @type {Element} */ (event.currentTarget).closest(".map")?.querySelector(".map-picture");
    if (picture) zoom(picture, factor, width);
  };
  return h("button", { class: "small icon", "aria-label": label, title: label, onclick: press }, sign);
}

/** What is in the middle stays there. @param {Element} picture @param {number} factor @param {number} width Of the whole, unmagnified. */
function zoom(picture, factor, width) {
  const now = (picture.firstElementChild?.clientWidth ?? width) / width;
  const next = Math.min(MOST, Math.max(0.2, now * factor));
  const { scrollLeft, scrollTop, clientWidth, clientHeight } = picture;
  update({ zoom: next });
  requestAnimationFrame(() => {
    picture.scrollLeft = (scrollLeft + clientWidth / 2) * (next / now) - clientWidth / 2;
    picture.scrollTop = (scrollTop + clientHeight / 2) * (next / now) - clientHeight / 2;
  });
}

/** @type {{ x: number, y: number } | null} */
let held = null;

/** @param {PointerEvent} event */
function take({ target, clientX, clientY, pointerType }) {
  // A finger scrolls by itself, and what is on a service is its link's.
  if (pointerType === "mouse" && !(/** @type {Element} */ (target).closest("a"))) held = { x: clientX, y: clientY };
}

/** @param {PointerEvent} event */
function drag({ currentTarget, clientX, clientY, buttons }) {
  if (buttons === 0) held = null;
  if (!held) return;
  /** @type {Element} */ (currentTarget).scrollBy(held.x - clientX, held.y - clientY);
  held = { x: clientX, y: clientY };
}

const drop = () => void (held = null);

/** @param {Call} call @param {string} path @param {number} most */
function line(call, path, most) {
  return h(
    "g",
    { key: `line ${call.from} ${call.to}`, class: `edge${ratio(call) > 0 ? " bad" : ""}` },
    h("path", { d: path, "stroke-width": 1.5 + 2 * Math.sqrt(call.calls / most), "marker-end": "url(#arrow)" }),
    h("path", { d: path, class: "flow" }),
  );
}

/** @param {Call} call @param {number} x @param {number} y */
function words(call, x, y) {
  const bad = ratio(call) > 0;
  return h(
    "text",
    { key: `words ${call.from} ${call.to}`, class: "words", x, y: y + 4 },
    h("title", null, `${call.from} calls ${call.to}: ${plural(call.calls, "call")}, ${plural(call.errors, "error")}`),
    h("tspan", { class: "strong" }, number(call.rate, "/s")),
    ` · p95 ${duration(call.p95)}`,
    bad && h("tspan", { class: "error" }, ` · ${percent(ratio(call))} failed`),
  );
}

/** @param {{ name: string, x: number, y: number, w: number, h: number }} place @param {ServiceMap} map */
function node({ name, x, y, w, h: high }, map) {
  const { spans = 0, errors = 0 } = map.services.find((one) => one.name === name) ?? {};
  return h(
    "a",
    { key: `node ${name}`, href: `#/traces?service=${encodeURIComponent(name)}` },
    h(
      "foreignObject",
      { x, y, width: w, height: high },
      h(
        "div",
        { class: "node", title: name, style: { "--colour": colourOf(name) } },
        h("span", { class: "name" }, name),
        h(
          "span",
          { class: "row" },
          h("span", { class: "muted" }, spans > 0 ? plural(spans, "span") : "sends no spans"),
          errors > 0 && h("span", { class: "error-text" }, `${number(errors)} failed`),
        ),
      ),
    ),
  );
}

/** @param {ServiceMap} map */
function calls({ calls }) {
  if (calls.length === 0) return null;
  return h(
    "div",
    { class: "card pad scroll-x calls", tabindex: "0", role: "region", "aria-label": "Calls" },
    tableOf(
      ["From", "To", "Calls", "Rate", "Errors", "Median", "95th percentile"],
      (index) => index > 1,
      calls.map((call) =>
        h(
          "tr",
          { key: `${call.from} ${call.to}` },
          h("td", null, service(call.from)),
          h("td", null, service(call.to)),
          [
            number(call.calls),
            number(call.rate, "/s"),
            percent(ratio(call)),
            duration(call.p50),
            duration(call.p95),
          ].map((text, index) =>
            h("td", { class: `number${index === 2 && call.errors > 0 ? " error-text" : ""}` }, text),
          ),
        ),
      ),
    ),
  );
}
