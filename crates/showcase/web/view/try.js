// Something to press, and what to look at afterwards.

import { h } from "../dom.js";
import { act, loadTry, sendPings } from "../model/try.js";
import { state } from "../store.js";
import { copyable, empty, loading, service } from "./parts.js";

/** @import { Child } from "../dom.js" */
/** @import { Process, TrySettings } from "../types.js" */

/** One ping, from wherever there is nothing to see yet. */
export function pingButton() {
  return h(
    "button",
    { class: "primary", disabled: state.try.busy === "ping", onclick: () => sendPings(1) },
    "Send one ping",
  );
}

export function tryView() {
  const { settings, error } = state.try;
  return [
    h(
      "div",
      { class: "title" },
      h("h1", null, "Try it"),
      h("span", { class: "muted" }, "Make something happen, then see how it looks in traces and figures"),
    ),
    !settings &&
      error &&
      h("div", { class: "card" }, empty("Nothing can be tried", error, h("button", { onclick: loadTry }, "Try again"))),
    !settings && !error && loading(520),
    settings && [settings.ping, settings.pong].map(ended),
    settings &&
      h(
        "div",
        { class: "cards" },
        pings(settings),
        load(settings),
        latency(settings),
        failures(settings),
        stop(settings),
        sampling(settings),
      ),
  ];
}

/** Said first, since little else can be tried then. @param {Process} process @param {number} index */
function ended({ ended }, index) {
  const name = index === 0 ? "ping" : "pong";
  const busy = state.try.busy === `start-${name}`;
  return (
    ended &&
    h(
      "div",
      { key: name, class: "card ended row", role: "alert" },
      h("span", { class: "error-text" }, `${ended}.`),
      h("button", { disabled: busy, onclick: () => start(name) }, busy ? "Working…" : `Start ${name} again`),
      h("span", { class: "error-text" }, state.try.said[`start-${name}`] ?? ""),
    )
  );
}

/** @param {string} name */
const start = (name) => act(`start-${name}`, "start", { service: name }, () => "");

/**
 * @param {string} name
 * @param {string} heading
 * @param {Child} text
 * @param {Child[]} controls
 * @param {string} shell
 * @param {Child} look
 */
function card(name, heading, text, controls, shell, look) {
  return h(
    "section",
    { key: name, class: "card try-card", "aria-label": heading },
    h("h2", null, heading),
    h("p", { class: "muted" }, text),
    h("div", { class: "row" }, controls),
    h("p", { class: "said", role: "status" }, state.try.busy === name ? "Working…" : (state.try.said[name] ?? "")),
    copyable("The same by hand", shell, `Command: ${heading}`),
    h("p", { class: "look" }, h("span", { class: "muted" }, "Look at "), look),
  );
}

/**
 * @param {string} name
 * @param {string} label
 * @param {boolean} pressed
 * @param {() => void} press
 * @param {boolean} [disabled]
 */
function option(name, label, pressed, press, disabled = false) {
  return h(
    "button",
    { key: label, "aria-pressed": String(pressed), disabled: disabled || state.try.busy === name, onclick: press },
    label,
  );
}

/** @param {string} href @param {string} text */
const link = (href, text) => h("a", { href }, text);

/** @param {TrySettings} settings */
function pings({ ping, curl }) {
  const off = !ping.running || state.try.busy === "ping";
  const controls = [
    h("button", { class: "primary", disabled: off, onclick: () => sendPings(1) }, "One ping"),
    h("button", { disabled: off, onclick: () => sendPings(100) }, "A hundred"),
  ];
  return card(
    "ping",
    "Send requests",
    ["Each makes a trace: five spans in ", service("Ping"), " and ", service("Pong"), "."],
    controls,
    curl,
    [link("#/traces", "Traces"), ": it comes by itself, without a reload."],
  );
}

