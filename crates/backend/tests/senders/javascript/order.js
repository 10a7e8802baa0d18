// Takes an order, and says so by OpenTelemetry's API: the same in Node and in a browser.

import { metrics, SpanKind, SpanStatusCode, trace, TraceFlags, ValueType } from '@opentelemetry/api';
import { logs, SeverityNumber } from '@opentelemetry/api-logs';

const tracer = trace.getTracer('orders', '1.2.3');
const logger = logs.getLogger('orders', '1.2.3');
const meter = metrics.getMeter('orders', '1.2.3');
const whole = { valueType: ValueType.INT };
const orders = meter.createCounter('orders', { ...whole, unit: '{order}', description: 'Orders taken' });
const duration = meter.createHistogram('order.duration', { unit: 's', description: 'Time to take an order' });
const stock = meter.createGauge('stock', { ...whole, unit: '{item}', description: 'Items left' });

logger.emit({
  eventName: 'shop.opened',
  severityNumber: SeverityNumber.INFO,
  severityText: 'INFO',
  body: { shelves: 3, goods: ['tea', 'Käse'] },
});
const options = {
  kind: SpanKind.SERVER,
  attributes: {
    'http.route': '/orders',
    'http.response.status_code': 503,
    'order.total': 12.5,
    'order.express': true,
    'order.items': ['tea', 'Käse ☕'],
  },
  links: [
    {
      context: {
        traceId: '0af7651916cd43dd8448eb211c80319c',
        spanId: 'b7ad6b7169203331',
        traceFlags: TraceFlags.NONE,
        isRemote: true,
      },
      attributes: { reason: 'retry' },
    },
  ],
};
tracer.startActiveSpan('POST /orders', options, (order) => {
  tracer.startActiveSpan('SELECT stock', { kind: SpanKind.CLIENT }, (query) => {
    query.setAttribute('db.system.name', 'sqlite');
    query.addEvent('stock read', { rows: 2 });
    query.setStatus({ code: SpanStatusCode.OK });
    query.end();
  });
  logger.emit({
    severityNumber: SeverityNumber.ERROR,
    severityText: 'ERROR',
    body: 'order refused',
    attributes: { 'order.id': 7 },
  });
  orders.add(2, { express: true });
  orders.add(1, { express: true });
  duration.record(0.2);
  duration.record(0.7);
  stock.record(42, { item: 'tea' });
  // The SDK starts a span at a whole millisecond: only after more than one is it sure to be seen ending after its child.
  for (const started = performance.now(); performance.now() - started < 2;);
  order.setStatus({ code: SpanStatusCode.ERROR, message: 'out of stock' });
  order.end();
});
