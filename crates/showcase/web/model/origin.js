// Where a span comes from: from instrumentation that makes it by itself, or from a line that somebody wrote.

/** @import { Span } from "../types.js" */

const SERVER = {
  automatic: true,
  text: "The server layer starts it for each request, as a child of the context in the request's traceparent, and ends it with the answer.",
  file: "crates/instrumentation/src/server.rs",
  line: "SERVER spans",
};
const CLIENT = {
  automatic: true,
  text: "The client starts it for each request it sends, and puts its context into the request's traceparent.",
  file: "crates/instrumentation/src/client.rs",
  line: "CLIENT spans",
};

/** Crates of the spans that are written by hand, and the line: ping's through `tracing`, pong's by the API. */
const HANDLERS = new Map([
  ["ping-request", { name: "ping", line: 'info_span!("ping-request"' }],
  ["pong-request", { name: "pong", line: '.span_builder("pong-request")' }],
]);

/**
 * @param {Span} span
 * @returns {{ automatic: boolean, text: string, file: string, source: string }} `file` is empty if it is not of this repository.
 */
export function origin(span) {
  const http = span.attributes.some(({ key }) => key === "http.request.method" || key === "http.method");
  const ours = span.service === "Ping" || span.service === "Pong";
  if (http && span.kind === "SERVER") return located(SERVER, ours);
  if (http && span.kind === "CLIENT") return located(CLIENT, ours);
  const handler = HANDLERS.get(span.name);
  const text = "Somebody wrote it: the handler opens the span, and says what happens in it with events.";
  const manual = {
    automatic: false,
    text,
    file: handler ? `crates/${handler.name}/src/handler.rs` : "",
    line: handler?.line ?? "",
  };
  return located(manual, handler !== undefined);
}

/** @param {{ automatic: boolean, text: string, file: string, line: string }} origin @param {boolean} ours */
function located(origin, ours) {
  return ours
    ? { ...origin, source: `source/${origin.file}#:~:text=${encodeURIComponent(origin.line)}` }
    : { ...origin, file: "", source: "" };
}
