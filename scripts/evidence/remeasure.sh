#!/usr/bin/env bash
# Measures the rows of docs/measurements.json again, one after another, each by the command that its page shows.
#
#   scripts/evidence.sh measure --list [NAME...]
#   scripts/evidence.sh measure [--machine M] [--models FOLDER] [NAME...]
#
# --list     says the rows, about how long each takes on an idle machine with 2 cores, the models it needs, its command
# --machine  adds each row as it is measured, and writes the pages; M is described in docs/measurements.json
# --models   where exported models are kept, a folder for each kind [.cache/evidence/models]; those that are not there are
#            made by the examples' own commands
# NAME       only these rows; a pattern such as 'prediction-*' names several. All without one: hours, 16 GiB
#
# A row that this state of the program has measured is not measured again, but added. Figures and logs stay in
# .cache/evidence/rows. A row that fails is said at the end, and does not stop the others.
#
# Needs a Rust toolchain, Node.js 20 and a C compiler, installs the rest from npm and crates.io; the networks of
# ../shared/data, or of the folder that ASSAY_SHARED names; and as PYTHON [python3] a Python with the requirements.txt of
# examples/digits, exports, lending, sentences, tables and transformers. With ASSAY_BUILT=1 nothing is built first: the
# program has to be there as `cargo build --release --workspace` makes it, not with the tests' checks.
set -euo pipefail
caller=$PWD
cd "$(dirname "$0")/../.."

fail() {
  echo "measure: $1" >&2
  exit 1
}

list='' machine='' models=.cache/evidence/models wanted=()
while [ $# -gt 0 ]; do
  case $1 in
    --list) list=1 ;;
    --machine | --models)
      [ $# -gt 1 ] || fail "$1 needs a word behind it"
      if [ "$1" = --machine ]; then machine=$2; else models=$(cd "$caller" && realpath -ms -- "$2"); fi
      shift
      ;;
    -h | --help) sed -n '2,20s/^# \{0,1\}//p' scripts/evidence/remeasure.sh; exit 0 ;;
    -*) fail "unknown option $1; see --help" ;;
    *) wanted+=("$1") ;;
  esac
  shift
done

# --- the rows -----------------------------------------------------------------------------------

IMAGES=(lenet lenet5_mnist mlp_mnist resnet8_cifar10 vww_96 mobilenet_v1_0.25_128 mobilenet_v2_0.5_96
  mobilenet_v2_0.75_192 mobilenet_v2_1.0_224 squeezenet_224)
COMPARED=("${IMAGES[@]}" resnet8_cifar10_jpeg breast_cancer credit_default digits_mlp)
ids=() topics=() names=() times=() commands=() kinds=() makers=()

# row TOPIC NAME TIME COMMAND [KIND MAKER]: NAME is empty where the command measures several. In the commands FOLDER is
# that of the models of this KIND, which MAKER makes, and FILE one that the command writes its figures to.
row() {
  ids+=("$1${2:+-$2}") topics+=("$1") names+=("$2") times+=("$3") commands+=("$4") kinds+=("${5:-}") makers+=("${6:-}")
}

rows_of_predictions() {
  local name
  for name in ad01_autoencoder kws_dscnn "${IMAGES[@]}"; do
    row prediction "$name" "10 s to 2 min" "node scripts/evidence/prediction.mjs $name"
  done
  row prediction resnet50 "4 min, 10 GiB" "examples/exports/prove.sh FOLDER resnet50-script14" \
    resnet50 "python examples/exports/export.py FOLDER resnet50"
  for name in lenet mobilenet_v2_0.5_96; do
    row library "$name" "15 s to 2 min" "scripts/bench.sh $name --against library --json"
    row portable "$name" "5 s to 1 min" "ASSAY_KERNELS=scalar scripts/bench.sh $name --json"
  done
  local lend="assay model import FOLDER/lending_mlp.onnx --calibrate FOLDER/lending_mlp-calibration.npz --accept-loss"
  local prove="node examples/transformers/prove.mjs FOLDER/l.bundle FOLDER/lending_mlp-test.npz:0 FOLDER/l"
  local train="python examples/lending/train.py FOLDER"
  row lending default "30 s" "$lend -o FOLDER/l.bundle; $prove" lending "$train"
  row lending least-gas "30 s" "$lend --prefer gas --max-memory 1 -o FOLDER/l.bundle; $prove" lending "$train"
  row transactions lenet "1 min" "scripts/demo.sh --test --gas FILE"
}

