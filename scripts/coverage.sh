#!/usr/bin/env bash
# Measures how much of contracts/src the Solidity tests reach, and fails below 98 % of lines or branches.
#
#   scripts/coverage.sh
set -euo pipefail
cd "$(dirname "$0")/.."

# What lines are reached shows in a few runs; the tests themselves ran with all.
export FOUNDRY_PROFILE=quick FOUNDRY_INVARIANT_RUNS=4 FOUNDRY_FUZZ_RUNS=32
# Builds for coverage are of no use to anything else.
export FOUNDRY_OUT=contracts/cache/coverage/out FOUNDRY_CACHE_PATH=contracts/cache/coverage
report=contracts/cache/coverage/lcov.info
mkdir -p "$(dirname "$report")"
node_modules/.bin/forge coverage --report summary --report lcov --report-file "$report" \
  --no-match-coverage 'contracts/(test|script|examples)|node_modules'
awk -F: '
  /^LF:/ { lines += $2 } /^LH:/ { reached += $2 } /^BRF:/ { branches += $2 } /^BRH:/ { taken += $2 }
  END {
    printf "lines %d of %d, branches %d of %d\n", reached, lines, taken, branches
    exit !(lines > 0 && branches > 0 && reached >= 0.98 * lines && taken >= 0.98 * branches)
  }' "$report"
