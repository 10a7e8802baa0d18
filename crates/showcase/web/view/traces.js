// The list of traces: live, searched, and its picture above.

import { h } from "../dom.js";
import { clock, duration, exactClock, plural } from "../format.js";
import { tick } from "../model/compare.js";
import { bringWaiting, filtered, loadSummaries, pause } from "../model/summaries.js";
import { once } from "../once.js";
import { traceAddress } from "../route.js";
import { state, update } from "../store.js";
import { droppable, loadButton, loadStatus } from "./load.js";
import { empty, loading, service, unseen } from "./parts.js";
import { scatter } from "../chart/scatter.js";
import { search } from "./search.js";
import { pingButton } from "./try.js";
import { virtual } from "./virtual.js";
import { why } from "./why.js";

/** @import { Summary } from "../types.js" */

/** Services that are named in a row. */
const NAMES = 3;
export const ROW = 42;
export const NARROW_ROW = 62;
export const rowHeight = () => (state.narrow ? NARROW_ROW : ROW);

export function tracesView() {
  const { traces } = state;
  return h(
    "div",
    { class: "traces", ...droppable },
    head(),
    loadStatus(),
    search(),
    traces.list.length > 0 && [scatter(traces.list), why()],
    content(),
  );
}

function head() {
  const { list, kept, waiting, missed, paused, loading } = state.traces;
  const shown =
    loading && list.length === 0
      ? ""
      : filtered()
        ? `${plural(list.length, "trace")} of ${kept.toLocaleString("en")}`
        : plural(kept, "trace");
  return h(
    "div",
    { class: "title" },
    h("h1", null, "Traces"),
    h("span", { class: "muted" }, shown),
    h("span", { class: "grow" }),
    h("span", { class: `paused muted${paused ? "" : " off"}` }, "Paused while you read"),
    comparison(),
    h(
      "a",
      {
        class: "button small save-all",
        href: "api/export",
        download: "traces.jsonl",
        title: "All traces, logs and metrics, as lines of OTLP's JSON",
      },
      "Save all",
    ),
    loadButton(),
    h(
      "button",
      { class: "small waiting", disabled: waiting.length === 0 && !missed, onclick: bringWaiting },
      waiting.length > 0 ? `${waiting.length} new` : missed ? "Some new" : "Up to date",
    ),
  );
}

/** Of the traces that are ticked. */
function comparison() {
  const { ticked } = state;
  if (ticked.length === 0) return null;
  return h(
    "span",
    { class: "row comparison", role: "status" },
    ticked.length === 2
      ? h("a", { class: "button small primary", href: `#/compare/${ticked.join("/")}` }, "Compare the two")
      : h("span", { class: "muted" }, "Tick another to compare"),
    h("button", { class: "small", onclick: () => update({ ticked: [] }) }, "Untick"),
  );
}

function content() {
  const { traces } = state;
  if (traces.loading && traces.list.length === 0) return loading(420);
  if (traces.error && traces.list.length === 0) {
    return h(
      "div",
      { class: "card" },
      empty(
        "The traces cannot be read",
        traces.error,
        h("button", { onclick: () => loadSummaries(true) }, "Try again"),
      ),
    );
  }
  const { error } = traces;
  if (traces.list.length === 0 && filtered()) {
    return h(
      "div",
      { class: "card" },
      empty(
        "No trace matches",
        "A trace is found if one of its spans matches all of service, operation, attribute and duration.",
        h("a", { class: "button", href: "#/traces" }, "Clear the search"),
      ),
    );
  }
  if (traces.list.length === 0) {
    return h(
      "div",
      { class: "card" },
      empty(
        "No traces yet",
        "Send a request to ping: its trace appears here by itself, five spans in two services.",
        pingButton(),
        h("a", { class: "button", href: "#/status" }, "Still nothing?"),
      ),
    );
  }
  return h(
    "div",
    { class: "card list-card" },
    error && h("p", { class: "stale error-text", role: "alert" }, `Below is what was found before: ${error}`),
    columns(),
    list(scaleOf(traces.list)),
  );
}

/** Share of the traces whose bars are in proportion; the few that are longer have a full one. */
const SHARE = 0.97;

/** The duration of a full bar. One trace that is much longer than the rest would leave nothing of their bars. */
const scaleOf = once((/** @type {Summary[]} */ list) => {
  const lengths = list.map(({ duration }) => duration).sort((a, b) => a - b);
  return lengths[Math.floor((lengths.length - 1) * SHARE)] ?? 0;
});

/** Fewer traces of a kind have no usual duration. */
const FEW = 5;

