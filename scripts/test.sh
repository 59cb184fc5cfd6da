#!/usr/bin/env bash
# Runs every check of the project: formats, lints, documents, Solidity tests, Rust tests, and the way from
# an ONNX file to a payment on a local chain. Stops at the first failure; ends with what took how long.
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
# Nor those that need files of snarkjs.
export ASSAY_REQUIRE_PTAU=1
# Nor the build for browsers, unless ASSAY_REQUIRE_WASM is set to nothing.
export ASSAY_REQUIRE_WASM=${ASSAY_REQUIRE_WASM-1}
export ASSAY_SOLC="$PWD/scripts/solc"

# Cargo works beside the Solidity parts, which leave a core free: one build with everything that tests need. The
# lints and the documentation, the licences and the build for browsers come beside the plays on a chain, which wait
# for blocks and locks rather than for a core. Each is waited for below.
work=$(mktemp -d)
# What the program keeps for its user: keys that were made again here, counts of openings nowhere.
export ASSAY_CACHE_DIR="$PWD/.cache/assay" ASSAY_STATE_DIR="$work/state"
in_background() { # NAME COMMAND...
  local name=$1
  shift
  if "$@" >"$work/$name.log" 2>&1; then echo 0 >"$work/$name.code"; else echo 1 >"$work/$name.code"; fi
  mv "$work/$name.code" "$work/$name.ended"
}
rust_work() {
  in_background build cargo --config scripts/checked.toml test --release --workspace --no-run
  until [ -f "$work/tested" ]; do sleep 1; done
  in_background lints cargo clippy --release --workspace --all-targets -- -D warnings
  in_background pages env RUSTDOCFLAGS="-D warnings" cargo doc --release --workspace --no-deps
  in_background dependencies bash scripts/check-dependencies.sh
  in_background browser bash scripts/build-wasm.sh
}
# In a process group of its own, so that an end before the end stops what Cargo started too.
set -m
rust_work &
working=$!
set +m
trap 'kill -- -"$working" 2>/dev/null || true; wait "$working" 2>/dev/null || true; rm -rf "$work"' EXIT
finished() { # NAME: waits for that part of rust_work, shows what it printed
  while [ ! -f "$work/$1.ended" ] && kill -0 "$working" 2>/dev/null; do sleep 0.5; done
  cat "$work/$1.log"
  [ "$(cat "$work/$1.ended" 2>/dev/null)" = 0 ]
}
# What the scripts below would build is built, with the checks of scripts/checked.toml.
export ASSAY_BUILT=1

check "Rust format" cargo fmt --all --check
check "documents" bash scripts/check-docs.sh
check "crates" node scripts/check-crates.mjs
check "Solidity tools" bash scripts/install-tools.sh
check "Solidity format" "$forge" fmt --check
check "Solidity lints" env FOUNDRY_PROFILE=lint "$forge" lint
check "Solidity build" "$forge" build --skip test
check "clear signing" node scripts/check-clear-signing.mjs
check "Solidity tests" bash scripts/solidity-tests.sh
check "gas snapshot" bash scripts/gas-snapshot.sh --check
check "Solidity coverage" bash scripts/coverage.sh
# Some mutants of what the last commit has changed, or all commits since ASSAY_MUTATE_SINCE: seconds, and the tests' time.
# What a merge brings was looked at commit by commit.
since=${ASSAY_MUTATE_SINCE:-}
if [ -z "$since" ] && ! git rev-parse --quiet --verify HEAD^2 >/dev/null 2>&1; then
  since=$(git rev-parse --quiet --verify HEAD~1 2>/dev/null || true)
fi
changed_lines=0
[ -z "$since" ] || changed_lines=$(git diff --numstat "$since" -- contracts/src | awk '{ sum += $1 } END { print sum + 0 }')
if [ "$changed_lines" -gt 300 ]; then
  printf '\nskipped: mutants of %s changed lines of contracts take hours, see scripts/mutate-contracts.mjs\n' "$changed_lines"
elif [ "$changed_lines" -gt 0 ]; then
  check "mutants of changed contracts" node scripts/mutate-contracts.mjs --changed "$since" --seconds 20
fi
check "Rust build" finished build
check "containers" node scripts/check-containers.mjs
check "fixtures of the Solidity tests" bash scripts/contract-fixtures.sh --check
check "fixtures of classifications and hidden outputs" bash scripts/statement-fixtures.sh --check
check "collections in JavaScript" bash scripts/check-collections.sh
check "powers of tau by snarkjs" node scripts/powers-of-tau.mjs 10
# A quarter of a minute of damaged files for the importer, see prover/import/src/model/tests/fuzz.rs.
check "Rust tests" env ASSAY_FUZZ_SECONDS=15 cargo --config scripts/checked.toml test --release --workspace
touch "$work/tested"
check "end to end: a prediction is sold" bash scripts/demo.sh --test --fresh
check "end to end: audits, services, retrievals" node --test --test-concurrency=2 scripts/escrows/*.test.mjs
check "end to end: the story of two bounties" bash scripts/demo.sh audit
check "example: an audit without a chain" bash examples/audit/audit.sh
check "example: seven attacks" bash examples/attacks/attacks.sh --short
if [ -d "${ASSAY_SHARED:-../shared}/data" ]; then
  check "benchmark: an audit" bash scripts/bench.sh audit lenet 4 --batch 2
  check "benchmark: a table of batches" bash scripts/bench.sh audit-table lenet --batches 1,2
else
  printf '\nskipped: the benchmarks of audits, ../shared/data is not there\n'
fi
check "Rust lints" finished lints
check "Rust documentation" finished pages
check "licences and sources of dependencies" finished dependencies
check "build for browsers" finished browser

printf '\n'
printf 'passed: %s\n' "${passed[@]}"
printf '\n%d passed, 0 failed (%d s)\n' ${#passed[@]} "$SECONDS"
