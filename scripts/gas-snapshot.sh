#!/usr/bin/env bash
# Measures what each call of the escrows costs and writes it to contracts/snapshots/gas.json.
#
#   scripts/gas-snapshot.sh            refreshes the file
#   scripts/gas-snapshot.sh --check    fails where a figure differs from the file's
#
# What is written is of a build of everything: the IR pipeline makes other code of the same contract when only
# some files are compiled again, and a figure of such a build is nobody else's.
set -euo pipefail
cd "$(dirname "$0")/.."

case ${1:-} in
  "")
    node_modules/.bin/forge build --force --skip test
    mode=(--gas-snapshot-emit true)
    ;;
  --check) mode=(--gas-snapshot-check true --gas-snapshot-emit false) ;;
  *) echo "usage: scripts/gas-snapshot.sh [--check]" >&2; exit 2 ;;
esac
FOUNDRY_PROFILE=tests exec bash scripts/solidity-tests.sh --match-test '^test_GasOf' "${mode[@]}"
