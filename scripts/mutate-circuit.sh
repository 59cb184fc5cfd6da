#!/usr/bin/env bash
# The circuit's mutation score: takes each rule of the circuit away, one at a time, and demands that a
# forgery, carried through, is accepted without the rule and refused with it. Prints each rule with its
# forgery, the equivalent mutants with their reasons, and the score; fails below 100 %.
#
#   scripts/mutate-circuit.sh
#
# The same tests run with `cargo test`; see prover/circuit/src/tests/mutation/mod.rs and section 10 of
# docs/circuit.md.
set -euo pipefail
cd "$(dirname "$0")/.."

tests=tests::mutation

log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=0
cargo --config scripts/checked.toml test --release --workspace --lib "$tests" -- --nocapture >"$log" 2>&1 || failed=1

lines() { # KIND
  # A test's name may stand before its first line.
  sed -n "s/^.*mutation: $1: //p" "$log" | sort -u
}
lines noticed | sed 's/^/noticed     /'
lines equivalent | sed -n '/ | /s/^/equivalent  /p'
lines MISSED | sed 's/^/MISSED      /'

rules() { # KIND
  lines "$1" | sed -n '/ | /s/ | .*//p' | sort -u
}
missed=$(rules MISSED | wc -l)
noticed=$(comm -23 <(rules noticed) <(rules MISSED) | wc -l)
equivalent=$(rules equivalent | wc -l)
total=$((noticed + missed))
if [ "$total" -eq 0 ]; then
  tail -n 50 "$log" >&2
  echo "mutate-circuit: no rule was played" >&2
  exit 1
fi
printf '\n%d of %d rules noticed (%d %%), %d equivalent\n' \
  "$noticed" "$total" $((100 * noticed / total)) "$equivalent"
if [ "$failed" -ne 0 ] || [ "$missed" -ne 0 ]; then
  grep -A12 "panicked at" "$log" >&2 || tail -n 50 "$log" >&2
  exit 1
fi