rows_of_audits() {
  row audit lenet "2 min, 5 GiB" "scripts/bench.sh audit lenet 1024 --json"
  row audit resnet8_cifar10 "3 min, 5 GiB" "scripts/bench.sh audit resnet8_cifar10 256 --json"
  row audit mobilenet_v2_0.5_96 "1 min" "scripts/bench.sh audit mobilenet_v2_0.5_96 8 --json"
  row audit vww_96 "1 min" "scripts/bench.sh audit vww_96 16 --json"
  row batch '' "30 s" "scripts/bench.sh audit-table lenet --json"
}

rows_of_transformers() {
  local kind name
  local train="python examples/transformers/train.py FOLDER"
  for name in vit:vit_digits gpt:gpt_characters; do
    kind=${name%:*}-dynamo
    row network "${name#*:}" "1 min" \
      "examples/transformers/transformers.sh FOLDER prove $kind; tail -n 1 FOLDER/$kind-figures.json" trained "$train"
  done
  sentences minilm_l3 "2 min, 2 GiB" "l3 16"
  sentences minilm_l6 "2 min, 3 GiB" "l6 32"
  sentences minilm_l6_32_columns "2 min, 4 GiB" "l6 32" " --lanes 4 --weight-columns 32"
  sentences minilm_l6_128 "4 min, 9 GiB" "l6 128"
  for name in vit_tiny gpt2; do
    row network "$name" "4 to 6 min, 15 GiB" "examples/transformers/shapes.sh FOLDER $name prove" \
      "$name" "python examples/transformers/shapes.py FOLDER $name"
  done
  for kind in vit gpt; do
    row inside "$kind-dynamo" "1 min" "node scripts/evidence/measure.mjs FOLDER/$kind-dynamo.onnx \
--calibrate FOLDER/$kind-calibration.npz --inputs FOLDER/$kind-test.npz" trained "$train"
  done
  for name in 11-self-attention 18-softmax-inside; do
    row inside "$name" "10 s" "node scripts/evidence/measure.mjs ../shared/cases/$name/model.onnx \
--calibrate ../shared/cases/$name/calib.npz --inputs ../shared/cases/$name/test.npz"
  done
}

# sentences NAME TIME MODEL [OPTIONS]
sentences() {
  row network "$1" "$2" "examples/sentences/sentences.sh FOLDER prove${4:-}" \
    "${3/ /-}" "python examples/sentences/sentences.py FOLDER $3"
}

rows_of_accuracy() {
  local name
  for name in "${COMPARED[@]}"; do row cost "$name" "10 s to 15 min" "node scripts/evidence/measure.mjs $name"; done
  row cost lenet_clothes "1 min" "node scripts/evidence/measure.mjs FOLDER/lenet_clothes.onnx \
--calibrate FOLDER/calibration.npz --inputs FOLDER/test.npz" clothes "python examples/digits/train.py --clothes --out FOLDER"
  for name in "${COMPARED[@]}"; do row keys "$name" "10 s" "node scripts/evidence/keys.mjs $name"; done
  for name in "${IMAGES[@]}"; do
    local file=../shared/data/models/$name.onnx
    [ "$name" != lenet ] || file=examples/digits/lenet.onnx
    row inference "$name" "10 s" "python scripts/evidence/inference.py $file --runs 100"
  done
  for name in ad01_autoencoder kws_dscnn; do
    row plan "$name" "10 s" "scripts/bench.sh $name; node scripts/evidence/measure.mjs ../shared/data/models/$name.onnx \
--calibrate .cache/bench/$name/made-up.csv --scale=0.03125 --offset=-4 --plan"
  done
  row plan vit_b_16 "15 min" "node scripts/evidence/measure.mjs FOLDER/vit_b_16.onnx \
--calibrate FOLDER/vit_b_16-calibration.npz --plan" vit_b_16 "python examples/transformers/shapes.py FOLDER vit_b_16"
  row plan resnet50 "1 min" "node scripts/evidence/measure.mjs FOLDER/resnet50-script14.onnx \
--calibrate FOLDER/resnet50-script14-calibration.npz --plan" resnet50 "python examples/exports/export.py FOLDER resnet50"
  row tabular '' "2 min" "examples/tables/tables.sh FOLDER --json" tables "python examples/tables/train.py FOLDER"
}

