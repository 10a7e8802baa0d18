// Knows what is in stock, over HTTP: GET /stock/tea.
//
// Prints its address, and ends when its standard input does. Telemetry is set up as in the program above this folder.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	otellog "go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// What is sold, and how long it takes to find it: coffee lies at the far end.
var shelves = map[string]time.Duration{"tea": 4 * time.Millisecond, "coffee": 140 * time.Millisecond, "cocoa": 9 * time.Millisecond}

type stock struct {
	tracer   trace.Tracer
	logger   otellog.Logger
	duration metric.Float64Histogram
	lookups  metric.Int64Counter
	left     metric.Int64Gauge
	mutex    sync.Mutex
	items    map[string]int64
}

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
	stock, err := newStock(traces, logs, metrics)
	if err != nil {
		return err
	}

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	routes := http.NewServeMux()
	routes.HandleFunc("GET /stock/{item}", stock.find)
	server := http.Server{Handler: routes}
	go server.Serve(listener)
	fmt.Printf("http://%s\n", listener.Addr())
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, server.Shutdown(ctx), traces.Shutdown(ctx), logs.Shutdown(ctx), metrics.Shutdown(ctx))
}

func newStock(traces trace.TracerProvider, logs otellog.LoggerProvider, metrics metric.MeterProvider) (*stock, error) {
	meter := metrics.Meter("stock", metric.WithInstrumentationVersion("0.4.0"))
	duration, err := meter.Float64Histogram("http.server.request.duration",
		metric.WithUnit("s"), metric.WithDescription("Duration of HTTP server requests"))
	if err != nil {
		return nil, err
	}
	lookups, err := meter.Int64Counter("stock.lookups",
		metric.WithUnit("{lookup}"), metric.WithDescription("Times that an item was looked for"))
	if err != nil {
		return nil, err
	}
	left, err := meter.Int64Gauge("stock.left", metric.WithUnit("{item}"), metric.WithDescription("Items left"))
	if err != nil {
		return nil, err
	}
	return &stock{
		tracer:   traces.Tracer("stock", trace.WithInstrumentationVersion("0.4.0")),
		logger:   logs.Logger("stock", otellog.WithInstrumentationVersion("0.4.0")),
		duration: duration,
		lookups:  lookups,
		left:     left,
		items:    map[string]int64{"tea": 42, "coffee": 30, "cocoa": 12},
	}, nil
}

func (s *stock) find(response http.ResponseWriter, request *http.Request) {
	start := time.Now()
	item := request.PathValue("item")
	labels := []attribute.KeyValue{
		attribute.String("http.request.method", "GET"),
		attribute.String("http.route", "/stock/{item}"),
		attribute.String("url.scheme", "http"),
	}
	ctx := propagation.TraceContext{}.Extract(request.Context(), propagation.HeaderCarrier(request.Header))
	ctx, span := s.tracer.Start(ctx, "GET /stock/{item}",
		trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(labels...))
	defer span.End()

	status := http.StatusOK
	if !s.query(ctx, item) {
		status = http.StatusNotFound
	}
	answered := attribute.Int("http.response.status_code", status)
	span.SetAttributes(attribute.String("shop.item", item), answered)
	s.duration.Record(ctx, time.Since(start).Seconds(), metric.WithAttributes(append(labels, answered)...))
	response.WriteHeader(status)
}

// query stands for a look into a database.
func (s *stock) query(ctx context.Context, item string) bool {
	ctx, span := s.tracer.Start(ctx, "SELECT shelves", trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("db.system.name", "sqlite"), attribute.String("db.operation.name", "SELECT")))
	defer span.End()
	found := metric.WithAttributes(attribute.String("shop.item", item))
	s.lookups.Add(ctx, 1, found)
	duration, sold := shelves[item]
	if !sold {
		span.SetStatus(codes.Error, "no such shelf")
		s.say(ctx, otellog.SeverityError, "ERROR", "no shelf has "+item)
		return false
	}
	time.Sleep(duration)
	span.AddEvent("shelf found", trace.WithAttributes(attribute.Int64("rows", 1)))
	s.mutex.Lock()
	s.items[item]--
	left := s.items[item]
	s.mutex.Unlock()
	s.left.Record(ctx, left, found)
	if left < 5 {
		s.say(ctx, otellog.SeverityWarn, "WARN", item+" is running out")
	}
	return true
}

func (s *stock) say(ctx context.Context, severity otellog.Severity, name string, text string) {
	var record otellog.Record
	record.SetTimestamp(time.Now())
	record.SetSeverity(severity)
	record.SetSeverityText(name)
	record.SetBody(attribute.StringValue(text))
	s.logger.Emit(ctx, record)
}
