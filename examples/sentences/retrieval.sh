#!/usr/bin/env bash
# Proves which texts of a committed collection have an embedding on one side of a plane. Nobody learns weights or texts.
#
#   examples/sentences/retrieval.sh FOLDER [TEXTS]     FOLDER is what sentences.py and plane.py wrote; 16 texts, minutes
#
# Needs the release build (or ASSAY_BIN, another program) and as PYTHON a Python with the requirements. FOLDER gets the
# bundles plane.bundle and retrieval.bundle, the collection, and in FOLDER/retrieval setup, keys, proofs and what they show.
set -euo pipefail
here=$(cd "$(dirname "$0")/../.." && pwd)
assay=$(realpath -ms -- "${ASSAY_BIN:-$here/target/release/assay}")
python=${PYTHON:-$here/examples/sentences/.venv/bin/python}
folder=${1:?name the folder that sentences.py and plane.py wrote}
texts=${2:-16}
[ -x "$assay" ] || { echo "retrieval: $assay is missing; run cargo build --release --workspace" >&2; exit 1; }
export ASSAY_STATE_DIR=$folder/state ASSAY_CACHE_DIR=$folder/cache
read -r -d '' -a network <"$folder/plane.txt" || true
out=$folder/retrieval
mkdir -p "$out"
field() { node -p "JSON.parse(require('fs').readFileSync(0)).$1"; }
say() { printf '\n%s\n' "$1"; }

if [ ! -e "$folder/plane.bundle" ]; then
  say "imports the network with the plane behind it"
  "$assay" model import "$folder/plane.onnx" --calibrate "$folder/calibration.npz" --calibration-limit 300 \
    "${network[@]}" --accept-loss -o "$folder/plane.bundle" >/dev/null
fi

say "commits to the collection: the root is public, the texts are not"
rm -f "$folder/texts.set"
set_json=$("$assay" dataset commit "$folder/test.npz" --bundle "$folder/plane.bundle" --no-labels --limit "$texts" \
  -o "$folder/texts.set" --json)
root=$(field root <<<"$set_json") items=$(field items <<<"$set_json") depth=$(field depth <<<"$set_json")
echo "root $root, $items texts"

if [ ! -e "$folder/retrieval.bundle" ]; then
  say "puts the network into a circuit that looks at several texts at a time"
  "$assay" model derive "$folder/plane.bundle" --statement retrieval --class 0 --items 8 --depth "$depth" \
    -o "$folder/retrieval.bundle"
fi
k=$("$assay" model inspect "$folder/retrieval.bundle" --json | field k)
setup=$out/dev-$k.srs
[ -e "$setup" ] || "$assay" setup --dev -k "$k" -o "$setup" >/dev/null

say "makes keys"
"$assay" keygen "$folder/retrieval.bundle" --setup "$setup" --force -o "$out/keys"

say "proves run by run which texts lie on that side"
rm -rf "$out/proofs"
"$assay" retrieve prove "$folder/retrieval.bundle" --set "$folder/texts.set" --setup "$setup" --keys "$out/keys" \
  -o "$out/proofs"

say "who holds the root checks: these are the texts, and no other"
"$assay" retrieve verify "$out/proofs" --bundle "$folder/retrieval.bundle" --setup "$setup" --items "$items" --root "$root" \
  --class 0 --json >"$out/retrieved.json"
"$python" "$here/examples/sentences/plane.py" "$folder" --selected "$out/retrieved.json"