# These build the program anew with the tests' checks, in which everything takes longer: no row may come after them.
rows_of_tests() {
  row attack '' "4 min, with the tests' build" "examples/attacks/attacks.sh --json FILE"
  row endurance lenet "20 min, with the tests' build" \
    "cargo --config scripts/checked.toml test --release --workspace --test endurance -- --ignored --nocapture"
}

# What the page shows of a row.
shown() { printf '%s' "${makers[$1]:+${makers[$1]}; }${commands[$1]}"; }

# --- measuring ----------------------------------------------------------------------------------

# What the figures depend on, as in evidence.mjs.
PROGRAM=(prover cli contracts/src Cargo.lock)
ROWS=$PWD/.cache/evidence/rows WORK=$PWD/.cache/evidence/work

# Runs a command of a row, in which FOLDER is $1, with what the program keeps for its user, and FILE $2. Without a folder
# the command's scripts say where that is kept.
run() {
  local folder='"$FOLDER"' file='"$FILE"' shared='"$SHARED"' command=$3 environment
  command=${command//FOLDER/$folder}
  command=${command//FILE/$file}
  command=${command//..\/shared/$shared}
  environment=(FOLDER="$1" FILE="$2" SHARED="${ASSAY_SHARED:-../shared}")
  [ -z "$1" ] || environment+=(ASSAY_STATE_DIR="$1/state" ASSAY_CACHE_DIR="$1/cache")
  env "${environment[@]}" \
    bash -euo pipefail -c 'python() { "$PYTHON" "$@"; }; assay() { target/release/assay "$@"; }; '"$command"
}

# Makes the models that a row needs, if they are not there.
make_models() {
  local folder=$models/${kinds[$1]}
  [ ! -e "$folder" ] || return 0
  rm -rf "$folder.part"
  mkdir -p "$folder.part"
  run "$folder.part" /dev/null "${makers[$1]}" && mv "$folder.part" "$folder"
}

# What a row's command gave, in the form that `scripts/evidence.sh add` reads.
figures() {
  case ${topics[$1]} in
    endurance)
      sed -nE 's/.*\b([0-9]+) proofs, each verified, in ([0-9]+) s; MiB: Some\(([0-9.]+)\), then Some\(([0-9.]+)\).*/{"proofs":\1,"seconds":\2,"tenth_mib":\3,"end_mib":\4}/p' "$2"
      ;;
    *) grep '^{' "$2" ;;
  esac
}

# Measures row $1; leaves its figures, and when, on what and how they were measured.
measure() {
  local at=$1 id=${ids[$1]} folder='' printed=$WORK/printed
  rm -rf "$WORK" "$ROWS/$id".*
  mkdir -p "$WORK"
  {
    if [ -n "${kinds[$at]}" ]; then
      make_models "$at" || return 1
      folder=$WORK/folder
      mkdir "$folder"
      # What the row makes of the models does not stay with them: each measurement begins with the models alone.
      ln -s "$models/${kinds[$at]}"/* "$folder"
    fi
    run "$folder" "$WORK/file" "${commands[$at]}" >"$printed" || return 1
    [[ ${commands[$at]} != *FILE* ]] || printed=$WORK/file
    figures "$at" "$printed" >"$ROWS/$id.json"
    [ -s "$ROWS/$id.json" ] || { cat "$printed"; echo "no figures were printed"; return 1; }
  } >>"$ROWS/$id.log" 2>&1 </dev/null
  printf '%s %s %s\n' "$(date -u +%F)" "$code" "$(shown "$at")" >"$ROWS/$id.state"
  rm -rf "$WORK"
}

# Whether the figures that are there are of this state of the program, and measured as it is done now.
is_measured() {
  local day was how
  [ -e "$ROWS/${ids[$1]}.state" ] || return 1
  read -r day was how <"$ROWS/${ids[$1]}.state"
  [ -n "$day" ] && [[ $code$was != *+* ]] && [ "$how" = "$(shown "$1")" ] && git diff --quiet "$was" HEAD -- "${PROGRAM[@]}"
}

# Why a row failed: the last line of its log that speaks of an error, or the last of all.
reason() { { grep -iE '(error|fail)' "$1" || cat "$1"; } | tail -n 1 | cut -c 1-200; }

# Adds row $1 as it was measured.
add() {
  local at=$1 day was how options
  read -r day was how <"$ROWS/${ids[$at]}.state"
  options=(--machine "$machine" --date "$day" --code "$was" --command "$how")
  [ -z "${names[$at]}" ] || options+=(--name "${names[$at]}")
  bash scripts/evidence.sh add "${topics[$at]}" "$ROWS/${ids[$at]}.json" "${options[@]}"
}

rows_of_predictions
rows_of_audits
rows_of_transformers
rows_of_accuracy
rows_of_tests

[ ${#wanted[@]} -gt 0 ] || wanted=('*')
declare -A named=()
for pattern in "${wanted[@]}"; do
  found=''
  # shellcheck disable=SC2053 # a pattern
  for at in "${!ids[@]}"; do [[ ${ids[$at]} != $pattern ]] || named[$at]=1 found=1; done
  [ -n "$found" ] || fail "there is no row $pattern; see --list"
done
chosen=()
for at in "${!ids[@]}"; do [ -z "${named[$at]:-}" ] || chosen+=("$at"); done
if [ -n "$list" ]; then
  for at in "${chosen[@]}"; do
    printf '%-34s %-30s %-9s %s\n' "${ids[$at]}" "${times[$at]}" "${kinds[$at]:--}" "$(shown "$at")"
  done
  exit
fi
[ -z "$machine" ] || node -e 'process.exit(Object.hasOwn(require("./docs/measurements.json").machines, process.argv[1]) ? 0 : 1)' "$machine" ||
  fail "machine $machine is not described in docs/measurements.json"

models=$(realpath -ms -- "$models")
# The rows are of this program, as it is built by default, and keep what it keeps apart.
unset ASSAY_BIN ASSAY_KERNELS ASSAY_STATE_DIR
export PYTHON=${PYTHON:-python3}
mkdir -p "$ROWS"
# ASSAY_BUILT: the caller has built the program, the tools and the contracts.
if [ -z "${ASSAY_BUILT:-}" ]; then
  bash scripts/install-tools.sh
  cargo build --release --workspace
  node_modules/.bin/forge build --skip test >.cache/forge.log 2>&1 || { cat .cache/forge.log >&2; exit 1; }
fi
export ASSAY_BUILT=1
code=$(git rev-parse --short HEAD)
[ -z "$(git status --porcelain -- "${PROGRAM[@]}")" ] || code+=+

failed=()
for at in "${chosen[@]}"; do
  id=${ids[$at]}
  if is_measured "$at"; then
    echo "$id: measured already"
  else
    echo "$id: ${times[$at]}"
    measure "$at" || { failed+=("$id: $(reason "$ROWS/$id.log"), see .cache/evidence/rows/$id.log"); continue; }
  fi
  [ -z "$machine" ] || add "$at" || failed+=("$id: measured, but not added")
done
[ -z "$machine" ] || bash scripts/evidence.sh
[ ${#failed[@]} = 0 ] || { printf 'failed: %s\n' "${failed[@]}" >&2; exit 1; }
