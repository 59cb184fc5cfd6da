#!/usr/bin/env bash
# Runs the tests of the crate of kernels, the one with unsafe code, under AddressSanitizer: reads and writes
# outside of what belongs to them end the run. Both sets of kernels run, where the processor has both.
#
#   scripts/sanitize-kernels.sh [TEST]
#
# Sanitizers are an unstable option of the compiler, which RUSTC_BOOTSTRAP opens for this run alone.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "${1:-}" = -h ] || [ "${1:-}" = --help ]; then
  sed -n '2,8s/^# \{0,1\}//p' "$0"
  exit 0
fi
export RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address -Cdebug-assertions=on"
export CARGO_TARGET_DIR="$PWD/target/sanitize"
# Overlapping copies and uses after return are looked for too.
export ASAN_OPTIONS=detect_stack_use_after_return=1
exec cargo test --release --target x86_64-unknown-linux-gnu -p assay-kernels "$@"
