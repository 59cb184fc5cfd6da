#!/usr/bin/env bash
# Makes the real proofs of the Solidity tests: contracts/test/fixtures/*.json.
#
#   scripts/contract-fixtures.sh [--check]
#
# Three circuits of examples/digits (predictions, audits, retrieval) with verifier, verifying key and
# proofs. Proofs are bound to chain, contract, job and recipient, so forge computes their contexts in
# the scenarios of contracts/test/proofs. To be run again whenever the circuit, the verifier or a
# context changes; keys and blinding are fresh each time, so all files change together. --check only
# says whether the files are of the circuits and verifiers that the program makes now.
#
# Needs the release build (or ASSAY_BIN, another program) and the packages of package-lock.json.
set -euo pipefail
assay=${ASSAY_BIN:+$(realpath -ms -- "$ASSAY_BIN")}
cd "$(dirname "$0")/.."

fail() {
  echo "contract-fixtures: $1" >&2
  exit 1
}

check=''
case ${1:-} in
  '') ;;
  --check) check=1 ;;
  *) fail "unknown option $1" ;;
esac
assay=${assay:-target/release/assay}
[ -x "$assay" ] || fail "$assay is missing; run cargo build --release --workspace"
export ASSAY_SOLC=scripts/solc
export FOUNDRY_PROFILE=quick
# What the program keeps for its user, it keeps here.
export ASSAY_CACHE_DIR=${ASSAY_CACHE_DIR:-$PWD/.cache/assay}
fixtures=contracts/test/fixtures
digits=examples/digits/images
contexts=contracts/cache/proof-contexts.json
work=$(mktemp -d)
export ASSAY_STATE_DIR=$work/state
mkdir -p "$fixtures" contracts/cache "$work/made"
made=$fixtures
[ -z "$check" ] || made=$work/made
cp -r "$fixtures" "$work/before"
finished=$check

clean_up() { # The files belong together: all of them are new, or none is.
  [ -n "$finished" ] || cp -r "$work/before/." "$fixtures"
  rm -rf "$work" "$contexts"
}
trap clean_up EXIT

field() { # NAME, from JSON on stdin
  node -p 'JSON.parse(require("fs").readFileSync(0, "utf8"))[process.argv[1]]' "$1"
}

# collection STATEMENT SEED OPTION...: commits to the items, with `labels`, and derives the circuit of
# the statement, for runs of two.
collection() {
  local statement=$1 report
  printf '%064x\n' "$2" >"$work/seed"
  shift 2
  report=$("$assay" dataset commit "$work/items" --bundle "$work/prediction.bundle" --seed "$work/seed" \
    "${labels[@]}" -o "$work/$statement.set" --json)
  "$assay" model derive "$work/prediction.bundle" --statement "$statement" --items 2 \
    --depth "$(field depth <<<"$report")" "$@" -o "$work/$statement.bundle" >/dev/null
  node -p '
    const { root, items } = JSON.parse(process.argv[1]);
    JSON.stringify({ root, items, batch: 2 });' "$report" >"$work/$statement.json"
}

# circuit NAME JSON: verifier, key and hashes, with the fields of JSON, as the fixture NAME.
circuit() {
  local bundle=$work/$1.bundle keys=$work/$1.keys key_report
  key_report=$("$assay" keygen "$bundle" --setup "$work/dev.srs" -o "$keys" --json)
  "$assay" verifier generate --bundle "$bundle" --keys "$keys" -o "$work/$1.verifier" --json >/dev/null
  node -e '
    const fs = require("fs");
    const [description, keys, more, output] = process.argv.slice(1);
    const { vk_hash, vk_code, init_code } = JSON.parse(fs.readFileSync(description, "utf8"));
    const { model_hash, circuit_hash } = JSON.parse(keys);
    const fixture = {
      ...JSON.parse(more),
      modelHash: model_hash, circuitHash: circuit_hash, vkHash: vk_hash,
      vkCode: vk_code, verifierInitCode: init_code,
    };
    fs.writeFileSync(output, JSON.stringify(fixture, null, 2) + "\n");
  ' "$work/$1.verifier/verifier.json" "$key_report" "$2" "$made/$1.json"
}

context() { field "$1" <"$contexts"; }

# prove NAME ITEM: one prediction.
prove() {
  "$assay" prove "$work/prediction.bundle" --setup "$work/dev.srs" --keys "$work/prediction.keys" \
    --opening "$work/openings/${inputs[$2]#0x}.json" --context "$(context "$1")" \
    -o "$work/proofs/$1.proof" --json >/dev/null
}

