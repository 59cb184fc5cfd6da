#!/usr/bin/env bash
# Measures the import of powers of tau that snarkjs made, prepared for phase 2 and not, and the check of what
# was imported; then makes keys with each, proves and verifies.
#
#   scripts/bench-setup.sh [K...]     logarithms of the numbers of rows; 14 and 16 without any
#
# The files are made once (some seconds for k = 10, minutes for 16) and kept in .cache/snarkjs.
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1:-} in -h | --help) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
[ $# -gt 0 ] || set -- 14 16
[ -d node_modules/snarkjs ] || npm ci --silent
[ -n "${ASSAY_BUILT:-}" ] || cargo build --release --workspace --quiet
node scripts/powers-of-tau.mjs "$@"
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
  for kind in "" -plain; do
    file=.cache/snarkjs/pot$k$kind.ptau
    own=$work/own-$k$kind.srs
    target/release/assay setup --import "$file" -o "$own" --unknown-ceremony --json >"$work/report.json"
    row "import k = $k$([ -z "$kind" ] && echo ", prepared" || echo ", not prepared")" <"$work/report.json"
    files+=${files:+:}$PWD/$file
  done
  target/release/assay setup --check "$work/own-$k.srs" --json >"$work/report.json"
  row "check k = $k" <"$work/report.json"
done
ASSAY_PTAU=$files cargo --config scripts/checked.toml test --release --workspace --quiet --test proofs snarkjs
