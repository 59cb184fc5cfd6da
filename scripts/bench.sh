#!/usr/bin/env bash
# Measures the proof of one prediction with hidden weights and hidden input, or a whole audit. Each
# step, above all each proof, runs in a process of its own.
#
#   scripts/bench.sh NAME [--json] [--lanes N] [--weight-columns N] [--input FILE]
#   scripts/bench.sh audit NAME N [--json] [--batch N] [--lanes N]     N hidden labelled items
#   scripts/bench.sh audit-table NAME [--json] [--batches 1,4,16,64]   cost of an item by batch size
#
# NAME is `lenet` (examples/digits) or the stem of a file in ../shared/data/models; ASSAY_SHARED
# names another folder than ../shared. With --json the last line is one JSON object.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ $# -eq 0 ] || [ "$1" = -h ] || [ "$1" = --help ]; then
  sed -n '2,10s/^# \{0,1\}//p' "$0"
  [ $# -gt 0 ] && exit 0 || exit 2
fi

bash scripts/install-tools.sh >&2
cargo build --release --workspace --quiet
bench=(bench)
case $1 in audit | audit-table) bench+=("$1") && shift ;; esac
exec target/release/assay "${bench[@]}" --data "${ASSAY_SHARED:-../shared}/data" "$@"
