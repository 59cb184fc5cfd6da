#!/usr/bin/env bash
# Imports a shape that shapes.py wrote, and says what proving it is expected to take; with `prove` proves an input of it,
# natively and to a contract.
#
#   examples/transformers/shapes.sh FOLDER NAME [prove]     NAME is gpt2, vit_tiny or vit_b_16
#
# Needs the release build (or ASSAY_BIN, another program) and Node.js, for `prove` also scripts/install-tools.sh. FOLDER gets
# NAME.bundle, NAME.json with what `assay model inspect` says, and NAME-proof with setup, keys, proof and verifier.
set -euo pipefail
here=$(cd "$(dirname "$0")/../.." && pwd)
assay=$(realpath -ms -- "${ASSAY_BIN:-$here/target/release/assay}")
folder=${1:?name the folder that shapes.py wrote}
name=${2:?name the shape: gpt2, vit_tiny or vit_b_16}
[ -x "$assay" ] || { echo "shapes: $assay is missing; run cargo build --release --workspace" >&2; exit 1; }
export ASSAY_STATE_DIR=$folder/state ASSAY_CACHE_DIR=$folder/cache
bundle=$folder/$name.bundle
if [ ! -e "$bundle" ]; then
  "$assay" model import "$folder/$name.onnx" --calibrate "$folder/$name-calibration.npz" --accept-loss -o "$bundle"
fi
"$assay" model inspect "$bundle" --json >"$folder/$name.json"
"$assay" model inspect "$bundle"
if [ "${3:-}" = prove ]; then
  ASSAY_BIN=$assay node "$here/examples/transformers/prove.mjs" "$bundle" "$folder/$name-calibration.npz:0" "$folder/$name-proof" |
    tee "$folder/$name-figures.json"
fi
