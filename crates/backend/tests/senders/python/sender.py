"""Sends a trace, log records and metrics by OpenTelemetry's SDK for Python: `opentelemetry-instrument python sender.py`
sets the SDK up before, and sends what waits at the end.

OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL, OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say where to and
as whom, as in any service.
"""

from opentelemetry import metrics, trace
from opentelemetry._logs import LogRecord, SeverityNumber, get_logger
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode

tracer = trace.get_tracer("orders", "1.2.3")
logger = get_logger("orders", "1.2.3")
meter = metrics.get_meter("orders", "1.2.3")
orders = meter.create_counter("orders", unit="{order}", description="Orders taken")
duration = meter.create_histogram("order.duration", unit="s", description="Time to take an order")
stock = meter.create_gauge("stock", unit="{item}", description="Items left")

logger.emit(
    LogRecord(
        event_name="shop.opened",
        severity_number=SeverityNumber.INFO,
        severity_text="INFO",
        body={"shelves": 3, "goods": ["tea", "Käse"]},
    )
)
earlier = SpanContext(0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331, is_remote=True)
attributes = {
    "http.route": "/orders",
    "http.response.status_code": 503,
    "order.total": 12.5,
    "order.express": True,
    "order.items": ["tea", "Käse ☕"],
}
with tracer.start_as_current_span(
    "POST /orders", kind=SpanKind.SERVER, attributes=attributes, links=[Link(earlier, {"reason": "retry"})]
) as order:
    with tracer.start_as_current_span("SELECT stock", kind=SpanKind.CLIENT) as query:
        query.set_attribute("db.system.name", "sqlite")
        query.add_event("stock read", {"rows": 2})
        query.set_status(Status(StatusCode.OK))
    logger.emit(
        LogRecord(
            severity_number=SeverityNumber.ERROR,
            severity_text="ERROR",
            body="order refused",
            attributes={"order.id": 7},
        )
    )
    orders.add(2, {"express": True})
    orders.add(1, {"express": True})
    duration.record(0.2)
    duration.record(0.7)
    stock.set(42, {"item": "tea"})
    order.set_status(Status(StatusCode.ERROR, "out of stock"))
