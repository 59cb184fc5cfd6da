#!/usr/bin/env bash
# Imports the models that train.py wrote and prints how often they are right, beside onnxruntime.
#
#   examples/tables/tables.sh FOLDER [--json]
#
# --json  one JSON object a line in place of the table, for `scripts/evidence.sh add tabular FILE`
#
# Needs the release build (or ASSAY_BIN, another program) and Node.js.
set -euo pipefail
here=$(cd "$(dirname "$0")/../.." && pwd)
assay=$(realpath -ms -- "${ASSAY_BIN:-$here/target/release/assay}")
folder=${1:?name the folder that train.py wrote}
json=
[ "${2:-}" != --json ] || json=1
[ -x "$assay" ] || { echo "tables: $assay is missing; run cargo build --release --workspace" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export ASSAY_STATE_DIR=$work/state ASSAY_CACHE_DIR=$work/cache

[ -n "$json" ] || echo "| model | rows | onnxruntime | float network, imported | proven | k | prove CPU s (predicted) |"
[ -n "$json" ] || echo "|---|---|---|---|---|---|---|"
for file in "$folder"/*.onnx; do
  name=$(basename "$file" .onnx)
  outputs=()
  grep -q float_mean_error "$folder/$name.json" && outputs=(--outputs logits)
  "$assay" model import "$file" --calibrate "$folder/$name-calibration.npz" --accept-loss "${outputs[@]}" \
    -o "$work/$name.bundle" --json >"$work/import.json"
  "$assay" model report "$work/$name.bundle" --float "$file" --inputs "$folder/$name-test.npz" --limit 100000 \
    -o "$work/$name.html" --json >"$work/report.json"
  node -e '
    const [name, float, imported, reported, json] = process.argv.slice(1);
    const read = (file) => JSON.parse(require("fs").readFileSync(file, "utf8"));
    const [theirs, ours, { accuracy }] = [read(float), read(imported), read(reported)];
    if (json) {
      const part = (count) => count / accuracy.inputs;
      const figures = theirs.float_accuracy === undefined
        ? { off: accuracy.max_logit_error, range: accuracy.logit_range }
        : { float: theirs.float_accuracy, imported: part(accuracy.float_top1), proven: part(accuracy.quantized_top1) };
      console.log(JSON.stringify({ model: name, rows: accuracy.inputs, ...figures, k: ours.k }));
      process.exit(0);
    }
    const percent = (part) => `${(100 * part).toFixed(2)} %`;
    const of = (count) => percent(count / accuracy.inputs);
    const figures = theirs.float_accuracy === undefined
      ? ["", "", `off by at most ${accuracy.max_logit_error.toFixed(3)} in ${accuracy.logit_range.map((x) => x.toFixed(0)).join(" to ")}`]
      : [percent(theirs.float_accuracy), of(accuracy.float_top1), of(accuracy.quantized_top1)];
    console.log(`| ${[name, accuracy.inputs, ...figures, ours.k, ours.estimate.prove_cpu_s.toFixed(1)].join(" | ")} |`);
  ' "$name" "$folder/$name.json" "$work/import.json" "$work/report.json" $json
done
