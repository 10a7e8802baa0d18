import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.common.Value;
import io.opentelemetry.api.logs.Logger;
import io.opentelemetry.api.logs.Severity;
import io.opentelemetry.api.metrics.Meter;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.api.trace.TraceFlags;
import io.opentelemetry.api.trace.TraceState;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.context.Scope;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import io.opentelemetry.sdk.autoconfigure.AutoConfiguredOpenTelemetrySdk;
import java.util.Map;

/**
 * Sends a trace, log records and metrics by OpenTelemetry's SDK for Java.
 *
 * <p>OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL, OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say where to
 * and as whom, as in any service.
 */
public class Sender {
  public static void main(String[] arguments) {
    // Closing it sends what waits.
    try (OpenTelemetrySdk sdk = AutoConfiguredOpenTelemetrySdk.initialize().getOpenTelemetrySdk()) {
      takeOrder(
          sdk.getTracer("orders", "1.2.3"),
          sdk.getLogsBridge().loggerBuilder("orders").setInstrumentationVersion("1.2.3").build(),
          sdk.meterBuilder("orders").setInstrumentationVersion("1.2.3").build());
    }
  }

  private static void takeOrder(Tracer tracer, Logger logger, Meter meter) {
    var orders = meter.counterBuilder("orders").setUnit("{order}").setDescription("Orders taken").build();
    var duration =
        meter.histogramBuilder("order.duration").setUnit("s").setDescription("Time to take an order").build();
    var stock = meter.gaugeBuilder("stock").ofLongs().setUnit("{item}").setDescription("Items left").build();

    logger
        .logRecordBuilder()
        .setEventName("shop.opened")
        .setSeverity(Severity.INFO)
        .setSeverityText("INFO")
        .setBody(Value.of(Map.of("shelves", Value.of(3), "goods", Value.of(Value.of("tea"), Value.of("Käse")))))
        .emit();

    SpanContext earlier =
        SpanContext.createFromRemoteParent(
            "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", TraceFlags.getDefault(), TraceState.getDefault());
    Span order =
        tracer
            .spanBuilder("POST /orders")
            .setSpanKind(SpanKind.SERVER)
            .addLink(earlier, Attributes.of(AttributeKey.stringKey("reason"), "retry"))
            .setAttribute("http.route", "/orders")
            .setAttribute("http.response.status_code", 503)
            .setAttribute("order.total", 12.5)
            .setAttribute("order.express", true)
            .setAttribute(AttributeKey.stringArrayKey("order.items"), java.util.List.of("tea", "Käse ☕"))
            .startSpan();
    try (Scope current = order.makeCurrent()) {
      Span query = tracer.spanBuilder("SELECT stock").setSpanKind(SpanKind.CLIENT).startSpan();
      query.setAttribute("db.system.name", "sqlite");
      query.addEvent("stock read", Attributes.of(AttributeKey.longKey("rows"), 2L));
      query.setStatus(StatusCode.OK);
      query.end();

      logger
          .logRecordBuilder()
          .setSeverity(Severity.ERROR)
          .setSeverityText("ERROR")
          .setBody("order refused")
          .setAttribute(AttributeKey.longKey("order.id"), 7L)
          .emit();

      Attributes express = Attributes.of(AttributeKey.booleanKey("express"), true);
      orders.add(2, express);
      orders.add(1, express);
      duration.record(0.2);
      duration.record(0.7);
      stock.set(42, Attributes.of(AttributeKey.stringKey("item"), "tea"));
      order.setStatus(StatusCode.ERROR, "out of stock");
    } finally {
      order.end();
    }
  }
}
