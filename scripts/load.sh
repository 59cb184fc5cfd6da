#!/usr/bin/env bash
# Has a relayer serve 1,000 jobs with a stub in place of the prover, in one process and with four worker processes, and says
# how many it served in a second, how much memory that took, and how many were lost, which must be none.
set -euo pipefail
cd "$(dirname "$0")/.."
for test in load::a_thousand_jobs_in_one_process load::a_thousand_jobs_with_four_workers; do
  cargo --config scripts/checked.toml test --release --workspace --test anvil -- --ignored --exact "$test" --nocapture \
    | grep -E "jobs a second|^test load|FAILED|panicked" || { echo "$test failed" >&2; exit 1; }
done