/** @param {TrySettings} settings */
function load({ load, ping, curl }) {
  const rates = [0, 5, 20, 100];
  const now = load.running ? load.rate : 0;
  const press = (/** @type {number} */ rate) =>
    act("load", "load", { rate }, () => (rate > 0 ? `${rate} requests a second` : "Stopped"));
  return card(
    "load",
    "Steady load",
    "Requests at a steady rate, until stopped.",
    rates.map((rate) =>
      option("load", rate === 0 ? "Off" : `${rate}/s`, now === rate, () => press(rate), !ping.running),
    ),
    `while sleep ${1 / (now || 20)}; do ${curl} -s -o /dev/null; done`,
    [link("#/", "Overview"), ": the lines start to move; a dot on the duration is a trace."],
  );
}

/** @param {Process} pong */
const latencyOf = (pong) => pong.settings["PONG_LATENCY"] ?? "";
/** @param {Process} pong */
const failureOf = (pong) => Number(pong.settings["PONG_FAILURE_RATE"] || 0);

/**
 * A restart of pong with these.
 * @param {string} name
 * @param {Process} pong
 * @param {{ running?: boolean, latency?: string | null, failureRate?: number | null }} change
 * @param {string} said
 */
function restart(name, pong, change, said) {
  const now = { running: true, latency: latencyOf(pong) || null, failureRate: failureOf(pong) || null };
  return act(name, "pong", { ...now, ...change }, () => said);
}

/** @param {TrySettings} settings */
function latency({ pong, byHand }) {
  const choices = /** @type {const} */ ([
    ["Fast", ""],
    ["100 to 400 ms", "100ms..400ms"],
    ["1 to 2 s", "1s..2s"],
    ["6 s", "6s"],
  ]);
  return card(
    "latency",
    "Make pong slow",
    "Pong waits before it answers. Ping gives up after 5 s.",
    choices.map(([label, value]) =>
      option(
        "latency",
        label,
        latencyOf(pong) === value,
        () => restart("latency", pong, { latency: value || null }, `Pong was restarted: ${label.toLowerCase()}`),
        !pong.running,
      ),
    ),
    byHand.slow,
    [
      link("#/traces?minDuration=100", "Traces from 100 ms"),
      ": the critical path runs through pong. At 6 s, ping answers 504.",
    ],
  );
}

/** @param {TrySettings} settings */
function failures({ pong, byHand }) {
  const choices = /** @type {const} */ ([
    ["Never", 0],
    ["30 %", 0.3],
    ["Always", 1],
  ]);
  return card(
    "failures",
    "Make pong fail",
    "Pong answers 500; ping then answers 502.",
    choices.map(([label, rate]) =>
      option(
        "failures",
        label,
        failureOf(pong) === rate,
        () =>
          restart(
            "failures",
            pong,
            { failureRate: rate || null },
            `Pong was restarted: it fails ${label.toLowerCase()}`,
          ),
        !pong.running,
      ),
    ),
    byHand.fail,
    [link("#/traces?errors=true", "Traces with errors"), ": which span failed first, and what its status says."],
  );
}

/** @param {TrySettings} settings */
function stop({ pong, byHand }) {
  return card(
    "stop",
    "Stop pong",
    "Nothing listens any more: ping's client span says so.",
    [
      option("stop", "Running", pong.running, () => restart("stop", pong, { running: true }, "Pong was started")),
      option("stop", "Stopped", !pong.running, () => restart("stop", pong, { running: false }, "Pong was stopped")),
    ],
    byHand.stop,
    [link("#/map", "Map"), ": the call from Ping to Pong turns red once pings are sent."],
  );
}

/** @param {TrySettings} settings */
function sampling({ ping, byHand }) {
  const ratio = Number(ping.settings["OTEL_TRACES_SAMPLER_ARG"] ?? 1);
  const press = (/** @type {number} */ value, /** @type {string} */ label) =>
    act("sampling", "sampling", { ratio: value }, () => `Ping was restarted: it samples ${label}`);
  return card(
    "sampling",
    "Sample fewer",
    "Ping decides, and pong follows: a trace is there as a whole or not at all.",
    [
      option("sampling", "100 %", ratio === 1, () => press(1, "100 %")),
      option("sampling", "10 %", ratio === 0.1, () => press(0.1, "10 %")),
    ],
    byHand.sample,
    [link("#/", "Overview"), ": the rate of requests stays, spans per second fall to a tenth."],
  );
}
