// The shapes that travel: answers of the API, and the state of the page. Times are unix milliseconds, durations
// milliseconds, ids lower-case hex.

/** @typedef {{ id: string, start: number, duration: number, root: { service: string, name: string } | null,
 *   services: { name: string, spans: number }[], spans: number, errors: number, complete: boolean, caller: "none" | "outside" | "missing",
 *   failures: number, failed: { service: string, name: string } | null }} Summary A trace in the list; `failed`: where its first failure began. */

/** @typedef {{ route: string, rate: number | null, errors: number | null, p50: number | null, p95: number | null, p99: number | null, least: number | null }} RoutePoint
 *   Percentiles that are not above `least` say no more than that. */
/** @typedef {{ seconds: number, requests: number, errors: number | null, p95: number | null, least: number | null }} Minute */
/** @typedef {{ time: number, up: boolean, routes: RoutePoint[], minute: Minute | null, active: number | null, cpu: number | null, memory: number | null,
 *   exported: number | null, dropped: number | null, failed: number | null }} Point Figures of a service at one time. */
/** @typedef {{ time: number, value: number, route: string, traceId: string, spanId: string }} Exemplar */
/** @typedef {{ name: string, url: string, up: boolean, points: Point[], exemplars: Exemplar[] }} ServiceFigures */
/** @typedef {{ interval: number, services: ServiceFigures[] }} Figures */

/** @typedef {{ selected: number, others: number } & ({ key: string, value: string } | { service: string, operation: string })} Difference
 *   How many of the selected traces have it, and of the others. */
/** @typedef {{ title: string, selected: Set<string>, loading: boolean, error: string, others: number, answer: { selected: number, others: number, differences: Difference[] } | null }} Why */

/** @typedef {{ name: string, data: string }} LiveEvent What the server sends by itself (`data` is JSON), and `open` and `lost`. */

/** @typedef {{ time: number, severity: string, body: unknown, event: string, service: string,
 *   scope: { name: string, version: string }, traceId: string, spanId: string, attributes: Record<string, unknown>,
 *   resource: Record<string, unknown> }} LogLine */

/** @typedef {{ from: string, to: string, calls: number, errors: number, rate: number, p50: number, p95: number }} Call */
/** @typedef {{ services: { name: string, spans: number, errors: number }[], calls: Call[] }} ServiceMap */

/** @typedef {{ protocol: string, address: string, spans: number, refused: number, refusals: { reason: string, times: number, last: number }[] }} Receiver
 *   `refusals`: the latest first. */
/** @typedef {{ name: string, url: string, up: boolean, exporter: string | null, endpoint: string | null,
 *   exported: number | null, failed: number | null, dropped: number | null, lastError: string | null }} ServiceStatus */
/** @typedef {{ version: string, receivers: Receiver[], store: { traces: number, spans: number, bytes: number, limit: number }, services: ServiceStatus[] }} Status */

/** @typedef {{ running: boolean, pid: number | null, ended: string | null, settings: Record<string, string> }} Process */
/** @typedef {{ ping: Process, pong: Process, byHand: { slow: string, fail: string, stop: string, sample: string }, load: { running: boolean, rate: number }, curl: string }} TrySettings */

/** @typedef {{ key: string, value: string }} Attribute */
/** @typedef {{ name: string, time: number, attributes: Attribute[] }} SpanEvent `time` since the start of the trace. */
/**
 * @typedef {object} Span
 * @property {string} id
 * @property {string} parent Empty: none.
 * @property {string} name
 * @property {string} kind SERVER, CLIENT, INTERNAL, PRODUCER, CONSUMER
 * @property {string} service
 * @property {number} start Since the start of the trace.
 * @property {number} duration
 * @property {boolean} error
 * @property {string} message Of the status.
 * @property {number} flags
 * @property {string} state
 * @property {Attribute[]} attributes
 * @property {Attribute[]} resource
 * @property {{ name: string, version: string }} scope
 * @property {SpanEvent[]} events
 * @property {{ trace: string, span: string, attributes: Attribute[] }[]} links
 * @property {Span[]} children
 * @property {number} depth
 * @property {boolean} orphan It has a parent, which is not there.
 * @property {[number, number][]} critical Parts of it on the critical path, since the start of the trace.
 */
/** @typedef {{ id: string, start: number, duration: number, spans: Span[], roots: Span[], services: string[], errors: number, failures: Span[], byId: Map<string, Span> }} Trace
 *   `spans` in the order of the tree; `failures`: those with an error whose children have none, the earliest end first. */

/** @typedef {{ scroll: number, height: number, moved: boolean }} Place Where a list is scrolled to, and its height, in pixels;
 *   `moved`: the page wants it there, the list has not followed yet. */

/**
 * @typedef {object} OpenTrace The trace that is looked at.
 * @property {string} id
 * @property {Trace | null} trace
 * @property {unknown} json As it came, to be saved.
 * @property {string} error
 * @property {Set<string>} closed Spans whose children are hidden.
 * @property {string} cursor The span with the focus.
 * @property {{ from: number, to: number }} range Fractions of the trace that the timeline shows.
 * @property {number} scroll As in {@link Place}, with the next two.
 * @property {number} height
 * @property {boolean} moved
 * @property {LogLine[] | null} logs
 */

/**
 * @typedef {object} TraceList
 * @property {Summary[]} list Newest first.
 * @property {number} kept Traces that the backend has.
 * @property {boolean} loading
 * @property {string} error
 * @property {Summary[]} waiting Came while one was reading.
 * @property {boolean} missed Whether others came of which only the server knows.
 * @property {boolean} paused
 * @property {string} cursor Trace with the focus; empty: none.
 * @property {number} scroll As in {@link Place}, with the next two.
 * @property {number} height
 * @property {boolean} moved
 */

/** @typedef {{ view: string, path: string[], query: URLSearchParams, from: string }} Route `from`: the address of the view that
 *   led here, of a trace's: to which one goes back. */

/**
 * @typedef {object} State
 * @property {Route} route
 * @property {"system" | "light" | "dark"} theme
 * @property {boolean} dark What that comes to.
 * @property {boolean} narrow
 * @property {number} width Of the window.
 * @property {boolean} help Whether the keys are shown.
 * @property {string} notice What was just done.
 * @property {"connecting" | "open" | "lost"} connection
 * @property {number} now
 * @property {string | null} typed What is in the field of attributes, if somebody has typed there; else it is the address'.
 * @property {boolean} searching Whether the text of the search is to have the focus.
 * @property {string[]} services
 * @property {string[]} operations
 * @property {boolean} filters Whether the whole search is shown where there is little room.
 * @property {TraceList} traces
 * @property {Why | null} why
 * @property {OpenTrace | null} trace
 * @property {Figures | null} figures
 * @property {string} figuresError
 * @property {Record<string, string>} shownRoutes The route whose latency is shown, by service.
 * @property {number | null} hover Time under the pointer, in all charts.
 * @property {ServiceMap | null} map
 * @property {string} mapError
 * @property {number} zoom How large the map is; 0: as large as its place.
 * @property {string[]} ticked Traces of the list that are to be compared: two at most.
 * @property {Map<string, Trace | string>} compare By id; a string is the error.
 * @property {{ settings: TrySettings | null, busy: string, error: string, said: Record<string, string> }} try
 * @property {Status | null} status
 * @property {string} statusError
 * @property {string} language
 */

export {};
