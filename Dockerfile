# The program `assay`, for a relayer and its workers; see docs/relayer.md. No key, model or setup goes into it.
FROM rust:1.95.0-bookworm AS build
# The compiler of the image, whatever rust-toolchain.toml would fetch besides.
ENV RUSTUP_TOOLCHAIN=1.95.0
WORKDIR /source
COPY . .
RUN cargo build --release --locked --workspace --bin assay

FROM debian:12.11-slim
RUN apt-get update \
  && apt-get install --yes --no-install-recommends ca-certificates \
  && rm -rf /var/lib/apt/lists/* \
  && useradd --system --uid 10001 --create-home --home-dir /var/lib/assay assay
COPY --from=build /source/target/release/assay /usr/local/bin/assay
USER assay
WORKDIR /var/lib/assay
# Counts of openings lie there too: without it nothing is proven.
ENV ASSAY_STATE_DIR=/var/lib/assay/state
RUN mkdir -p /var/lib/assay/state
VOLUME /var/lib/assay/state
STOPSIGNAL SIGTERM
ENTRYPOINT ["assay"]
CMD ["relayer", "run", "--help"]
