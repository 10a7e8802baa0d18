"""Takes payments over HTTP: POST /payments?card=visa&amount=30.

Prints its address, and ends when its standard input does. Telemetry is set up as for `sender.py`.
"""

import http.server
import sys
import threading
import time
from urllib.parse import parse_qs, urlsplit

from opentelemetry import metrics, propagate, trace
from opentelemetry._logs import LogRecord, SeverityNumber, get_logger
from opentelemetry.trace import SpanKind, Status, StatusCode

LIMIT = 100  # of one payment
tracer = trace.get_tracer("payments", "2.0.0")
logger = get_logger("payments", "2.0.0")
meter = metrics.get_meter("payments", "2.0.0")
duration = meter.create_histogram(
    "http.server.request.duration",
    unit="s",
    description="Duration of HTTP server requests",
    explicit_bucket_boundaries_advisory=[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1],
)
taken = meter.create_counter("payments.taken", unit="{payment}", description="Payments taken")
money = meter.create_up_down_counter("payments.balance", unit="EUR", description="Money taken, less refunds")


class Declined(Exception):
    pass


def log(severity, text, attributes):
    number = SeverityNumber[severity]
    logger.emit(LogRecord(severity_number=number, severity_text=severity, body=text, attributes=attributes))


def charge(card, amount):
    with tracer.start_as_current_span("charge card", attributes={"payment.card": card, "payment.amount": amount}):
        time.sleep(0.09 if card == "amex" else 0.012)
        if amount > LIMIT:
            raise Declined(f"{amount} is more than {LIMIT}")


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        query = parse_qs(urlsplit(self.path).query)
        card, amount = query["card"][0], int(query["amount"][0])
        attributes = {"http.request.method": "POST", "http.route": "/payments", "url.scheme": "http"}
        with tracer.start_as_current_span(
            "POST /payments", propagate.extract(self.headers), kind=SpanKind.SERVER, attributes=attributes
        ) as span:
            start = time.monotonic()
            try:
                charge(card, amount)
                status = 201
                taken.add(1, {"payment.card": card})
                money.add(amount)
                log("INFO", f"{amount} EUR taken", {"payment.card": card})
            except Declined as declined:
                status = 500
                span.set_status(Status(StatusCode.ERROR, str(declined)))
                log("ERROR", f"payment declined: {declined}", {"payment.card": card, "exception.type": "Declined"})
            span.set_attribute("http.response.status_code", status)
            duration.record(time.monotonic() - start, {**attributes, "http.response.status_code": status})
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(f"http://127.0.0.1:{server.server_port}", flush=True)
sys.stdin.read()
server.shutdown()
