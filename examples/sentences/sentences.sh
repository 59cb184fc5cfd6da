#!/usr/bin/env bash
# Imports the sentence embedding that sentences.py wrote, and proves the embedding of a text.
#
#   examples/sentences/sentences.sh FOLDER          imports it, compares 100 texts with the float network
#   examples/sentences/sentences.sh FOLDER prove [OPTION...]
#                                                   proves the first test text, also to a contract: minutes, 3 to 9 GiB;
#                                                   the options are the import's, such as --lanes 4 --weight-columns 32
#
# Needs the release build (or ASSAY_BIN, another program), for `prove` also Node.js, scripts/install-tools.sh, and as PYTHON
# a Python with the requirements. FOLDER gets minilm.bundle, whose proofs show a commitment to the embedding, and
# report.html; `prove` adds keys, the proof, what opens it and the verifier contract in FOLDER/proofs, and prints the figures
# as one JSON object. With options the bundle and that folder are named after them.
set -euo pipefail
here=$(cd "$(dirname "$0")/../.." && pwd)
assay=$(realpath -ms -- "${ASSAY_BIN:-$here/target/release/assay}")
python=${PYTHON:-$here/examples/sentences/.venv/bin/python}
folder=${1:?name the folder that sentences.py wrote}
[ -x "$assay" ] || { echo "sentences: $assay is missing; run cargo build --release --workspace" >&2; exit 1; }
# What is kept of the bundle's openings stays with the bundle.
export ASSAY_STATE_DIR=$folder/state ASSAY_CACHE_DIR=$folder/cache
read -r -d '' -a network <"$folder/options.txt" || true
# Options make another network of it, which has files of its own.
chosen=("${@:3}") named=
for option in "${chosen[@]}"; do named+=-${option#--}; done
bundle=$folder/minilm$named.bundle

if [ ! -e "$bundle" ]; then
  "$assay" model import "$folder/model.onnx" --calibrate "$folder/calibration.npz" --calibration-limit 300 \
    "${network[@]}" "${chosen[@]}" --outputs commitment --accept-loss -o "$bundle"
fi
if [ "${2:-}" != prove ]; then
  "$assay" model report "$bundle" --float "$folder/model.onnx" --inputs "$folder/test.npz" "${network[@]}" --limit 100 \
    -o "$folder/report.html"
  exit
fi

# Setup, keys, proof, verification with the openings and by the generated contract on a local chain, each measured.
ASSAY_BIN=$assay node "$here/examples/transformers/prove.mjs" "$bundle" "$folder/test.npz:0" "$folder/proofs$named" |
  tee "$folder/figures$named.json"
# What the buyer does with the opening that the seller sent.
"$python" "$here/examples/sentences/sentences.py" "$folder" --opened "$folder/proofs$named/proof.outputs.json" >&2
