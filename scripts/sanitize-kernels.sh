#!/usr/bin/env bash
# Runs the tests of the kernel crate, the one crate with `unsafe` code, under the address sanitizer: reads and
# writes outside of what was allocated, or after it was freed, end a test. Both the portable routines and those
# with vector instructions run, the latter where the processor has them.
#
#   scripts/sanitize-kernels.sh [FILTER]      some minutes; FILTER as of `cargo test`
#
# The sanitizer is an unstable option of the compiler, which RUSTC_BOOTSTRAP lets the pinned one take. Its
# build lies apart, in target/sanitized.
set -euo pipefail
cd "$(dirname "$0")/.."

host=$(rustc -vV | sed -n 's/^host: //p')
case $host in
  x86_64-unknown-linux-gnu | aarch64-unknown-linux-gnu | *-apple-darwin) ;;
  *) echo "sanitize-kernels: the compiler has no address sanitizer for $host" >&2; exit 1 ;;
esac
# Overflows and the crate's own assertions end a test, too.
export RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address -Coverflow-checks=on -Cdebug-assertions=on"
exec cargo test --release --package assay-kernels --lib --target "$host" --target-dir target/sanitized -- "$@"
