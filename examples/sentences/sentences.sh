#!/usr/bin/env bash
# Imports the sentence embedding that sentences.py wrote, and proves the embedding of a text.
#
#   examples/sentences/sentences.sh FOLDER          imports it, compares 100 texts with the float network
#   examples/sentences/sentences.sh FOLDER prove    proves the first test text, also to a contract: minutes, 4 to 6 GiB
#
# Needs the release build (or ASSAY_BIN, another program), for `prove` also Node.js, scripts/install-tools.sh, and as PYTHON
# a Python with the requirements. FOLDER gets minilm.bundle, whose proofs show a commitment to the embedding, and
# report.html; `prove` adds keys, the proof, what opens it and the verifier contract in FOLDER/proofs.
set -euo pipefail
here=$(cd "$(dirname "$0")/../.." && pwd)
assay=$(realpath -ms -- "${ASSAY_BIN:-$here/target/release/assay}")
python=${PYTHON:-$here/examples/sentences/.venv/bin/python}
folder=${1:?name the folder that sentences.py wrote}
[ -x "$assay" ] || { echo "sentences: $assay is missing; run cargo build --release --workspace" >&2; exit 1; }
# What is kept of the bundle's openings stays with the bundle.
export ASSAY_STATE_DIR=$folder/state ASSAY_CACHE_DIR=$folder/cache
read -r -d '' -a network <"$folder/options.txt" || true
bundle=$folder/minilm.bundle

if [ ! -e "$bundle" ]; then
  "$assay" model import "$folder/model.onnx" --calibrate "$folder/calibration.npz" --calibration-limit 300 \
    "${network[@]}" --outputs commitment --accept-loss -o "$bundle"
fi
if [ "${2:-}" != prove ]; then
  "$assay" model report "$bundle" --float "$folder/model.onnx" --inputs "$folder/test.npz" "${network[@]}" --limit 100 \
    -o "$folder/report.html"
  exit
fi

# Setup, keys, proof, verification with the openings and by the generated contract on a local chain, each measured.
ASSAY_BIN=$assay node "$here/examples/transformers/prove.mjs" "$bundle" "$folder/test.npz:0" "$folder/proofs" |
  tee "$folder/figures.json"
# What the buyer does with the opening that the seller sent.
"$python" "$here/examples/sentences/sentences.py" "$folder" --opened "$folder/proofs/proof.outputs.json"
