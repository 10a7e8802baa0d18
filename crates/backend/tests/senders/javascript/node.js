// Sends a trace, log records and metrics by OpenTelemetry's SDK for Node.
//
// OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL, OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say where to
// and as whom, as in any service.

import { NodeSDK } from '@opentelemetry/sdk-node';

const sdk = new NodeSDK();
sdk.start();
await import('./order.js');
await sdk.shutdown();
