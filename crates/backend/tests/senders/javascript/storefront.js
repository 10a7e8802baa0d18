// Sells over HTTP: GET /checkout?item=tea&card=visa&amount=30 asks $STOCK (addresses of its instances, with commas
// between them) and $PAYMENTS.
//
// Prints its address, and ends when its standard input does. Telemetry is set up as in `node.js`.

import { createServer } from 'node:http';
import { performance } from 'node:perf_hooks';

import { context, metrics, propagation, SpanKind, SpanStatusCode, trace, ValueType } from '@opentelemetry/api';
import { logs, SeverityNumber } from '@opentelemetry/api-logs';
import { NodeSDK } from '@opentelemetry/sdk-node';

const sdk = new NodeSDK();
sdk.start();

const tracer = trace.getTracer('storefront', '3.1.0');
const logger = logs.getLogger('storefront', '3.1.0');
const meter = metrics.getMeter('storefront', '3.1.0');
const duration = meter.createHistogram('http.server.request.duration', {
  unit: 's',
  description: 'Duration of HTTP server requests',
  advice: { explicitBucketBoundaries: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1] },
});
const active = meter.createUpDownCounter('http.server.active_requests', {
  unit: '{request}',
  valueType: ValueType.INT,
  description: 'Requests being answered',
});
meter
  .createObservableGauge('nodejs.eventloop.utilization', { unit: '1', description: 'Share of the time that is busy' })
  .addCallback((result) => result.observe(performance.eventLoopUtilization().utilization));

const stocks = (process.env.STOCK ?? '').split(',');
let visits = 0;

/** Returns the status of the answer. */
function call(method, url, route) {
  const { hostname, port } = new URL(url);
  const attributes = {
    'http.request.method': method,
    'url.full': url,
    'server.address': hostname,
    'server.port': Number(port),
  };
  return tracer.startActiveSpan(`${method} ${route}`, { kind: SpanKind.CLIENT, attributes }, async (span) => {
    const headers = {};
    propagation.inject(context.active(), headers);
    const { status } = await fetch(url, { method, headers });
    span.setAttribute('http.response.status_code', status);
    if (status >= 400) span.setStatus({ code: SpanStatusCode.ERROR });
    span.end();
    return status;
  });
}

async function checkout({ searchParams }) {
  const item = searchParams.get('item');
  visits += 1;
  const inStock = await call('GET', `${stocks[visits % stocks.length]}/stock/${item}`, '/stock/{item}');
  if (inStock === 404) {
    logger.emit({
      severityNumber: SeverityNumber.WARN,
      severityText: 'WARN',
      body: `${item} is not sold here`,
      attributes: { 'shop.item': item },
    });
    return 404;
  }
  const [card, amount] = ['card', 'amount'].map((name) => searchParams.get(name));
  const paid = await call('POST', `${process.env.PAYMENTS}/payments?card=${card}&amount=${amount}`, '/payments');
  return paid === 201 ? 200 : 502;
}

const server = createServer(async (request, response) => {
  const url = new URL(request.url, 'http://localhost');
  const labels = { 'http.request.method': request.method, 'http.route': url.pathname, 'url.scheme': 'http' };
  const start = performance.now();
  active.add(1);
  const attributes = { ...labels, 'shop.item': url.searchParams.get('item') };
  const options = { kind: SpanKind.SERVER, attributes };
  await tracer.startActiveSpan(`${request.method} ${url.pathname}`, options, async (span) => {
    const status = await checkout(url);
    span.setAttribute('http.response.status_code', status);
    if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
    logger.emit({
      severityNumber: SeverityNumber.DEBUG,
      severityText: 'DEBUG',
      eventName: 'checkout.done',
      body: { status, item: attributes['shop.item'] },
    });
    duration.record((performance.now() - start) / 1000, { ...labels, 'http.response.status_code': status });
    response.writeHead(status).end();
    span.end();
  });
  active.add(-1);
});
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
process.stdin.resume().on('end', async () => {
  server.closeAllConnections();
  server.close();
  await sdk.shutdown();
  process.exit();
});
