#!/usr/bin/env bash
# Imports the sentence embedding that sentences.py wrote and compares it with the float network on texts.
#
#   examples/sentences/sentences.sh FOLDER
#
# Needs the release build (or ASSAY_BIN, another program). FOLDER gets minilm.bundle and report.html.
set -euo pipefail
here=$(cd "$(dirname "$0")/../.." && pwd)
assay=$(realpath -ms -- "${ASSAY_BIN:-$here/target/release/assay}")
folder=${1:?name the folder that sentences.py wrote}
[ -x "$assay" ] || { echo "sentences: $assay is missing; run cargo build --release --workspace" >&2; exit 1; }
network=(--input-shape input_ids=1,16 --input-shape attention_mask=1,16 --fixed-input attention_mask=1
  --output-name 461)
"$assay" model import "$folder/model.onnx" --calibrate "$folder/calibration.npz" --calibration-limit 300 "${network[@]}" \
  --accept-loss -o "$folder/minilm.bundle"
"$assay" model report "$folder/minilm.bundle" --float "$folder/model.onnx" --inputs "$folder/test.npz" \
  "${network[@]}" --limit 100 -o "$folder/report.html"
