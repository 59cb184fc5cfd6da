#!/usr/bin/env bash
# Imports the networks that export.py wrote and prints, for each, how far the result is onnxruntime's.
#
#   examples/exports/exports.sh FOLDER [NAME...]
#
# Needs the release build (or ASSAY_BIN, another program) and Node.js. The large networks take minutes each.
set -euo pipefail
here=$(cd "$(dirname "$0")/../.." && pwd)
assay=$(realpath -ms -- "${ASSAY_BIN:-$here/target/release/assay}")
folder=${1:?name the folder that export.py wrote}
shift
[ -x "$assay" ] || { echo "exports: $assay is missing; run cargo build --release --workspace" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export ASSAY_STATE_DIR=$work/state ASSAY_CACHE_DIR=$work/cache

# Failures of single networks are rows of the table, and of the exit status.
failed=0
echo "| export | imports | float, imported: same class as onnxruntime | most off | proven: same class | most off, of the range | k |"
echo "|---|---|---|---|---|---|---|"
for file in "$folder"/*.onnx; do
  name=$(basename "$file" .onnx)
  [ $# -eq 0 ] || [[ " $* " == *" $name "* || " $* " == *" ${name%-*} "* ]] || continue
  if ! "$assay" model import "$file" --calibrate "$folder/$name-calibration.npz" --accept-loss --json \
    -o "$work/$name.bundle" >"$work/import.json" 2>"$work/error"; then
    failed=1
    echo "| $name | no: $(tail -n 1 "$work/error" | cut -c 1-200) | | | | | |"
    continue
  fi
  "$assay" model report "$work/$name.bundle" --float "$file" --inputs "$folder/$name-test.npz" \
    -o "$work/$name.html" --json >"$work/report.json" 2>/dev/null
  "$assay" model predict "$work/$name.bundle" --input "$folder/$name-test.npz:0" --float "$file" \
    --json >"$work/predict.json" 2>/dev/null
  rm -f "$work/$name.bundle"
  node -e '
    const [name, ...files] = process.argv.slice(1);
    const [right, imported, { accuracy }, { float_logits }] =
      files.map((file) => JSON.parse(require("fs").readFileSync(file, "utf8")));
    const off = Math.max(...float_logits.map((x, index) => Math.abs(x - right.logits[0][index])));
    const range = accuracy.logit_range[1] - accuracy.logit_range[0];
    const of = (count) => `${count} of ${accuracy.inputs}`;
    const most = `${((100 * accuracy.max_logit_error) / range).toFixed(2)} %`;
    console.log(`| ${[name, "yes", of(accuracy.float_top1), off.toExponential(1), of(accuracy.quantized_top1), most, imported.k].join(" | ")} |`);
  ' "$name" "$folder/$name.json" "$work/import.json" "$work/report.json" "$work/predict.json"
done
exit "$failed"
