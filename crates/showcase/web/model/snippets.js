// How a service of one's own is connected, by language. `crates/backend/tests/senders` runs the settings and the commands.

/** Read by the SDKs of all languages. */
const SETTINGS = `export OTEL_SERVICE_NAME=my-service
export OTEL_EXPORTER_OTLP_ENDPOINT=http://ADDRESS
export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf
export OTEL_TRACES_EXPORTER=otlp OTEL_LOGS_EXPORTER=otlp OTEL_METRICS_EXPORTER=otlp
export OTEL_TRACES_SAMPLER=parentbased_always_on
# By default spans wait for 5 s and metrics for a minute: sooner, while you look.
export OTEL_BSP_SCHEDULE_DELAY=200
export OTEL_METRIC_EXPORT_INTERVAL=5000 OTEL_METRIC_EXPORT_TIMEOUT=4000`;

/**
 * @typedef {object} Snippet
 * @property {string} text
 * @property {string} install Empty: nothing.
 * @property {string} run
 * @property {string} program One that sends traces, logs and metrics so, in this repository.
 */

/** @type {Record<string, Snippet>} */
const SNIPPETS = {
  Python: {
    text: "The agent sets the SDK up, and instruments Flask, FastAPI, Django, requests, logging and more without a line of code.",
    install: "pip install opentelemetry-distro opentelemetry-exporter-otlp\nopentelemetry-bootstrap -a install",
    run: "opentelemetry-instrument python3 app.py",
    program: "crates/backend/tests/senders/python/sender.py",
  },
  Node: {
    text: "The package sets the SDK up, and instruments http, Express, fetch, pino, winston and more without a line of code.",
    install: "npm install @opentelemetry/api @opentelemetry/auto-instrumentations-node",
    run: "node --require @opentelemetry/auto-instrumentations-node/register app.js",
    program: "crates/backend/tests/senders/javascript/order.js",
  },
  Go: {
    text: "autoexport reads the settings: NewSpanExporter, NewLogExporter and NewMetricReader, each given to its provider as in the program below. otelhttp instruments net/http; the bridges otelslog, otelzap and otellogrus send log records.",
    install:
      "go get go.opentelemetry.io/contrib/exporters/autoexport go.opentelemetry.io/otel/sdk go.opentelemetry.io/otel/sdk/log go.opentelemetry.io/otel/sdk/metric",
    run: "go run .",
    program: "crates/backend/tests/senders/go/main.go",
  },
  Java: {
    text: "With opentelemetry-sdk-extension-autoconfigure and opentelemetry-exporter-otlp among the dependencies, AutoConfiguredOpenTelemetrySdk.initialize() reads the settings. So does the agent, which instruments Spring, JDBC, Logback and more without a line of code: java -javaagent:opentelemetry-javaagent.jar -jar app.jar.",
    install: "",
    run: "java -jar app.jar",
    program: "crates/backend/tests/senders/java/Sender.java",
  },
  Rust: {
    text: "The exporters of opentelemetry-otlp (feature http-proto) read the settings of where to send. Code beats the environment: nothing may set an endpoint or a sampler where a provider is built.",
    install:
      "cargo add opentelemetry opentelemetry_sdk opentelemetry-otlp opentelemetry-appender-tracing tracing-opentelemetry",
    run: "cargo run",
    program: "crates/showcase/examples/orders_stock.rs",
  },
};

export const LANGUAGES = Object.keys(SNIPPETS);

/** @param {string} language @param {string} address Of the receiver. */
export function snippet(language, address) {
  const known = SNIPPETS[language] ?? /** @type {Snippet} */ (SNIPPETS["Python"]);
  return { ...known, settings: SETTINGS.replace("ADDRESS", address) };
}
