#!/usr/bin/env bash
# Makes docs/evidence.md, docs/benchmarks.md, the plots and the README's table of peers from docs/measurements.json and
# the texts *.md.in in scripts/evidence.
#
#   scripts/evidence.sh                  writes them
#   scripts/evidence.sh --check          says whether they are what would be written; takes a second
#   scripts/evidence.sh measure --list   the rows that can be measured again, with their commands
#   scripts/evidence.sh measure [NAME...]
#                                        measures them, and adds them if told the machine; see its --help
#   scripts/evidence.sh add ABOUT FILE... [--name NAME] [--machine M] [--command TEXT] [--date DAY] [--code COMMIT]
#                                        adds measurements: a JSON object in the last line of each FILE, as
#                                        `scripts/bench.sh NAME --json` prints it; one of the same ABOUT and name
#                                        is replaced. COMMIT is that of the program, [HEAD]; what is none is refused.
#                                        Nothing is written if the pages could not be made of them.
#
# ABOUT is prediction, network, audit, batch, cost, keys, inference, inside, plan, tabular, library, portable, lending,
# endurance, transactions or attack: see the last section of docs/evidence.md. A `network` is one with a command of its
# own, such as a transformer; its row in the pages' tables of transformers comes from figures named as those of a
# prediction. A measurement has a topic (ABOUT) and a name, the object's `model` or `attack` unless --name says another.
# Needs Node.js 20.
set -euo pipefail
here=$(dirname "$0")/evidence
case ${1:-} in
  -h | --help) sed -n '2,21s/^# \{0,1\}//p' "$0"; exit 0 ;;
  measure) exec bash "$here/remeasure.sh" "${@:2}" ;;
esac
exec node "$here/evidence.mjs" "$@"
