// OTLP's JSON into spans.

/** @import { Attribute, Span } from "../types.js" */

const KINDS = ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"];
const ERROR = 2;

/**
 * The spans of `{"resourceSpans": […]}`, with or without `{"result": …}` around it, by start.
 * @param {any} json @returns {{ start: number, spans: Span[] }} `start` in unix milliseconds.
 */
export function readSpans(json) {
  const found = [];
  let first = null;
  for (const group of (json?.result ?? json)?.resourceSpans ?? []) {
    const resource = attributes(group.resource?.attributes);
    const service = resource.find(({ key }) => key === "service.name")?.value ?? "unknown_service";
    for (const { scope, spans } of group.scopeSpans ?? []) {
      for (const span of spans ?? []) {
        const start = nanos(span.startTimeUnixNano);
        if (first === null || start < first) first = start;
        found.push({ span, resource, service, scope, start });
      }
    }
  }
  const base = first ?? 0n;
  const spans = found.map((one) => read(one, base));
  spans.sort((a, b) => a.start - b.start);
  return { start: Number(base) / 1e6, spans };
}

/** @param {any} found @param {bigint} base @returns {Span} */
function read({ span, resource, service, scope, start }, base) {
  const code = span.status?.code;
  return {
    id: span.spanId ?? "",
    parent: span.parentSpanId ?? "",
    name: String(span.name ?? ""),
    kind:
      typeof span.kind === "string" ? span.kind.replace("SPAN_KIND_", "") : (KINDS[span.kind ?? 0] ?? "UNSPECIFIED"),
    service,
    start: since(start, base),
    duration: Math.max(0, since(nanos(span.endTimeUnixNano), start)),
    error: code === ERROR || code === "STATUS_CODE_ERROR",
    message: String(span.status?.message ?? ""),
    flags: Number(span.flags ?? 0),
    state: String(span.traceState ?? ""),
    attributes: attributes(span.attributes),
    resource,
    scope: { name: String(scope?.name ?? ""), version: String(scope?.version ?? "") },
    events: (span.events ?? []).map((/** @type {any} */ event) => ({
      name: String(event.name ?? ""),
      time: since(nanos(event.timeUnixNano), base),
      attributes: attributes(event.attributes),
    })),
    links: (span.links ?? []).map((/** @type {any} */ link) => ({
      trace: String(link.traceId ?? ""),
      span: String(link.spanId ?? ""),
      attributes: attributes(link.attributes),
    })),
    children: [],
    depth: 0,
    orphan: false,
    critical: [],
  };
}

/** Nanoseconds do not fit a number. @param {unknown} value */
function nanos(value) {
  try {
    return BigInt(/** @type {string} */ (value ?? 0));
  } catch {
    return 0n;
  }
}

/** Milliseconds between. @param {bigint} time @param {bigint} base */
const since = (time, base) => Number(time - base) / 1e6;

/** @param {any} list @returns {Attribute[]} */
function attributes(list) {
  return (list ?? []).map((/** @type {any} */ { key, value }) => ({ key: String(key), value: valueText(value) }));
}

/** An `AnyValue` as text. @param {any} value @returns {string} */
function valueText(value) {
  if (value === null || value === undefined) return "";
  if ("arrayValue" in value) return `[${(value.arrayValue.values ?? []).map(valueText).join(", ")}]`;
  if ("kvlistValue" in value) {
    const pairs = attributes(value.kvlistValue.values).map((pair) => `${pair.key}: ${pair.value}`);
    return `{${pairs.join(", ")}}`;
  }
  return String(Object.values(value)[0] ?? "");
}
