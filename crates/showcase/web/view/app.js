// The page as a function of the state.

import { sentence } from "../api.js";
import { h } from "../dom.js";
import { state, update } from "../store.js";
import { switchTheme } from "../theme.js";
import { compareView } from "./compare.js";
import { flameView } from "./flame.js";
import { help } from "./help.js";
import { logsView } from "./logs.js";
import { mapView } from "./map.js";
import { metricsView } from "./metrics.js";
import { overviewView } from "./overview.js";
import { connection, empty } from "./parts.js";
import { servicesView } from "./services.js";
import { sqlView } from "./sql.js";
import { statusView } from "./status.js";
import { traceView } from "./trace.js";
import { tracesView } from "./traces.js";
import { tryView } from "./try.js";

const SUN =
  "M8 4.6a3.4 3.4 0 1 0 0 6.8a3.4 3.4 0 1 0 0-6.8M8 1v1.4M8 13.6V15M1 8h1.4M13.6 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1";
const MOON = "M13.5 9.6A5.8 5.8 0 0 1 6.4 2.5a5.8 5.8 0 1 0 7.1 7.1z";

/** @import { Child } from "../dom.js" */

/** @type {Record<string, { name: string, view: () => Child, parent?: string }>} */
const VIEWS = {
  overview: { name: "Overview", view: overviewView },
  services: { name: "Services", view: servicesView },
  traces: { name: "Traces", view: tracesView },
  logs: { name: "Logs", view: logsView },
  metrics: { name: "Metrics", view: metricsView },
  map: { name: "Map", view: mapView },
  sql: { name: "SQL", view: sqlView },
  compare: { name: "Compare", view: compareView },
  try: { name: "Try it", view: tryView },
  status: { name: "Connect", view: statusView },
  trace: { name: "", view: traceView, parent: "traces" },
  flame: { name: "Flame graph", view: flameView, parent: "traces" },
};

/** What the browser's tab says. */
export function title() {
  const { name = "" } = VIEWS[viewOf(state.route.view)] ?? {};
  return `${name || (state.trace?.trace?.roots[0]?.name ?? "Trace")} · Ping & Pong`;
}

export const viewOf = (/** @type {string} */ name) => (Object.hasOwn(VIEWS, name) ? name : "overview");

export function app() {
  const current = viewOf(state.route.view);
  const { view, parent } = /** @type {NonNullable<typeof VIEWS[string]>} */ (VIEWS[current]);
  const full = ["trace", "traces", "logs"].includes(current);
  return [
    h("a", { class: "skip", href: "#main", onclick: skip }, "Skip to the content"),
    h(
      "header",
      { class: "header" },
      h("a", { class: "brand", href: "#/" }, h("img", { src: "page/icon.svg", alt: "" }), "Ping & Pong"),
      h("nav", { class: "nav", "aria-label": "Views", drawn: keepInView }, links(parent ?? current)),
      h("div", { class: "tools" }, connection(), theme(), keys()),
    ),
    h("main", { key: current, id: "main", tabindex: "-1", class: full ? "full" : "" }, shown(view)),
    notice(),
    help(),
  ];
}

/** A view that fails takes nothing else with it. @param {() => Child} view @returns {Child} */
function shown(view) {
  try {
    return view();
  } catch (error) {
    console.error(error);
    return h(
      "div",
      { class: "card" },
      empty("This view cannot be drawn", sentence(error), h("button", { onclick: () => location.reload() }, "Reload")),
    );
  }
}

/** @param {string} path */
const icon = (path) => h("svg", { viewBox: "0 0 16 16", class: "icon", "aria-hidden": "true" }, h("path", { d: path }));

/** @param {Event} event */
function skip(event) {
  event.preventDefault(); // the address belongs to the route
  document.getElementById("main")?.focus();
}

/** Where there is no room for all of them. @param {Element} nav */
function keepInView(nav) {
  const here = nav.querySelector("[aria-current]");
  if (nav.getAttribute("data-at") === here?.textContent) return;
  nav.setAttribute("data-at", here?.textContent ?? "");
  if (here) nav.scrollLeft = /** @type {HTMLElement} */ (here).offsetLeft - (nav.clientWidth - here.clientWidth) / 2;
}

/** @param {string} current */
function links(current) {
  return Object.entries(VIEWS)
    .filter(([, { parent }]) => !parent)
    .map(([view, { name }]) =>
      h(
        "a",
        { href: view === "overview" ? "#/" : `#/${view}`, "aria-current": view === current ? "page" : null },
        name,
      ),
    );
}

/** Over the page, so that nothing moves when it comes and goes. */
function notice() {
  const trouble = lost() || ended();
  return h("div", { class: `notice${trouble ? " trouble" : ""}`, role: "status" }, state.notice || trouble);
}

function lost() {
  return state.connection === "lost" ? "The showcase does not answer: this is from before. Trying again …" : "";
}

/** A service that nobody stopped. */
function ended() {
  const { settings } = state.try;
  const first = [settings?.ping, settings?.pong].find((service) => service?.ended);
  if (!first || viewOf(state.route.view) === "try") return "";
  return [`${first.ended}. `, h("a", { href: "#/try" }, "Start it again")];
}

function theme() {
  const label = state.dark ? "Light theme" : "Dark theme";
  return h(
    "button",
    { class: "quiet icon", onclick: switchTheme, "aria-label": label, title: label },
    icon(state.dark ? SUN : MOON),
  );
}

function keys() {
  return h(
    "button",
    { class: "quiet icon", onclick: () => update({ help: true }), "aria-label": "Keyboard", title: "Keyboard (?)" },
    "?",
  );
}
