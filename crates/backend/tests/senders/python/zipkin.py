"""Sends a trace by aiozipkin, a client of Zipkin: `zipkin.py http://localhost:9411/api/v2/spans SERVICE`."""

import asyncio
import sys

import aiozipkin


async def main(address, service):
    endpoint = aiozipkin.create_endpoint(service, ipv4="127.0.0.1", port=8080)
    tracer = await aiozipkin.create(address, endpoint, sample_rate=1.0)
    with tracer.new_trace() as order:
        order.name("POST /orders")
        order.kind(aiozipkin.SERVER)
        order.tag("http.path", "/orders")
        order.tag("error", "out of stock")
        with tracer.new_child(order.context) as query:
            query.name("SELECT stock")
            query.kind(aiozipkin.CLIENT)
            query.remote_endpoint("stock", ipv4="127.0.0.2", port=5432)
            query.annotate("stock read")
    await tracer.close()


asyncio.run(main(*sys.argv[1:]))
