#!/usr/bin/env bash
# Measures the rows of docs/measurements.json again, each by the command that stands with it, and adds them.
#
#   scripts/evidence.sh measure --list      the rows by name
#   scripts/evidence.sh measure [NAME...]   measures these (a name may be a pattern: 'prediction-*'), all without one
#
# On a machine that does nothing else: times are times of the whole machine. A row that was measured is left out the next time
# (.cache/evidence/NAME.done: to repeat it remove that file and, where it proves a network of a script, FOLDER.made); one that fails is named at the end and does not stop the others. All
# of them take some two hours on two cores, 10 GiB of memory and 10 GB of disk.
#
#   MACHINE   its letter in docs/measurements.json [B]
#   PYTHON    a Python with torch, onnxruntime, scikit-learn and what else examples/*/requirements.txt name [python3]
#
# Networks that a script trains or exports are kept in .cache/evidence. Needs the release build, Node.js 20 and
# scripts/install-tools.sh.
set -uo pipefail
cd "$(dirname "$0")/../.."
OUT=.cache/evidence
MACHINE=${MACHINE:-B}
export PYTHON=${PYTHON:-python3} ASSAY_BUILT=1 ASSAY_SOLC=${ASSAY_SOLC:-$PWD/scripts/solc}
mkdir -p "$OUT"

IMAGES="lenet lenet5_mnist mlp_mnist resnet8_cifar10 vww_96 mobilenet_v1_0.25_128 mobilenet_v2_0.5_96 mobilenet_v2_0.75_192
  mobilenet_v2_1.0_224 squeezenet_224"
TABLES="resnet8_cifar10_jpeg breast_cancer credit_default digits_mlp"

# made FOLDER COMMAND...: runs the command with the folder as its last words, unless it has been run.
made() {
  local folder=$OUT/$1
  shift
  [ ! -e "$folder.made" ] || return 0
  rm -rf "$folder" && mkdir -p "$folder"
  "${@//FOLDER/$folder}" >&2 && touch "$folder.made"
}

NAMES=() TOPICS=() ROWS=() COMMANDS=() PREPARE=()
# row NAME TOPIC ROW COMMAND [PREPARE]: COMMAND stands on the page, with FOLDER for a folder in .cache/evidence that PREPARE makes.
row() { NAMES+=("$1") TOPICS+=("$2") ROWS+=("$3") COMMANDS+=("$4") PREPARE+=("${5:-}"); }

for n in ad01_autoencoder kws_dscnn $IMAGES; do row "prediction-$n" prediction "$n" "node scripts/evidence/prediction.mjs $n"; done
exports='exports "$PYTHON" examples/exports/export.py FOLDER resnet50'
row prediction-resnet50 prediction resnet50 "examples/exports/prove.sh FOLDER resnet50-script14" "$exports"
for pair in "lenet 1024" "resnet8_cifar10 256" "mobilenet_v2_0.5_96 8" "vww_96 16"; do
  row "audit-${pair% *}" audit "${pair% *}" "scripts/bench.sh audit $pair --json"
done
row batch-lenet batch '' "scripts/bench.sh audit-table lenet --json"
for n in lenet mobilenet_v2_0.5_96; do
  row "library-$n" library "$n" "scripts/bench.sh $n --against library --json"
  row "portable-$n" portable "$n" "ASSAY_KERNELS=scalar scripts/bench.sh $n --json"
done
for n in $IMAGES; do
  file=../shared/data/models/$n.onnx
  [ "$n" != lenet ] || file=examples/digits/lenet.onnx
  row "inference-$n" inference "$n" "\$PYTHON scripts/evidence/inference.py $file --runs 100"
done
trained='trained "$PYTHON" examples/transformers/train.py FOLDER'
for pair in "vit vit_digits" "gpt gpt_characters"; do
  x=${pair% *}
  row "network-${pair#* }" network "${pair#* }" \
    "examples/transformers/transformers.sh FOLDER prove $x-dynamo; tail -n 1 FOLDER/$x-dynamo-figures.json" "$trained"
  row "inside-$x" inside "$x-dynamo" \
    "node scripts/evidence/measure.mjs FOLDER/$x-dynamo.onnx --calibrate FOLDER/$x-calibration.npz --inputs FOLDER/$x-test.npz" "$trained"
done
sentences() { echo "sentences-$1-$2${3:-} \"\$PYTHON\" examples/sentences/sentences.py FOLDER $1 $2"; }
row network-minilm_l3 network minilm_l3 "examples/sentences/sentences.sh FOLDER prove" "$(sentences l3 16)"
row network-minilm_l6 network minilm_l6 "examples/sentences/sentences.sh FOLDER prove" "$(sentences l6 32)"
row network-minilm_l6_32_columns network minilm_l6_32_columns \
  "examples/sentences/sentences.sh FOLDER prove --lanes 4 --weight-columns 32" "$(sentences l6 32 -columns)"
row network-minilm_l6_128 network minilm_l6_128 "examples/sentences/sentences.sh FOLDER prove" "$(sentences l6 128)"
shapes() { echo "shapes-$1 \"\$PYTHON\" examples/transformers/shapes.py FOLDER $1"; }
for n in vit_tiny gpt2; do row "network-$n" network "$n" "examples/transformers/shapes.sh FOLDER $n prove" "$(shapes $n)"; done
row plan-vit_b_16 plan vit_b_16 \
  "node scripts/evidence/measure.mjs FOLDER/vit_b_16.onnx --calibrate FOLDER/vit_b_16-calibration.npz --plan" "$(shapes vit_b_16)"
