#!/usr/bin/env bash
# Checks that JavaScript gives a collection the root that `assay` gives it, and refuses a changed
# item. Needs the release build (or ASSAY_BIN, another program) and the packages of package-lock.json.
#
#   scripts/check-collections.sh
set -euo pipefail
assay=${ASSAY_BIN:+$(realpath -ms -- "$ASSAY_BIN")}
cd "$(dirname "$0")/.."

fail() {
  echo "check-collections: $1" >&2
  exit 1
}

assay=${assay:-target/release/assay}
[ -x "$assay" ] || fail "$assay is missing; run cargo build --release --workspace"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

field() { # NAME, from JSON on stdin
  node -p 'JSON.parse(require("fs").readFileSync(0, "utf8"))[process.argv[1]]' "$1"
}

# Eleven items of 100 bytes, so that inputs take several blocks and the last leaves are empty.
for item in {0..10}; do
  row=$((item * 23 % 10))
  for byte in {0..99}; do row+=",$(((item * 100 + byte * 7) % 256))"; done
  echo "$row"
done >"$work/items.csv"

for options in "" "--depth 6" "--no-labels --limit 1"; do
  rm -rf "$work/set" "$work/openings"
  # shellcheck disable=SC2086  # the options are words
  case $options in
    *--no-labels*) cut -d, -f2- "$work/items.csv" >"$work/read.csv" ;;
    *) cp "$work/items.csv" "$work/read.csv"; options+=" --labels 1" ;;
  esac
  # shellcheck disable=SC2086
  root=$("$assay" dataset commit "$work/read.csv" --shape 1,10,10 $options --json \
    -o "$work/set" --openings "$work/openings" | field root)
  found=$(node scripts/collection-root.mjs "$work/openings")
  [ "$root" = "$found" ] || fail "assay says $root, JavaScript $found (${options:-no options})"
  "$assay" dataset verify "$work/set" "$work"/openings/*.json --root "$found" >/dev/null
  echo "the same root in JavaScript:${options:+ $options}: $root"
done

sed -i 's/"label":0/"label":1/' "$work/openings/0.json"
if node scripts/collection-root.mjs "$work/openings" >/dev/null 2>&1; then
  fail "JavaScript accepts another label"
fi
if "$assay" dataset verify "$work/openings/0.json" >/dev/null 2>&1; then
  fail "assay accepts another label"
fi
echo "another label is refused by both"
