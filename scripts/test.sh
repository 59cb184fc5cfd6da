#!/usr/bin/env bash
# Runs every check of the project: formats, lints, Solidity tests, Rust tests, and the whole road
# from an ONNX file to a payment on a local chain. Stops at the first failure.
#
#   scripts/test.sh
#
# Needs a Rust toolchain with rustfmt and clippy, Node.js 20 and a C compiler; installs the rest
# from npm and crates.io. Tests on the models and images of ../shared/data (or of the folder named
# by ASSAY_SHARED) say that they are skipped where these are not there.
set -euo pipefail
[ -z "${ASSAY_SHARED:-}" ] || ASSAY_SHARED=$(realpath -ms -- "$ASSAY_SHARED")
cd "$(dirname "$0")/.."

command -v cargo >/dev/null || { echo "test: cargo is missing; install Rust from https://rustup.rs" >&2; exit 1; }

passed=()
check() { # TITLE COMMAND...
  local title=$1 started=$SECONDS
  shift
  printf '\n=== %s\n' "$title"
  if ! "$@"; then
    printf '\n'
    [ ${#passed[@]} -eq 0 ] || printf 'passed: %s\n' "${passed[@]}"
    printf 'failed: %s (%d s)\n\n%d passed, 1 failed\n' "$title" $((SECONDS - started)) ${#passed[@]}
    exit 1
  fi
  passed+=("$title ($((SECONDS - started)) s)")
}

forge=node_modules/.bin/forge
# Tests that need anvil must not be skipped here.
export ASSAY_REQUIRE_ANVIL=1
export ASSAY_SOLC="$PWD/scripts/solc"

# The Solidity compiler keeps one core busy; the Rust parts are built beside it.
log=$(mktemp)
cargo build --release --workspace >"$log" 2>&1 &
building=$!
trap 'rm -f "$log"; kill "$building" 2>/dev/null || true' EXIT
rust_build() {
  tail -n +1 -f --pid="$building" "$log"
  wait "$building"
}

check "Rust format" cargo fmt --all --check
check "Solidity tools" bash scripts/install-tools.sh
check "Solidity format" "$forge" fmt --check
check "Solidity lints" env FOUNDRY_PROFILE=lint "$forge" lint
check "Solidity build" "$forge" build
check "Rust build" rust_build
check "Solidity tests" "$forge" test
check "gas snapshot" bash scripts/gas-snapshot.sh --check
check "Solidity coverage" bash scripts/coverage.sh
check "fixtures of the Solidity tests" bash scripts/contract-fixtures.sh --check
check "collections in JavaScript" bash scripts/check-collections.sh
check "Rust lints" cargo clippy --release --workspace --all-targets -- -D warnings
# A minute of damaged files for the importer, see prover/src/model/tests/fuzz.rs.
check "Rust tests" env ASSAY_FUZZ_SECONDS=60 cargo test --release --workspace
check "end to end: a prediction is sold" bash scripts/demo.sh --test --fresh
check "end to end: audits, services, retrievals" node --test scripts/escrows/*.test.mjs
check "end to end: the story of two bounties" bash scripts/demo.sh audit
check "example: an audit without a chain" bash examples/audit/audit.sh
if [ -d "${ASSAY_SHARED:-../shared}/data" ]; then
  check "benchmark: an audit" bash scripts/bench.sh audit lenet 4 --batch 2
  check "benchmark: a table of batches" bash scripts/bench.sh audit-table lenet --batches 1,2
else
  printf '\nskipped: the benchmarks of audits, ../shared/data is not there\n'
fi

printf '\n'
printf 'passed: %s\n' "${passed[@]}"
printf '\n%d passed, 0 failed (%d s)\n' ${#passed[@]} "$SECONDS"
