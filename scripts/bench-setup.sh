#!/usr/bin/env bash
# Measures the import of powers of tau that snarkjs made, prepared for phase 2 and not, and the check of what
# was imported; then makes keys with each, proves and verifies.
#
#   scripts/bench-setup.sh [--plain] [K...]     logarithms of the numbers of rows; 14 and 16 without any
#
# The files are made once and kept in .cache/snarkjs: in a minute for k = 16 with --plain, which leaves out files
# that are prepared for phase 2; snarkjs takes more than ten minutes to prepare one of k = 14.
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1:-} in -h | --help) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
plain='' kinds=('' -plain)
if [ "${1:-}" = --plain ]; then
  plain=--plain kinds=(-plain)
  shift
fi
[ $# -gt 0 ] || set -- 14 16
[ -d node_modules/snarkjs ] || npm ci --silent
[ -n "${ASSAY_BUILT:-}" ] || cargo build --release --workspace --quiet
node scripts/powers-of-tau.mjs ${plain:+"$plain"} "$@"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

row() { # TITLE, report on stdin
  node -e '
    const { wall_s, peak_rss_mb } = JSON.parse(require("fs").readFileSync(0, "utf8")).resources;
    const [, title] = process.argv;
    console.log(`${title.padEnd(34)} ${wall_s.toFixed(2).padStart(8)} s ${peak_rss_mb.toFixed(0).padStart(6)} MiB`);
  ' "$1"
}

files=
for k in "$@"; do
  for kind in "${kinds[@]}"; do
    file=.cache/snarkjs/pot$k$kind.ptau
    own=$work/own-$k$kind.srs
    target/release/assay setup --import "$file" -o "$own" --unknown-ceremony --json >"$work/report.json"
    row "import k = $k$([ -z "$kind" ] && echo ", prepared" || echo ", not prepared")" <"$work/report.json"
    files+=${files:+:}$PWD/$file
  done
  target/release/assay setup --check "$work/own-$k-plain.srs" --json >"$work/report.json"
  row "check k = $k" <"$work/report.json"
done
ASSAY_PTAU=$files cargo --config scripts/checked.toml test --release --workspace --quiet --test proofs snarkjs
