#!/usr/bin/env bash
# Makes docs/evidence.md, docs/benchmarks.md, the plots and the README's table of peers from docs/measurements.json and the
# texts *.md.in in scripts/evidence.
#
#   scripts/evidence.sh                  writes them
#   scripts/evidence.sh --check          says whether they are what would be written; takes a second
#   scripts/evidence.sh measure [NAME...]  measures rows again and adds them; see `measure --help`
#   scripts/evidence.sh add ABOUT FILE... [--name NAME] [--machine M] [--command TEXT] [--date DAY] [--code COMMIT]
#                                        adds measurements: a JSON object in the last line of each FILE, as
#                                        `scripts/bench.sh NAME --json` prints it; one of the same ABOUT and name
#                                        is replaced. COMMIT is that of the program, [HEAD]; what is none is refused.
#                                        Nothing is written if the page could not be made of them.
#
# ABOUT is prediction, network, audit, batch, cost, keys, inference, inside, plan, tabular, library, portable, lending,
# endurance, transactions or attack: see the page's last section. A `network` is one with a command of its own, such as a transformer; its row in the page's
# table of transformers comes from figures named as those of a prediction.
# A measurement has a topic (ABOUT) and a name, the object's `model` or `attack` unless --name says another. Needs
# Node.js 20.
set -euo pipefail
case ${1:-} in -h | --help) sed -n '2,20s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
if [ "${1:-}" = measure ]; then
  shift
  exec bash "$(dirname "$0")/evidence/measure-all.sh" "$@"
fi
exec node "$(dirname "$0")/evidence/evidence.mjs" "$@"
