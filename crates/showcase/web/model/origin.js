// Where a span comes from: the library that its scope names; of ping's and pong's spans, the line that makes them too.

/** @import { Span } from "../types.js" */

const SERVER = {
  badge: "automatic",
  text: "The server layer starts it for each request, as a child of the context in the request's traceparent, and ends it with the answer.",
  file: "crates/instrumentation/src/server.rs",
  line: "SERVER spans",
};
const CLIENT = {
  badge: "automatic",
  text: "The client starts it for each request it sends, and puts its context into the request's traceparent.",
  file: "crates/instrumentation/src/client.rs",
  line: "CLIENT spans",
};
const MANUAL = "Somebody wrote it: the handler opens the span, and says what happens in it with events.";
/** Of the spans that are written by hand: ping's through `tracing`, pong's by the API. */
const HANDLERS = new Map([
  ["ping-request", { file: "crates/ping/src/handler.rs", line: 'info_span!("ping-request"' }],
  ["pong-request", { file: "crates/pong/src/handler.rs", line: '.span_builder("pong-request")' }],
]);

/**
 * @param {Span} span
 * @returns {{ badge: string, text: string, file: string, source: string }} `file` is empty if it is not of this repository.
 */
export function origin(span) {
  const ours = span.resource.some(({ key, value }) => key === "service.namespace" && value === "ping-pong");
  const http = span.attributes.some(({ key }) => key === "http.request.method");
  if (ours && http && span.kind === "SERVER") return located(SERVER);
  if (ours && http && span.kind === "CLIENT") return located(CLIENT);
  const handler = ours && HANDLERS.get(span.name);
  if (handler) return located({ badge: "manual", text: MANUAL, ...handler });
  const { name, version } = span.scope;
  const text = name
    ? "The library or module that made the span, as its instrumentation scope names it."
    : "The span has no instrumentation scope: it does not say what made it.";
  return { badge: name ? `${name} ${version}`.trim() : "not said", text, file: "", source: "" };
}

/** @param {{ badge: string, text: string, file: string, line: string }} origin */
function located({ badge, text, file, line }) {
  return { badge, text, file, source: `source/${file}#:~:text=${encodeURIComponent(line)}` };
}
