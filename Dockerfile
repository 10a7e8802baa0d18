# Both services in one image; whoever starts it says which. Builds with the classic builder and with BuildKit.

# The workspace with its code taken out: only a manifest or the lock file changes it.
FROM rust:1.95-slim-bookworm AS manifests
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY crates crates
RUN find crates -type f ! -name Cargo.toml ! -path 'crates/*/src/lib.rs' ! -path 'crates/*/src/main.rs' -delete \
    && for file in crates/*/src/*.rs; do echo 'fn main() {}' >"$file"; done

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY --from=manifests /src ./
# The dependencies alone: this layer is kept while our own code changes.
RUN cargo build --release --locked --package ping --package pong
COPY crates crates
# Cargo goes by times: code older than the layer above would count as built already.
RUN touch crates/*/src/*.rs && cargo build --release --locked --package ping --package pong

# No shell, no package manager, user 65532.
FROM gcr.io/distroless/cc-debian12:nonroot
LABEL org.opencontainers.image.title="ping and pong" \
      org.opencontainers.image.description="Two Rust services that show OpenTelemetry at work" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="gcr.io/distroless/cc-debian12:nonroot"
COPY --from=build /src/target/release/ping /src/target/release/pong /usr/local/bin/
EXPOSE 8081 8082
CMD ["ping"]
