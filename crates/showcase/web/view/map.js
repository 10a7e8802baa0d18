// Which service calls which.

import { h } from "../dom.js";
import { layout } from "../chart/graph.js";
import { duration, number, percent, plural } from "../format.js";
import { loadMap } from "../model/map.js";
import { state } from "../store.js";
import { colourOf } from "../colours.js";
import { empty, missing, service } from "./parts.js";
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

/** @param {ServiceMap} map */
function picture(map) {
  const { nodes, edges, width, height } = layout(map, state.narrow);
  // Beside a line from top to bottom, around one from left to right.
  const [beside, down] = state.narrow ? [14, 6] : [0, 0];
  const most = map.calls.reduce((most, { calls }) => Math.max(most, calls), 1);
  return h(
    "div",
    { class: `card map${state.narrow ? " upright" : ""}` },
    h(
      "svg",
      {
        viewBox: `0 0 ${width} ${height}`,
        role: "group",
        "aria-label": "Map of the services",
        style: { "max-width": `${width * 1.5}px` },
      },
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
      edges.map(({ call, path, x, y }) => {
        const bad = ratio(call) > 0;
        return h(
          "g",
          { key: `${call.from} ${call.to}`, class: `edge${bad ? " bad" : ""}` },
          h("path", { d: path, "stroke-width": 1.5 + 2 * Math.sqrt(call.calls / most), "marker-end": "url(#arrow)" }),
          h("path", { d: path, class: "flow" }),
          h(
            "text",
            { x: x + beside, y: y - 12 + down, class: "strong" },
            `${number(call.rate, "/s")} · p95 ${duration(call.p95)}`,
          ),
          h("text", { x: x + beside, y: y + 22 - down, class: bad ? "error" : "" }, `${percent(ratio(call))} errors`),
        );
      }),
      nodes.map(({ name, x, y, w, h: high }) => {
        const { spans = 0, errors = 0 } = map.services.find((one) => one.name === name) ?? {};
        return h(
          "a",
          { key: name, href: `#/traces?service=${encodeURIComponent(name)}` },
          h(
            "g",
            { class: "node" },
            h("rect", { x, y, width: w, height: high, rx: 10 }),
            h("rect", { x: x + 12, y: y + 14, width: 4, height: high - 28, rx: 2, style: { fill: colourOf(name) } }),
            h("text", { x: x + 28, y: y + 29, class: "name" }, shortened(name)),
            h("text", { x: x + 28, y: y + 49, class: "small" }, plural(spans, "span")),
            errors > 0 && h("text", { x: x + w - 14, y: y + 49, class: "small error end" }, plural(errors, "error")),
          ),
        );
      }),
    ),
  );
}

/** @param {string} name */
const shortened = (name) => (name.length > 18 ? `${name.slice(0, 17)}…` : name);

/** @param {ServiceMap} map */
function calls({ calls }) {
  if (calls.length === 0) return null;
  return h(
    "div",
    { class: "card pad scroll-x calls", tabindex: "0", role: "region", "aria-label": "Calls" },
    h(
      "table",
      null,
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          ["From", "To", "Calls", "Rate", "Errors", "Median", "95th percentile"].map((name, index) =>
            h("th", { scope: "col", class: index > 1 ? "number" : "" }, name),
          ),
        ),
      ),
      h(
        "tbody",
        null,
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
    ),
  );
}
