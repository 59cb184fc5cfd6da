#!/usr/bin/env bash
# Checks the project's Markdown: no dead relative link or anchor, every page of docs/ in its table of
# contents (docs/SUMMARY.md), every test and source file that the text names is there, and docs/evidence.md and
# docs/benchmarks.md are what the measurements give.
#
#   scripts/check-docs.sh [FOLDER]
#
# FOLDER is a checkout other than the one that the script lies in. Needs Node.js 20; takes a second.
set -euo pipefail
exec node "$(dirname "$0")/check-docs.mjs" "${1:-$(dirname "$0")/..}"
