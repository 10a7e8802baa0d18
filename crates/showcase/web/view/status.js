// How a service of one's own is connected, what arrives, and what is in effect.

import { h } from "../dom.js";
import { bytes, clock, number, percent, plural } from "../format.js";
import { loadStatus } from "../model/status.js";
import { snippet, LANGUAGES } from "../model/snippets.js";
import { state, update } from "../store.js";
import { copyable, missing, service, tableOf, upBadge } from "./parts.js";

/** @import { Receiver, ServiceStatus, Status } from "../types.js" */

export function statusView() {
  const { statusError } = state;
  // The settings of ping and pong come by a request of their own. Shown before that, the cards would grow when they arrive.
  const { settings, error } = state.try;
  const status = settings || error ? state.status : null;
  return [
    h(
      "div",
      { class: "title" },
      h("h1", null, "Connect a service"),
      h("span", { class: "muted" }, "What to set in a service of your own, what arrives, and where spans get lost"),
    ),
    !status && missing("The state cannot be read", statusError, loadStatus, 520),
    status &&
      h(
        "div",
        { class: "status-grid" },
        own(status),
        receivers(status),
        h("div", { class: "services-grid" }, status.services.map(one)),
      ),
  ];
}

/** @param {ServiceStatus} of */
function one(of) {
  const lost = (of.dropped ?? 0) + (of.failed ?? 0) > 0;
  /** @type {[string, string | null, boolean][]} */
  const facts = [
    ["Sends to", of.endpoint, false],
    ["Exporter", of.exporter, false],
    ["Spans exported", number(of.exported), false],
    ["Failed", number(of.failed), (of.failed ?? 0) > 0],
    ["Dropped", number(of.dropped), (of.dropped ?? 0) > 0],
    ["Last error", of.lastError ?? "none", of.lastError !== null],
    ...Object.entries(settingsOf(of.name)).map(
      ([name, value]) => /** @type {[string, string, boolean]} */ ([name, value, false]),
    ),
  ];
  return h(
    "section",
    { key: of.name, class: "card", "aria-label": of.name },
    h(
      "h2",
      { class: "row" },
      service(of.name),
      upBadge(of.up),
      lost && h("span", { class: "badge warn" }, "spans lost"),
    ),
    h(
      "dl",
      { class: "pairs" },
      facts
        .filter(([, value]) => value)
        .map(([name, value, bad]) =>
          h("div", null, h("dt", null, name), h("dd", { class: bad ? "mono error-text" : "mono" }, value)),
        ),
    ),
  );
}

/** What the showcase has started it with. @param {string} name @returns {Record<string, string>} */
function settingsOf(name) {
  const { settings } = state.try;
  if (name === "Ping") return settings?.ping.settings ?? {};
  if (name === "Pong") return settings?.pong.settings ?? {};
  return {};
}

/** @param {Status} status */
function receivers({ receivers, store, version }) {
  return h(
    "section",
    { class: "card scroll-x", "aria-label": "Receivers", tabindex: "0" },
    h("h2", null, "What arrives here"),
    tableOf(
      ["Protocol", "Address", "Spans received", "Refused"],
      (index) => index > 1,
      receivers.map(({ protocol, address, spans, refused }) =>
        h(
          "tr",
          { key: protocol + address },
          h("td", null, protocol),
          h("td", { class: "mono" }, address),
          h("td", { class: "number" }, number(spans)),
          h("td", { class: `number${refused > 0 ? " error-text" : ""}` }, number(refused)),
        ),
      ),
    ),
    refusals(receivers),
    h(
      "p",
      { class: "muted" },
      `The store holds ${plural(store.traces, "trace")}, ${plural(store.spans, "span")}: ${bytes(store.bytes)} of ${bytes(store.limit)} (${percent(store.bytes / store.limit)}). The oldest go first. Version ${version}.`,
    ),
  );
}

/** Why something was refused. @param {Receiver[]} receivers */
function refusals(receivers) {
  const all = receivers.flatMap(({ protocol, refusals }) => refusals.map((refusal) => ({ protocol, ...refusal })));
  if (all.length === 0) return null;
  return h(
    "ul",
    { class: "refusals", "aria-label": "Refused" },
    all.map(({ protocol, reason, times, last }) =>
      h("li", { key: protocol + reason }, `${protocol}, ${times}×, last at ${clock(last)} UTC: ${reason}`),
    ),
  );
}

/** @param {Status} status */
function own(status) {
  const address = status.receivers.find(({ protocol }) => protocol === "otlp/http")?.address ?? "127.0.0.1:4318";
  // What listens on all addresses is reached by the one that the page is.
  const { text, install, settings, run, program } = snippet(
    state.language,
    address.replace(/^(0\.0\.0\.0|\[::\])(?=:)/, location.hostname),
  );
  return h(
    "section",
    { class: "card", "aria-label": "Your own service" },
    h("h2", null, "Send from a service of your own"),
    h(
      "div",
      { class: "tabs", role: "tablist", "aria-label": "Language" },
      LANGUAGES.map((name) =>
        h(
          "button",
          {
            key: name,
            role: "tab",
            id: `tab-${name}`,
            "aria-selected": String(name === state.language),
            "aria-controls": "snippet",
            tabindex: name === state.language ? "0" : "-1",
            onclick: () => update({ language: name }),
            onkeydown: turn,
          },
          name,
        ),
      ),
    ),
    h(
      "div",
      { class: "snippet", id: "snippet", role: "tabpanel", "aria-labelledby": `tab-${state.language}` },
      h("p", { class: "muted" }, text),
      install && copyable("Install", install, `Installation for ${state.language}`),
      copyable("Set", settings, "Settings"),
      copyable("Run", run, `Command for ${state.language}`),
      h(
        "p",
        { class: "muted" },
        "A program that sends a trace, log records and metrics so: ",
        h("a", { class: "mono wrap", href: `source/${program}`, target: "_blank", rel: "noopener" }, program),
      ),
    ),
  );
}

/** Arrows go from tab to tab. @param {KeyboardEvent} event */
function turn(event) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const index = (LANGUAGES.indexOf(state.language) + step + LANGUAGES.length) % LANGUAGES.length;
  update({ language: /** @type {string} */ (LANGUAGES[index]) });
  document.getElementById(`tab-${LANGUAGES[index]}`)?.focus();
}
