#!/usr/bin/env bash
# Proves an input of a network that export.py wrote, natively and to a contract, and prints the figures as a JSON object.
#
#   examples/exports/prove.sh FOLDER NAME     such as resnet50-script14: minutes, 10 GiB
#
# Needs the release build (or ASSAY_BIN, another program), Node.js and scripts/install-tools.sh. FOLDER gets NAME.bundle, and
# NAME-proof with setup, keys, proof and verifier.
set -euo pipefail
here=$(cd "$(dirname "$0")/../.." && pwd)
assay=$(realpath -ms -- "${ASSAY_BIN:-$here/target/release/assay}")
folder=${1:?name the folder that export.py wrote}
name=${2:?name the export, such as resnet50-script14}
[ -x "$assay" ] || { echo "prove: $assay is missing; run cargo build --release --workspace" >&2; exit 1; }
export ASSAY_STATE_DIR=$folder/state ASSAY_CACHE_DIR=$folder/cache
bundle=$folder/$name.bundle
[ -e "$bundle" ] ||
  "$assay" model import "$folder/$name.onnx" --calibrate "$folder/$name-calibration.npz" --accept-loss --json -o "$bundle" >"$folder/$name-import.json"
ASSAY_BIN=$assay node "$here/examples/transformers/prove.mjs" "$bundle" "$folder/$name-test.npz:0" "$folder/$name-proof"
