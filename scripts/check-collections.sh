#!/usr/bin/env bash
# Checks that JavaScript gives a collection the root, and an input of real numbers and hidden outputs the commitment,
# that `assay` gives them, and refuses a changed item. Needs the release build (or ASSAY_BIN, another program) and the packages of package-lock.json.
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

# An input of features, each with a scale of its own; the numbers are one of the samples.
case=prover/import/tests/cases/53-wine-raw
bundle=$work/wine.bundle
ASSAY_STATE_DIR=$work/state "$assay" model import $case/model.onnx --calibrate $case/calib.npz -o "$bundle" >/dev/null
"$assay" model inspect "$bundle" --json |
  node -p 'JSON.stringify(JSON.parse(require("fs").readFileSync(0, "utf8")).input_values)' >"$work/encoding.json"
echo '[14.2,1.71,2.43,15.6,127,2.8,3.06,0.28,2.29,5.64,1.04,3.92,1065]' >"$work/numbers.json"
salt=0x$(printf '%064x' 7)
commitment=$("$assay" input commit --bundle "$bundle" --input "$work/numbers.json" --salt "$salt" -o "$work/inputs" --json |
  field commitment)
found=$(node scripts/input-commitment.mjs "$work/encoding.json" "$work/numbers.json" "$salt")
[ "$commitment" = "$found" ] || fail "assay commits to an input as $commitment, JavaScript as $found"
echo "the same commitment in JavaScript: $commitment"

# Seventeen hidden outputs: two elements.
outputs='-32768,32767,0,-1,1,255,256,-256,12345,-12345,7,8,9,10,11,12,13'
echo "{\"outputs\":[$outputs],\"output_salt\":\"$salt\"}" >"$work/outputs.json"
"$assay" dataset key -o "$work/buyer.key" --json >"$work/key.json"
sealed=$("$assay" output seal "$work/outputs.json" --to "$(field recipient <"$work/key.json")" -o "$work/outputs.age" --json |
  field commitment)
found=$(node scripts/output-commitment.mjs "$work/outputs.json")
[ "$sealed" = "$found" ] || fail "assay commits to outputs as $sealed, JavaScript as $found"
"$assay" output unseal "$work/outputs.age" --key "$work/buyer.key" --commitment "$found" -o "$work/unsealed.json" >/dev/null
cmp "$work/outputs.json" "$work/unsealed.json" || fail "other outputs were unsealed"
sed -i 's/12345/12346/' "$work/outputs.json"
[ "$(node scripts/output-commitment.mjs "$work/outputs.json")" != "$found" ] || fail "JavaScript takes other outputs"
echo "the same commitment to hidden outputs in JavaScript: $found"
