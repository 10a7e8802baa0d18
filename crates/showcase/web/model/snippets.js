// Settings that send a service's traces here, by language.

const COMMON = (/** @type {string} */ address, /** @type {string} */ protocol) => `export OTEL_SERVICE_NAME=my-service
export OTEL_EXPORTER_OTLP_ENDPOINT=http://${address}
export OTEL_EXPORTER_OTLP_PROTOCOL=${protocol}
export OTEL_TRACES_SAMPLER=parentbased_always_on
# The default sends every 5 s: sooner while you look.
export OTEL_BSP_SCHEDULE_DELAY=200`;

/** @type {Record<string, { text: string, command: (settings: string) => string }>} */
const SNIPPETS = {
  Rust: {
    text: "With the crates opentelemetry-otlp (feature http-proto) and opentelemetry_sdk. Where the provider is built, nothing may set an endpoint or a sampler: code beats the environment.",
    command: (settings) => `${settings}
cargo run`,
  },
  Go: {
    text: "With go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp: otlptracehttp.New(ctx) without options reads the settings; or autoexport.NewSpanExporter(ctx).",
    command: (settings) => `${settings}
go run .`,
  },
  Python: {
    text: "The agent instruments Flask, FastAPI, Django, requests and more without a line of code.",
    command: (settings) => `pip install opentelemetry-distro opentelemetry-exporter-otlp
opentelemetry-bootstrap -a install
${settings}
export OTEL_METRICS_EXPORTER=none OTEL_LOGS_EXPORTER=none
opentelemetry-instrument python app.py`,
  },
  Java: {
    text: "The agent instruments Spring, JAX-RS, JDBC, HTTP clients and more without a line of code.",
    command: (settings) => `${settings}
export OTEL_METRICS_EXPORTER=none OTEL_LOGS_EXPORTER=otlp
java -javaagent:opentelemetry-javaagent.jar -jar app.jar`,
  },
  JavaScript: {
    text: "Node.js: the package instruments http, Express, fetch and more without a line of code.",
    command: (settings) => `npm install @opentelemetry/api @opentelemetry/auto-instrumentations-node
${settings}
export OTEL_METRICS_EXPORTER=none OTEL_LOGS_EXPORTER=none
node --require @opentelemetry/auto-instrumentations-node/register app.js`,
  },
};

export const LANGUAGES = Object.keys(SNIPPETS);

/** @param {string} language @param {string} address Of the receiver. */
export function snippet(language, address) {
  const { text, command } =
    SNIPPETS[language] ?? /** @type {NonNullable<typeof SNIPPETS[string]>} */ (SNIPPETS["Rust"]);
  return { text, command: command(COMMON(address, "http/protobuf")) };
}
