#!/usr/bin/env bash
# Builds the contracts as they ship and runs the Solidity tests on them.
#
#   scripts/solidity-tests.sh [options of forge test]
#
# The contracts are compiled with the IR pipeline, to contracts/out; the tests, which would take minutes in it, without
# (see contracts/test/shared/Shipped.sol). FOUNDRY_PROFILE=ci gives fuzz tests the budget of a release.
set -euo pipefail
cd "$(dirname "$0")/.."

forge=node_modules/.bin/forge
FOUNDRY_PROFILE=default "$forge" build --skip test
case ${FOUNDRY_PROFILE:-tests} in
  tests | ci) ;;
  *) echo "solidity-tests: the profile $FOUNDRY_PROFILE does not test what ships" >&2; exit 2 ;;
esac
FOUNDRY_PROFILE=${FOUNDRY_PROFILE:-tests} exec "$forge" test "$@"
