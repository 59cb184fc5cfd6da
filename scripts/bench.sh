#!/usr/bin/env bash
# Measures the proof of one prediction with hidden weights and hidden input, or a whole audit. Each
# step, above all each proof, runs in a process of its own.
#
#   scripts/bench.sh NAME [--json] [--lanes N] [--weight-columns N] [--input FILE]
#   scripts/bench.sh NAME --against library    the proving library's prover too, and how they compare
#   scripts/bench.sh audit NAME N [--json] [--batch N] [--lanes N]     N hidden labelled items
#   scripts/bench.sh audit-table NAME [--json] [--batches 1,4,16,64]   cost of an item by batch size
#
# NAME is `lenet` (examples/digits) or the stem of a file in ../shared/data/models, seen from the
# repository; ASSAY_SHARED names another folder than ../shared. With --json the last line is one JSON
# object.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

if [ $# -eq 0 ] || [ "$1" = -h ] || [ "$1" = --help ]; then
  sed -n '2,12s/^# \{0,1\}//p' "$0"
  [ $# -gt 0 ] && exit 0 || exit 2
fi

bash "$root/scripts/install-tools.sh" >&2
[ -n "${ASSAY_BUILT:-}" ] || (cd "$root" && cargo build --release --workspace --quiet)
bench=(bench)
case $1 in audit | audit-table) bench+=("$1") && shift ;; esac
export ASSAY_SOLC=${ASSAY_SOLC:-$root/scripts/solc}
# What this machine records of the measured bundles stays with them.
export ASSAY_STATE_DIR=$root/.cache/bench/state
# Stays in the caller's folder, from which the files in the options are seen.
exec "$root/target/release/assay" "${bench[@]}" --data "${ASSAY_SHARED:-$root/../shared}/data" \
  --examples "$root/examples" --cache "$root/.cache/bench" --anvil "$root/node_modules/.bin/anvil" "$@"