# prove_runs STATEMENT COMMAND: both runs of the collection.
prove_runs() {
  "$assay" "$2" prove "$work/$1.bundle" --set "$work/$1.set" --setup "$work/dev.srs" \
    --keys "$work/$1.keys" --context "$(context "${1}0")" -o "$work/$1.runs" --json >/dev/null
  for run in 0 1; do cp "$work/$1.runs/run-0000$run.proof" "$work/proofs/$1$run.proof"; done
}

echo "three circuits of one network"
"$assay" model import examples/digits/lenet.onnx --calibrate examples/digits/calibration.npz \
  -o "$work/prediction.bundle" >/dev/null

# A one, a seven and a one; the seven is mislabelled, so that an audit counts two of three. The second
# run is short.
mkdir "$work/items" "$work/proofs"
images=(14_1 00_7 05_1)
for item in 0 1 2; do cp "$digits/${images[$item]}.png" "$work/items/$item.png"; done
printf '1\n2\n1\n' >"$work/labels.csv"
labels=(--labels-file "$work/labels.csv")
collection audit 1
collection retrieval 2 --class 1

rows=0
for name in prediction audit retrieval; do
  k=$("$assay" model inspect "$work/$name.bundle" --json | field k)
  [ "$k" -le "$rows" ] || rows=$k
done
"$assay" setup --dev -k "$rows" -o "$work/dev.srs" >/dev/null

inputs=() classes=()
for item in 0 1; do
  inputs+=("$("$assay" input commit --bundle "$work/prediction.bundle" --input "$work/items/$item.png" \
    --salt "$(printf '0x%064x' $((item + 1)))" -o "$work/openings" --json | field commitment)")
  classes+=("$("$assay" model predict "$work/prediction.bundle" --input "$work/items/$item.png" --json | field class)")
done
circuit prediction "{\"inputs\": [\"${inputs[0]}\", \"${inputs[1]}\"], \"classes\": [${classes[0]}, ${classes[1]}]}"
circuit audit "$(cat "$work/audit.json")"
circuit retrieval "$(cat "$work/retrieval.json")"

if [ -n "$check" ]; then
  node -e '
    const fs = require("fs"), [fixtures, made, ...names] = process.argv.slice(1);
    const read = (folder, name) => JSON.parse(fs.readFileSync(`${folder}/${name}.json`, "utf8"));
    for (const name of names) {
      const [then, now] = [read(fixtures, name), read(made, name)];
      for (const part of ["circuitHash", "verifierInitCode", "root", "inputs", "classes"]) {
        if (JSON.stringify(then[part]) === JSON.stringify(now[part])) continue;
        console.error(`contract-fixtures: ${name}: ${part} has changed; run scripts/contract-fixtures.sh`);
        process.exitCode = 1;
      }
    }
  ' "$fixtures" "$made" prediction audit retrieval
  echo "the fixtures are of these circuits and verifiers"
  exit
fi

echo "what the proofs are bound to"
rm -f "$contexts"
node_modules/.bin/forge script contracts/test/proofs/ProofContexts.t.sol --sig 'run(string)' "$contexts" \
  >"$work/forge.log" 2>&1 || { cat "$work/forge.log" >&2; fail "forge failed"; }

echo "nine proofs"
prove prediction 0
prove inference 0
prove evaluation 0
prove service0 0
prove service1 1
prove_runs audit audit
prove_runs retrieval retrieve

# Public inputs as the verifier reads them; the proof is the end of the file, before its 32-byte hash.
reports=()
for path in "$work"/proofs/*.proof; do
  name=$(basename "$path" .proof)
  case $name in
    audit* | retrieval*) of=${name%[01]} ;;
    *) of=prediction ;;
  esac
  reports+=("$name" "$("$assay" verify "$path" --bundle "$work/$of.bundle" --setup "$work/dev.srs" --json)" \
    "$path" "$work/$of.verifier/verifier.json")
done
node -e '
  const fs = require("fs");
  const [output, ...rest] = process.argv.slice(1);
  const proofs = {};
  for (let at = 0; at < rest.length; at += 4) {
    const [name, report, path, description] = rest.slice(at, at + 4);
    const { proof_bytes } = JSON.parse(fs.readFileSync(description, "utf8"));
    const proof = fs.readFileSync(path).subarray(-32 - proof_bytes, -32).toString("hex");
    proofs[name] = { publicInputs: JSON.parse(report).public_inputs, proof: "0x" + proof };
  }
  fs.writeFileSync(output, JSON.stringify(proofs, null, 2) + "\n");
' "$fixtures/proofs.json" "${reports[@]}"
finished=1
echo "$fixtures: $(du -ch "$fixtures"/*.json | tail -1 | cut -f1)"
