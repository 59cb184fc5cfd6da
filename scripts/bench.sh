#!/usr/bin/env bash
# Measures the proof of one prediction with hidden weights and hidden input. Each step, above all
# the proof, runs in a process of its own.
#
#   scripts/bench.sh NAME [--json] [--lanes N] [--weight-columns N] [--input FILE]
#
# NAME is `lenet` (examples/digits) or the stem of a file in ../shared/data/models; ASSAY_SHARED
# names another folder than ../shared. With --json the last line is one JSON object.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ $# -eq 0 ] || [ "$1" = -h ] || [ "$1" = --help ]; then
  sed -n '2,8s/^# \{0,1\}//p' "$0"
  [ $# -gt 0 ] && exit 0 || exit 2
fi

bash scripts/install-tools.sh >&2
cargo build --release --workspace --quiet
exec target/release/assay bench --data "${ASSAY_SHARED:-../shared}/data" "$@"
