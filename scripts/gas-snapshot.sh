#!/usr/bin/env bash
# Measures what each call of the escrows costs and writes it to contracts/snapshots/gas.json.
#
#   scripts/gas-snapshot.sh            refreshes the file
#   scripts/gas-snapshot.sh --check    fails where a figure differs from the file's
set -euo pipefail
cd "$(dirname "$0")/.."

case ${1:-} in
  "") mode=(--gas-snapshot-emit true) ;;
  --check) mode=(--gas-snapshot-check true --gas-snapshot-emit false) ;;
  *) echo "usage: scripts/gas-snapshot.sh [--check]" >&2; exit 2 ;;
esac
FOUNDRY_PROFILE=tests exec bash scripts/solidity-tests.sh --match-test '^test_GasOf' "${mode[@]}"