/** The median duration of the traces that begin with the same operation. */
const usualOf = once((/** @type {Summary[]} */ list) => {
  /** @type {Map<string, number[]>} */
  const lengths = new Map();
  for (const summary of list) {
    const kind = kindOf(summary);
    const same = lengths.get(kind);
    if (same) same.push(summary.duration);
    else lengths.set(kind, [summary.duration]);
  }
  /** @type {Map<string, string>} */
  const usual = new Map();
  for (const [kind, all] of lengths) {
    if (all.length >= FEW) usual.set(kind, duration(all.sort((a, b) => a - b)[Math.floor(all.length / 2)]));
  }
  return usual;
});

/** @param {Summary} summary */
const kindOf = ({ root }) => (root ? `${root.service} ${root.name}` : "");

function columns() {
  const names = ["Time, UTC", "Begins with", "Services", "Spans", "Duration, usual", "Status"];
  return h(
    "div",
    { class: "trace-row columns", "aria-hidden": "true" },
    names.map((name) => h("span", null, name)),
  );
}

/** @param {number} longest */
function list(longest) {
  const { traces } = state;
  const usual = usualOf(traces.list);
  const reading = () => pause(true);
  const props = {
    class: "trace-list",
    tabindex: "0",
    role: "region",
    "aria-label": "Traces",
    onpointerenter: reading,
    onpointerleave: () => pause(traces.scroll > 0 || traces.cursor !== ""),
    onwheel: reading,
  };
  return virtual(
    traces,
    traces.list,
    rowHeight(),
    props,
    { role: "list" },
    (summary) => [
      longest,
      traces.cursor === summary.id,
      traces.list.length,
      state.narrow,
      state.services,
      state.ticked.includes(summary.id),
      usual.get(kindOf(summary)),
    ],
    (summary, index, style) => row(summary, index, style, longest, usual.get(kindOf(summary)) ?? ""),
  );
}

/** Beside the name of the span that a trace begins with. */
const CALLERS = { none: "", outside: "called from outside", missing: "its parent is missing" };

/** Where it went wrong. @param {Summary} summary */
function failure({ errors, failures, failed }) {
  if (!failed) return null;
  const title = `It began in ${failed.service}: ${failed.name}. ${plural(errors, "span")} failed.`;
  return h(
    "span",
    { class: "badge error", title },
    failures > 1 ? plural(failures, "failure") : `failed in ${failed.service}`,
  );
}

/**
 * @param {Summary} summary
 * @param {number} index
 * @param {Record<string, string>} style
 * @param {number} longest
 * @param {string} usual The usual duration of such a trace; empty: too few are there.
 */
function row(summary, index, style, longest, usual) {
  const { id, start, root, services, spans, errors } = summary;
  const part = longest > 0 ? Math.min(100, (summary.duration / longest) * 100) : 0;
  const { cursor } = state.traces;
  return h(
    "div",
    {
      key: id,
      role: "listitem",
      class: "place",
      style,
      "aria-posinset": index + 1,
      "aria-setsize": state.traces.list.length,
    },
    h("input", {
      type: "checkbox",
      class: "tick",
      checked: state.ticked.includes(id),
      title: "Compare",
      "aria-label": `Compare ${root?.name ?? id} of ${exactClock(start)}`,
      onchange: () => tick(id),
    }),
    h(
      "a",
      {
        class: "trace-row",
        href: traceAddress(id),
        focus: cursor === id,
        "aria-current": cursor === id ? "true" : null,
      },
      h("span", { class: "time muted mono", title: `${exactClock(start)} UTC` }, clock(start)),
      h(
        "span",
        { class: "root" },
        root && service(root.service),
        h("span", { class: "name", title: root?.name }, root?.name ?? "spans in a circle"),
        summary.caller !== "none" && h("span", { class: "muted caller" }, CALLERS[summary.caller]),
      ),
      h(
        "span",
        { class: "services" },
        services.slice(0, NAMES).map(({ name, spans }) => service(name, h("span", { class: "muted" }, spans))),
        services.length > NAMES && h("span", { class: "muted" }, `+ ${services.length - NAMES}`),
      ),
      h("span", { class: "count muted" }, spans, unseen(spans === 1 ? " span" : " spans")),
      h(
        "span",
        { class: "length" },
        h("span", { class: "bar" }, h("span", { style: { width: `${part}%` }, class: errors > 0 ? "bad" : "" })),
        h("span", { class: "ms" }, duration(summary.duration)),
        h("span", { class: "usual muted", title: "Median of those in the list that begin like this" }, usual),
      ),
      h("span", { class: "flags" }, failure(summary) ?? h("span", { class: "muted" }, "ok")),
    ),
  );
}
