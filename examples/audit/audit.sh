#!/usr/bin/env bash
# An accuracy audit without a chain: the buyer commits to a hidden test set, the seller proves how
# many of its items the model classifies correctly, the buyer checks the proofs.
#
#   examples/audit/audit.sh [FOLDER]
#
# FOLDER (default .cache/audit) takes what the two make, each in a folder of its own. It must be new,
# empty, or of an earlier run, whose files are then replaced.
set -euo pipefail
caller=$PWD
cd "$(dirname "$0")/../.."
case ${1:-} in
  -h | --help) sed -n '2,8s/^# \{0,1\}//p' examples/audit/audit.sh; exit 0 ;;
  '') folder=.cache/audit ;;
  *) folder=$(cd "$caller" && realpath -ms -- "$1") ;;
esac
# In a folder without this file nothing is removed.
mark=$folder/made-by-audit.sh
if [ $# -gt 0 ] && [ ! -e "$mark" ] && [ -n "$(ls -A -- "$folder" 2>/dev/null)" ]; then
  echo "audit: $folder is there and not of an earlier run; name a new or an empty folder" >&2
  exit 1
fi
assay=target/release/assay
[ -x "$assay" ] || cargo build --release --workspace --quiet
buyer=$folder/buyer seller=$folder/seller public=$folder/public
mkdir -p "$folder"
touch "$mark"
rm -rf "$buyer" "$seller" "$public" "$folder/forged" "$folder/refusal"
mkdir "$buyer" "$seller" "$public"
# Where the seller's machine records how many openings its bundles have used; else it is in the home folder.
# What the program keeps for its user, it keeps here.
export ASSAY_CACHE_DIR=${ASSAY_CACHE_DIR:-$PWD/.cache/assay}
export ASSAY_STATE_DIR; ASSAY_STATE_DIR=$(realpath -ms -- "$seller/state")
say() { printf '\n%s\n' "$1"; }
field() { node -p "JSON.parse(require('fs').readFileSync(0)).$1"; }

say "seller: quantizes the network, publishes what others need in order to commit inputs for it"
"$assay" model import examples/digits/lenet.onnx --calibrate examples/digits/calibration.npz -o "$seller/model.bundle" >/dev/null
"$assay" model architecture "$seller/model.bundle" -o "$public/model.json"

say "buyer: how many items tell the accuracy to 5 %? Here are fewer: the example is to take seconds"
"$assay" audit plan --eps 0.05

say "buyer: commits to a hidden test set; the root is public"
set_json=$("$assay" dataset commit examples/digits/images --architecture "$public/model.json" -o "$buyer/test.set" --json)
root=$(field root <<<"$set_json") items=$(field items <<<"$set_json") depth=$(field depth <<<"$set_json")
echo "root $root, $items items, tree of depth $depth"

say "seller: puts the model into a circuit that audits 16 items at a time"
"$assay" model derive "$seller/model.bundle" --statement audit --items 16 --depth "$depth" -o "$seller/audit.bundle"
"$assay" model architecture "$seller/audit.bundle" -o "$public/audit.json" >/dev/null
k=$("$assay" model inspect "$seller/audit.bundle" --json | field k)

say "buyer: makes the parameters; whoever makes a development setup can forge proofs"
"$assay" setup --dev -k "$k" -o "$public/dev.srs"

say "seller: makes keys"
keys_json=$("$assay" keygen "$seller/audit.bundle" --setup "$public/dev.srs" -o "$seller/keys" --json)
model=$(field model_hash <<<"$keys_json")
echo "model $model: published before the test set is handed over"

say "buyer: makes the verifying key from the published architecture; it must be the seller's"
"$assay" circuit vk --architecture "$public/audit.json" --setup "$public/dev.srs" --hash "$(field vk_hash <<<"$keys_json")"

say "seller: gets the test set; is it the committed one?"
cp "$buyer/test.set" "$seller/test.set"
"$assay" dataset show "$seller/test.set" --json | grep -q "\"root\":\"$root\"" || { echo "audit: another set came" >&2; exit 1; }
"$assay" dataset show "$seller/test.set"

say "seller: proves run by run; what is proven already is not proven again"
"$assay" audit prove "$seller/audit.bundle" --set "$seller/test.set" --setup "$public/dev.srs" --keys "$seller/keys" -o "$public/proofs"

say "buyer: checks the proofs, and that they are of this model and this test set"
verified=$("$assay" audit verify "$public/proofs" --architecture "$public/audit.json" --setup "$public/dev.srs" \
  --items "$items" --root "$root" --model-hash "$model" --json)
echo "$(field counted <<<"$verified") of $(field covered <<<"$verified") items are classified correctly"
[ "$(field covered <<<"$verified")" = "$items" ] || { echo "audit: not all items are covered" >&2; exit 1; }

refused() { # FORGERY REASON: the buyer must refuse it, for that reason
  rm -rf "$folder/forged"
  cp -r "$public/proofs" "$folder/forged"
  node examples/audit/forge.mjs "$1" "$public/proofs/run-00000.proof" "$folder/forged/run-00000.proof"
  if "$assay" audit verify "$folder/forged" --architecture "$public/audit.json" --setup "$public/dev.srs" \
    --items "$items" --root "$root" 2>"$folder/refusal"; then
    echo "audit: a forged proof was accepted" >&2
    exit 1
  fi
  cat "$folder/refusal"
  grep -q "$2" "$folder/refusal" || { echo "audit: refused, but not by the proof's own check" >&2; exit 1; }
}

say "seller: claims one more correct item, in a file whose integrity hash is made again"
refused count "run-00000.proof is refused: "

say "seller: changes the proof itself, in a file whose integrity hash is made again"
refused proof "run-00000.proof is refused: "
