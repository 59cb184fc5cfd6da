# The program `assay` with the Solidity compiler that it compares verifiers with, for a user without rights.
#
#   docker build -t assay .
#   docker run --rm assay relayer run --help
#
# compose.yaml runs a node with it, see docs/containers.md. scripts/check-containers.mjs compares both with the program.

# The compiler of rust-toolchain.toml.
FROM rust:1.95.0-slim-bookworm AS build
WORKDIR /assay
COPY . .
# --workspace, as everywhere: with -p Cargo would choose other features.
RUN cargo build --release --locked --workspace

FROM ethereum/solc:0.8.30 AS solc

FROM debian:12.12-slim
RUN apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates \
  && rm -rf /var/lib/apt/lists/*
# What a volume is mounted over takes its owner from here.
RUN groupadd --gid 10001 assay \
  && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /state assay \
  && install -d -o 10001 -g 10001 /seller /state /cache
COPY --from=solc /usr/bin/solc /usr/local/bin/solc
COPY --from=build /assay/target/release/assay /usr/local/bin/assay
# The last count of openings lies in the state, which must outlive the container.
ENV ASSAY_STATE_DIR=/state ASSAY_CACHE_DIR=/cache
WORKDIR /seller
USER 10001:10001
ENTRYPOINT ["/usr/local/bin/assay"]
CMD ["--help"]
