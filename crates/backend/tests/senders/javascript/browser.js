// Sends a trace, log records and metrics by OpenTelemetry's SDKs for the web, to the receiver that the page's address
// names: `index.html?http://localhost:4318`.

import { metrics } from '@opentelemetry/api';
import { logs } from '@opentelemetry/api-logs';
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-http';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { BatchSpanProcessor, WebTracerProvider } from '@opentelemetry/sdk-trace-web';

const receiver = location.search.slice(1);
const resource = defaultResource().merge(
  resourceFromAttributes({ 'service.name': 'shop', 'deployment.environment.name': 'test' }),
);
const spans = new BatchSpanProcessor(new OTLPTraceExporter({ url: `${receiver}/v1/traces` }));
const traces = new WebTracerProvider({ resource, spanProcessors: [spans] });
traces.register();
const records = new BatchLogRecordProcessor({ exporter: new OTLPLogExporter({ url: `${receiver}/v1/logs` }) });
const logging = new LoggerProvider({ resource, processors: [records] });
logs.setGlobalLoggerProvider(logging);
const exporter = new OTLPMetricExporter({ url: `${receiver}/v1/metrics` });
const measuring = new MeterProvider({ resource, readers: [new PeriodicExportingMetricReader({ exporter })] });
metrics.setGlobalMeterProvider(measuring);

await import('./order.js');
await Promise.all([traces.shutdown(), logging.shutdown(), measuring.shutdown()]);
document.title = 'sent';
