// One trace: its head, timeline and the details of a span.

import { h } from "../dom.js";
import { duration, exactClock, plural } from "../format.js";
import { caller } from "../model/caller.js";
import { foldAll, openTrace } from "../model/trace.js";
import { save } from "../model/save.js";
import { once } from "../once.js";
import { listAddress, traceAddress } from "../route.js";
import { state, update } from "../store.js";
import { details } from "./details.js";
import { copy, empty, loading, service } from "./parts.js";
import { waterfall } from "./waterfall.js";

/** @import { OpenTrace, Span, Trace } from "../types.js" */

/** Services that are named at the top. */
const NAMES = 5;

export function traceView() {
  const open = state.trace;
  if (!open) return loading(480);
  if (open.error) {
    return h(
      "div",
      { class: "card" },
      empty(
        "This trace is not here",
        `${open.error} The store keeps the newest traces, up to a number of bytes.`,
        h("button", { onclick: () => again(open) }, "Try again"),
        h("a", { class: "button", href: "#/traces" }, "All traces"),
      ),
    );
  }
  if (!open.trace) return loading(480);
  const span = open.trace.byId.get(open.cursor);
  return h(
    "div",
    { class: `trace${span ? " with-details" : ""}` },
    head(open, open.trace),
    h("div", { class: "trace-body" }, waterfall(open, open.trace), span && details(open, open.trace, span)),
  );
}

/** @param {OpenTrace} open */
function again(open) {
  const { id, cursor } = open;
  state.trace = null;
  void openTrace(id, cursor);
}

/** @param {OpenTrace} open @param {Trace} trace */
function head(open, trace) {
  const root = trace.roots[0];
  return h(
    "div",
    { class: "trace-head" },
    h(
      "div",
      { class: "title" },
      h(
        "a",
        { href: state.route.from, class: "back", "aria-label": "Back", title: "Back to where you came from (Esc)" },
        "←",
      ),
      h("h1", null, root?.name ?? "Trace"),
      root?.orphan && from(root),
      h("span", { class: "grow" }),
      h(
        "div",
        { class: "actions" },
        h("button", { class: "small", onclick: () => copy(open.id, "Trace id") }, "Copy id"),
        h("button", { class: "small", onclick: () => copy(location.href, "Link") }, "Copy link"),
        h("a", { class: "button small", href: `#/logs?trace=${open.id}` }, "Logs"),
        h("a", { class: "button small", href: `#/flame/${open.id}` }, "Flame graph"),
        h("a", { class: "button small", href: listAddress(), onclick: () => update({ ticked: [open.id] }) }, "Compare"),
        h("button", { class: "small", onclick: () => save(open) }, "Save JSON"),
      ),
    ),
    h(
      "div",
      { class: "facts" },
      h(
        "dl",
        null,
        fact("Duration", duration(trace.duration)),
        fact("Started", `${exactClock(trace.start)} UTC`),
        fact("Spans", trace.spans.length.toLocaleString("en")),
        fact("Services", [
          trace.services
            .slice(0, NAMES)
            .map((name) => service(name, h("span", { class: "muted" }, counts(trace).get(name)))),
          trace.services.length > NAMES && h("span", { class: "muted" }, `and ${trace.services.length - NAMES} more`),
        ]),
        h("div", { class: "wide" }, h("dt", null, "Trace id"), h("dd", { class: "mono id" }, open.id)),
      ),
      failures(trace),
      h(
        "div",
        { class: "row folds wide" },
        h("button", { class: "small quiet", onclick: () => foldAll(false) }, "Unfold all"),
        h("button", { class: "small quiet", onclick: () => foldAll(true) }, "Fold all"),
      ),
    ),
  );
}

/** @param {Span} root Whose parent is not there. */
function from(root) {
  const { outside, badge, text } = caller(root);
  return h("span", { class: `badge${outside ? "" : " warn"}`, title: text }, badge);
}

/** Where it went wrong first: what called that has failed with it. @param {Trace} trace */
function failures({ errors, failures }) {
  const [first] = failures;
  if (!first) return null;
  return h(
    "p",
    { class: "failed" },
    h("span", { class: "badge error" }, failures.length > 1 ? plural(failures.length, "failure") : "failed"),
    failures.length > 1 ? "The first began in " : "It began in ",
    h("a", { href: traceAddress(state.route.path[0] ?? "", first.id) }, `${first.service}: ${first.name}`),
    errors > failures.length &&
      h("span", { class: "muted" }, `and made ${plural(errors - failures.length, "more span")} fail`),
  );
}

/** Spans by service. */
const counts = once((/** @type {Trace} */ trace) => {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const { service } of trace.spans) counts.set(service, (counts.get(service) ?? 0) + 1);
  return counts;
});

/** @param {string} name @param {import("../dom.js").Child} value */
const fact = (name, value) => h("div", null, h("dt", null, name), h("dd", null, value));
