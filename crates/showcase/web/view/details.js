// Everything that is known of a span.

import { colourOf } from "../colours.js";
import { h } from "../dom.js";
import { duration, exactClock, readable } from "../format.js";
import { caller, cameFromOutside, IS_REMOTE } from "../model/caller.js";
import { origin } from "../model/origin.js";
import { moveTo } from "../model/trace.js";
import { traceAddress } from "../route.js";
import { copy, copyable, pairs, service } from "./parts.js";

/** @import { Attribute, OpenTrace, Span, Trace } from "../types.js" */
/** @import { Child } from "../dom.js" */

/** @param {OpenTrace} open @param {Trace} trace @param {Span} span */
export function details(open, trace, span) {
  return h(
    "aside",
    { class: "details card", "aria-label": "Details of the span", style: { "--colour": colourOf(span.service) } },
    h(
      "div",
      { class: "details-head" },
      h(
        "div",
        { class: "row" },
        service(span.service),
        h("span", { class: "badge" }, span.kind.toLowerCase()),
        span.error && h("span", { class: "badge error" }, "error"),
        h("span", { class: "grow" }),
        h(
          "button",
          {
            class: "quiet icon small",
            onclick: () => moveTo(""),
            "aria-label": "Close the details",
            title: "Close (Esc)",
          },
          "✕",
        ),
      ),
      h("h2", null, span.name),
      h("p", { class: "muted" }, `${duration(span.duration)}, ${duration(span.start)} after the start of the trace`),
      span.message && h("p", { class: "error-text" }, span.message),
    ),
    h(
      "div",
      { class: "details-body", tabindex: "0", role: "region", "aria-label": "Attributes, events and more" },
      why(span),
      section("Attributes", span.attributes.length, attributes(span.attributes)),
      section(
        "Events",
        span.events.length,
        h(
          "ol",
          { class: "events" },
          span.events.map((event) =>
            h(
              "li",
              null,
              h(
                "div",
                { class: "row" },
                h("span", { class: "event-name" }, event.name),
                h("span", { class: "muted mono" }, `+${duration(event.time)}`),
              ),
              event.attributes.length > 0 && attributes(event.attributes),
            ),
          ),
        ),
      ),
      section(
        "Log lines",
        open.logs?.length ?? 0,
        open.logs && [
          h(
            "ol",
            { class: "events" },
            open.logs.map((line) =>
              h(
                "li",
                null,
                h(
                  "div",
                  { class: "row" },
                  h(
                    "span",
                    { class: `badge ${/ERROR|FATAL/i.test(line.severity) ? "error" : ""}` },
                    line.severity || "–",
                  ),
                  h("span", { class: "muted mono" }, `${exactClock(line.time)} UTC`),
                  line.event && h("span", { class: "event-name" }, line.event),
                  line.scope.name && h("span", { class: "muted mono" }, line.scope.name),
                ),
                h("p", { class: "mono wrap" }, readable(line.body)),
                Object.keys(line.attributes).length > 0 && pairs(Object.entries(line.attributes)),
              ),
            ),
          ),
          h("a", { href: `#/logs?${new URLSearchParams({ trace: open.id, span: span.id })}` }, "See them under Logs"),
        ],
      ),
      section(
        "Links",
        span.links.length,
        h(
          "ul",
          { class: "events" },
          span.links.map((link) =>
            h(
              "li",
              null,
              h("a", { class: "mono wrap", href: traceAddress(link.trace, link.span) }, `${link.trace}/${link.span}`),
              link.attributes.length > 0 && attributes(link.attributes),
            ),
          ),
        ),
      ),
      context(trace, span),
      section("Resource", span.resource.length, attributes(span.resource), true),
      section(
        "Scope",
        1,
        pairs([
          ["name", span.scope.name || "–"],
          ["version", span.scope.version || "–"],
        ]),
        true,
      ),
      h(
        "div",
        { class: "row" },
        h("button", { class: "small", onclick: () => copy(span.id, "Span id") }, "Copy span id"),
        h("button", { class: "small", onclick: () => copy(location.href, "Link") }, "Copy link"),
      ),
    ),
  );
}

/** @param {string} name @param {number} count @param {Child} content @param {boolean} [folded] */
function section(name, count, content, folded = false) {
  if (count === 0) return null;
  return h(
    "details",
    { key: name, class: "section", open: !folded },
    h("summary", null, name, count > 1 && h("span", { class: "muted" }, ` ${count}`)),
    content,
  );
}

/** @param {Attribute[]} list */
const attributes = (list) => pairs(list.map(({ key, value }) => [key, value]));

/** Who made it, and where that is written. @param {Span} span */
function why(span) {
  const { badge, text, file, source } = origin(span);
  return h(
    "div",
    { class: "why" },
    h("div", { class: "row" }, h("span", { class: "muted" }, "Made by"), h("span", { class: "badge accent" }, badge)),
    h("p", null, text),
    file && h("a", { class: "mono wrap", href: source, target: "_blank", rel: "noopener" }, file),
  );
}

/** Bits of a span's flags: sampled, and that it is known whether the parent is another process'. */
const SAMPLED = 0x01;
const IS_REMOTE_KNOWN = 0x100;

/** Where its parent is, and which context went from process to process. @param {Trace} trace @param {Span} span */
function context(trace, span) {
  const parent = trace.byId.get(span.parent);
  const remote = span.flags & IS_REMOTE_KNOWN ? (span.flags & IS_REMOTE ? "yes" : "no") : "";
  /** @type {[string, string][]} */
  const facts = [
    ["span id", span.id],
    ["parent span id", span.parent || "none"],
    ["parent", parent ? `${parent.service}: ${parent.name}` : span.parent ? caller(span).text : ""],
    ["parent in another process", span.parent ? remote : ""],
    ["tracestate", span.state],
  ];
  // That it travelled is known from a span on the other side; how it was sampled, only if the sender says it.
  const sent = span.children.some(cameFromOutside);
  const came = span.parent && cameFromOutside(span);
  const header = `traceparent: 00-${trace.id}-${sent ? span.id : span.parent}-01${span.state ? `\ntracestate: ${span.state}` : ""}`;
  return section("Context", 1, [
    pairs(facts.filter(([, value]) => value)),
    (sent || came) &&
      (span.flags & SAMPLED) !== 0 &&
      copyable(sent ? "Went on, as a W3C header" : "Came in, as a W3C header", header, "traceparent"),
  ]);
}