row plan-resnet50 plan resnet50 \
  "node scripts/evidence/measure.mjs FOLDER/resnet50-script14.onnx --calibrate FOLDER/resnet50-script14-calibration.npz --plan" "$exports"
for n in ad01_autoencoder kws_dscnn; do
  row "plan-$n" plan "$n" "scripts/bench.sh $n >/dev/null; node scripts/evidence/measure.mjs ../shared/data/models/$n.onnx \
--calibrate .cache/bench/$n/made-up.csv --scale=0.03125 --offset=-4 --plan"
done
for n in $IMAGES $TABLES; do
  row "cost-$n" cost "$n" "node scripts/evidence/measure.mjs $n"
  row "keys-$n" keys "$n" "node scripts/evidence/keys.mjs $n"
done
row cost-lenet_clothes cost lenet_clothes \
  "node scripts/evidence/measure.mjs FOLDER/lenet_clothes.onnx --calibrate FOLDER/calibration.npz --inputs FOLDER/test.npz" \
  'clothes "$PYTHON" examples/digits/train.py --clothes --out FOLDER'
for n in 11-self-attention 18-softmax-inside; do
  row "inside-$n" inside "$n" "node scripts/evidence/measure.mjs ../shared/cases/$n/model.onnx --calibrate ../shared/cases/$n/calib.npz \
--inputs ../shared/cases/$n/test.npz"
done
row tabular tabular '' "examples/tables/tables.sh FOLDER --json" 'tables "$PYTHON" examples/tables/train.py FOLDER'
lending='lending "$PYTHON" examples/lending/train.py FOLDER'
for pair in "time:" "gas: --prefer gas --max-memory 1"; do
  n=${pair%%:*}
  row "lending-$n" lending "$n" "rm -rf FOLDER/$n*; target/release/assay model import FOLDER/lending_mlp.onnx \
--calibrate FOLDER/lending_mlp-calibration.npz --accept-loss${pair#*:} -o FOLDER/$n.bundle >/dev/null; \
node examples/transformers/prove.mjs FOLDER/$n.bundle FOLDER/lending_mlp-test.npz:0 FOLDER/$n" "$lending"
done
row transactions transactions lenet "scripts/demo.sh --test --gas FOLDER/gas.json >/dev/null; cat FOLDER/gas.json" "sale true"
row attacks attack '' "examples/attacks/attacks.sh --json FOLDER/lines >/dev/null; cat FOLDER/lines" "attacks true"

list='' wanted=()
for word in "$@"; do
  case $word in
    --list) list=1 ;;
    -h | --help) sed -n '2,16s/^# \{0,1\}//p' scripts/evidence/measure-all.sh; exit 0 ;;
    *) wanted+=("$word") ;;
  esac
done
# Whether a name is wanted; patterns are those of the shell.
chosen() {
  [ ${#wanted[@]} -gt 0 ] || return 0
  local pattern
  for pattern in "${wanted[@]}"; do
    # shellcheck disable=SC2053
    [[ $1 == $pattern ]] && return 0
  done
  return 1
}

# measure INDEX: runs the row's command and adds what it prints.
measure() {
  local name=${NAMES[$1]} row=${ROWS[$1]} command=${COMMANDS[$1]} prepare=${PREPARE[$1]} options
  local folder=$OUT/${prepare%% *}
  [ -z "$prepare" ] || eval "made $prepare" || return 1
  # The networks' own state stays with them.
  ASSAY_STATE_DIR=$PWD/$OUT/state bash -euo pipefail -c "${command//FOLDER/$folder}" >"$OUT/$name.out" 2>"$OUT/$name.log" || return 1
  grep '^{' "$OUT/$name.out" >"$OUT/$name.json" || return 1
  local shown=${command//\$PYTHON/python}
  shown=${shown//target\/release\/assay/assay}
  if [[ ${prepare#* } == *FOLDER* ]]; then
    local made=${prepare#* }
    shown="${made//\"\$PYTHON\"/python}; $shown"
  fi
  options=(--machine "$MACHINE" --command "$shown")
  [ -z "$row" ] || options+=(--name "$row")
  bash scripts/evidence.sh add "${TOPICS[$1]}" "$OUT/$name.json" "${options[@]}"
}

failed=()
for index in "${!NAMES[@]}"; do
  name=${NAMES[$index]}
  chosen "$name" || continue
  if [ -n "$list" ]; then
    printf '%-36s %s\n' "$name" "$([ -e "$OUT/$name.done" ] && echo measured)"
    continue
  fi
  [ ! -e "$OUT/$name.done" ] || continue
  echo "$name"
  if measure "$index"; then touch "$OUT/$name.done"; else failed+=("$name"); fi
done
[ -n "$list" ] || bash scripts/evidence.sh
if [ ${#failed[@]} -gt 0 ]; then
  for name in "${failed[@]}"; do echo "evidence: $name failed: $(tail -n 1 "$OUT/$name.log" 2>/dev/null)" >&2; done
  exit 1
fi
