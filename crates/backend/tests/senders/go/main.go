// Sends a trace, log records and metrics by OpenTelemetry's SDK for Go.
//
// OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL, OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say where to
// and as whom, as in any service.
package main

import (
	"context"
	"errors"
	"log"

	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	otellog "go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	spanExporter, err := autoexport.NewSpanExporter(ctx)
	if err != nil {
		return err
	}
	logExporter, err := autoexport.NewLogExporter(ctx)
	if err != nil {
		return err
	}
	metricReader, err := autoexport.NewMetricReader(ctx)
	if err != nil {
		return err
	}
	traces := sdktrace.NewTracerProvider(sdktrace.WithBatcher(spanExporter))
	logs := sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewBatchProcessor(logExporter)))
	metrics := sdkmetric.NewMeterProvider(sdkmetric.WithReader(metricReader))

	version := "1.2.3"
	tracer := traces.Tracer("orders", trace.WithInstrumentationVersion(version))
	logger := logs.Logger("orders", otellog.WithInstrumentationVersion(version))
	meter := metrics.Meter("orders", metric.WithInstrumentationVersion(version))
	if err := takeOrder(ctx, tracer, logger, meter); err != nil {
		return err
	}
	return errors.Join(traces.Shutdown(ctx), logs.Shutdown(ctx), metrics.Shutdown(ctx))
}

func takeOrder(ctx context.Context, tracer trace.Tracer, logger otellog.Logger, meter metric.Meter) error {
	orders, err := meter.Int64Counter("orders", metric.WithUnit("{order}"), metric.WithDescription("Orders taken"))
	if err != nil {
		return err
	}
	duration, err := meter.Float64Histogram(
		"order.duration", metric.WithUnit("s"), metric.WithDescription("Time to take an order"))
	if err != nil {
		return err
	}
	stock, err := meter.Int64Gauge("stock", metric.WithUnit("{item}"), metric.WithDescription("Items left"))
	if err != nil {
		return err
	}

	var opened otellog.Record
	opened.SetEventName("shop.opened")
	opened.SetSeverity(otellog.SeverityInfo)
	opened.SetSeverityText("INFO")
	opened.SetBody(attribute.MapValue(
		attribute.Int("shelves", 3),
		attribute.StringSlice("goods", []string{"tea", "Käse"}),
	))
	logger.Emit(ctx, opened)

	earlier := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd, 0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31, 0x9c},
		SpanID:  trace.SpanID{0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31},
		Remote:  true,
	})
	ctx, order := tracer.Start(ctx, "POST /orders",
		trace.WithSpanKind(trace.SpanKindServer),
		trace.WithLinks(trace.Link{
			SpanContext: earlier,
			Attributes:  []attribute.KeyValue{attribute.String("reason", "retry")},
		}),
		trace.WithAttributes(
			attribute.String("http.route", "/orders"),
			attribute.Int("http.response.status_code", 503),
			attribute.Float64("order.total", 12.5),
			attribute.Bool("order.express", true),
			attribute.StringSlice("order.items", []string{"tea", "Käse ☕"}),
		))
	defer order.End()

	_, query := tracer.Start(ctx, "SELECT stock", trace.WithSpanKind(trace.SpanKindClient))
	query.SetAttributes(attribute.String("db.system.name", "sqlite"))
	query.AddEvent("stock read", trace.WithAttributes(attribute.Int("rows", 2)))
	query.SetStatus(codes.Ok, "")
	query.End()

	var refused otellog.Record
	refused.SetSeverity(otellog.SeverityError)
	refused.SetSeverityText("ERROR")
	refused.SetBody(attribute.StringValue("order refused"))
	refused.AddAttributes(attribute.Int("order.id", 7))
	logger.Emit(ctx, refused)

	express := metric.WithAttributes(attribute.Bool("express", true))
	orders.Add(ctx, 2, express)
	orders.Add(ctx, 1, express)
	duration.Record(ctx, 0.2)
	duration.Record(ctx, 0.7)
	stock.Record(ctx, 42, metric.WithAttributes(attribute.String("item", "tea")))
	order.SetStatus(codes.Error, "out of stock")
	return nil
}
