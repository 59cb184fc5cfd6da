#!/usr/bin/env bash
# Imports the transformers that train.py wrote, and says how often they are right, beside onnxruntime.
#
#   examples/transformers/transformers.sh FOLDER          imports each export and prints a row of a table
#   examples/transformers/transformers.sh FOLDER prove [EXPORT...]
#                                                         proves one input of each too, or of these (vit-dynamo), to a contract
#
# FOLDER gets a report of each export, and with `prove` its figures, EXPORT-figures.json.
# Needs the release build (or ASSAY_BIN, another program) and Node.js, for `prove` also scripts/install-tools.sh.
set -euo pipefail
here=$(cd "$(dirname "$0")/../.." && pwd)
assay=$(realpath -ms -- "${ASSAY_BIN:-$here/target/release/assay}")
folder=${1:?name the folder that train.py wrote}
[ -x "$assay" ] || { echo "transformers: $assay is missing; run cargo build --release --workspace" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export ASSAY_STATE_DIR=$work/state ASSAY_CACHE_DIR=$work/cache

echo "| export | inputs | onnxruntime | float network, imported | proven | same class | k, lanes, advice columns | keys, s | prove CPU s | wall s | peak MiB | verify ms | proof bytes | gas | code bytes |"
echo "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"
for file in "$folder"/*.onnx; do
  export=$(basename "$file" .onnx)
  name=${export%-*}
  [ $# -lt 3 ] || [[ " ${*:3} " == *" $export "* ]] || continue
  bundle=$work/$export.bundle
  "$assay" model import "$file" --calibrate "$folder/$name-calibration.npz" --accept-loss --json -o "$bundle" >"$work/import.json"
  "$assay" model report "$bundle" --float "$file" --inputs "$folder/$name-test.npz" --limit 1000 \
    -o "$folder/$export.html" --json >"$work/report.json"
  echo '{}' >"$work/bench.json"
  [ "${2:-}" != prove ] || ASSAY_BIN=$assay node "$here/examples/transformers/prove.mjs" "$bundle" \
    "$folder/$name-test.npz:0" "$work/$export" | tee "$folder/$export-figures.json" >"$work/bench.json"
  node -e '
    const [name, ...files] = process.argv.slice(1);
    const [theirs, imported, { accuracy }, made] = files.map((file) => JSON.parse(require("fs").readFileSync(file, "utf8")));
    const percent = (count) => `${((100 * count) / accuracy.inputs).toFixed(1)} %`;
    const circuit = [imported.k, imported.lanes, imported.estimate.advice_columns].join(", ");
    const round = (value, digits) => value?.toFixed(digits) ?? "";
    console.log(`| ${[name, accuracy.inputs, percent(theirs.onnxruntime_right), percent(accuracy.float_top1),
      percent(accuracy.quantized_top1), percent(accuracy.agree), circuit, round(made.keygen_wall_s, 2),
      round(made.prove_cpu_s, 1), round(made.prove_wall_s, 1), round(made.peak_rss_mb, 0), round(made.verify_ms, 1),
      round(made.proof_bytes, 0), round(made.verify_gas, 0), round(made.verifier_code_bytes, 0)].join(" | ")} |`);
  ' "$export" "$folder/$name.json" "$work/import.json" "$work/report.json" "$work/bench.json"
done
