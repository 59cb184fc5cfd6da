#!/usr/bin/env bash
# Runs the symbolic tests of contracts/test/symbolic: the custody's arithmetic and the deadlines' windows, for
# all amounts and times.
#
#   scripts/symbolic-tests.sh [options of halmos]
#
# Needs Python 3 and halmos 0.3.3 (pip install halmos==0.3.3), found on the PATH or named by HALMOS.
set -euo pipefail
halmos=$(command -v "${HALMOS:-halmos}") || {
  echo "symbolic-tests: halmos is missing; install it: pip install halmos==0.3.3" >&2
  exit 1
}
halmos=$(realpath -s -- "$halmos")
cd "$(dirname "$0")/.."

PATH="$PWD/node_modules/.bin:$PATH"
export FOUNDRY_PROFILE=symbolic
exec "$halmos" --forge-build-out contracts/cache/symbolic/out --function check_ "$@"
