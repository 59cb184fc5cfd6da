#!/usr/bin/env bash
# Makes real proofs of classifications and of hidden outputs for the Solidity tests:
# contracts/test/fixtures/classification4.json, classification16.json, commitment.json.
#
#   scripts/statement-fixtures.sh [--check]
#
# Three circuits of one network (examples/digits), each in a file with verifier, verifying key and proofs: the classes of
# six items in runs of four (two runs, the second short), of sixteen items in one run (two words), and a prediction that
# commits to its outputs. The proofs are for jobs of an escrow; those of the six items besides for a batch of a service.
# They are bound to chain, contract, job and recipient, so forge computes their contexts in between. Keys and blinding are
# fresh each time, so the three files change together. --check only says whether the files are of the circuits and
# verifiers that the program makes now.
#
# Needs the release build (or ASSAY_BIN, another program) and the packages of package-lock.json.
set -euo pipefail
assay=${ASSAY_BIN:+$(realpath -ms -- "$ASSAY_BIN")}
cd "$(dirname "$0")/.."

fail() {
  echo "statement-fixtures: $1" >&2
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
export ASSAY_CACHE_DIR=${ASSAY_CACHE_DIR:-$PWD/.cache/assay}
fixtures=contracts/test/fixtures
digits=(examples/digits/images/*.png)
work=$(mktemp -d)
export ASSAY_STATE_DIR=$work/state
export FOUNDRY_PROFILE=quick
contexts=contracts/cache/statement-contexts.json
mkdir -p "$fixtures" contracts/cache "$work/made" "$work/proofs"
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

context() { field "$1" <"$contexts"; }

# collection NAME ITEMS BATCH: commits to the first items, derives the circuit of their classes.
collection() {
  local name=$1 items=$2 batch=$3 report
  mkdir "$work/$name.items"
  cp "${digits[@]:0:items}" "$work/$name.items"
  printf '%064x\n' "$batch" >"$work/seed"
  report=$("$assay" dataset commit "$work/$name.items" --bundle "$work/model.bundle" --seed "$work/seed" --no-labels \
    -o "$work/$name.set" --json)
  "$assay" model derive "$work/model.bundle" --statement classification --items "$batch" \
    --depth "$(field depth <<<"$report")" -o "$work/$name.bundle" >/dev/null
  node -p '
    const [{ root, items, depth }, batch] = [JSON.parse(process.argv[1]), Number(process.argv[2])];
    JSON.stringify({ root, items, batch, depth });' "$report" "$batch" >"$work/$name.json"
}

# keys NAME: key folder and verifier of a circuit.
keys() {
  "$assay" keygen "$work/$1.bundle" --setup "$work/dev.srs" -o "$work/$1.keys" --json >"$work/$1.keygen"
  "$assay" verifier generate --bundle "$work/$1.bundle" --keys "$work/$1.keys" -o "$work/$1.verifier" --json >/dev/null
}

# fixture NAME ANSWERS PROOF...: writes the file. ANSWERS is JSON with what the network says, without a proof.
fixture() {
  local name=$1 answers=$2 reports=()
  shift 2
  for proof in "$@"; do
    reports+=("$proof" "$("$assay" verify "$proof" --bundle "$work/$name.bundle" --setup "$work/dev.srs" --json)")
  done
  node -e '
    const fs = require("fs");
    const read = (path) => JSON.parse(fs.readFileSync(path, "utf8"));
    const [work, name, answers, output, ...rest] = process.argv.slice(1);
    const { vk_hash, vk_code, init_code, proof_bytes } = read(`${work}/${name}.verifier/verifier.json`);
    const { model_hash, circuit_hash } = read(`${work}/${name}.keygen`);
    const proofs = [];
    for (let at = 0; at < rest.length; at += 2) {
      // The proof is the end of the file, before its 32-byte hash.
      const proof = fs.readFileSync(rest[at]).subarray(-32 - proof_bytes, -32).toString("hex");
      proofs.push({ publicInputs: JSON.parse(rest[at + 1]).public_inputs, proof: "0x" + proof });
    }
    const fixture = {
      ...read(`${work}/${name}.json`), ...JSON.parse(answers),
      modelHash: model_hash, circuitHash: circuit_hash, vkHash: vk_hash,
      vkCode: vk_code, verifierInitCode: init_code, proofs,
    };
    fs.writeFileSync(output, JSON.stringify(fixture, null, 2) + "\n");
  ' "$work" "$name" "$answers" "$work/made/$name.json" "${reports[@]}"
}

echo "three circuits of one network"
"$assay" model import examples/digits/lenet.onnx --calibrate examples/digits/calibration.npz \
  -o "$work/model.bundle" >/dev/null
collection classification4 6 4
collection classification16 16 16
"$assay" model derive "$work/model.bundle" --statement prediction --outputs commitment -o "$work/commitment.bundle" >/dev/null
input=$("$assay" input commit --bundle "$work/model.bundle" --input "${digits[0]}" --salt "$(printf '0x%064x' 1)" \
  -o "$work/openings" --json | field commitment)
echo "{\"input\": \"$input\"}" >"$work/commitment.json"
names=(classification4 classification16 commitment)
rows=0
for name in "${names[@]}"; do
  k=$("$assay" model inspect "$work/$name.bundle" --json | field k)
  [ "$k" -le "$rows" ] || rows=$k
done
"$assay" setup --dev -k "$rows" -o "$work/dev.srs" >/dev/null
for name in "${names[@]}"; do keys "$name"; done

if [ -n "$check" ]; then
  for name in "${names[@]}"; do fixture "$name" '{}'; done
  node -e '
    const fs = require("fs"), [fixtures, made, ...names] = process.argv.slice(1);
    const read = (folder, name) => JSON.parse(fs.readFileSync(`${folder}/${name}.json`, "utf8"));
    for (const name of names) {
      const [then, now] = [read(fixtures, name), read(made, name)];
      for (const part of ["circuitHash", "verifierInitCode", "root", "input"]) {
        if (then[part] === now[part]) continue;
        console.error(`statement-fixtures: ${name}: ${part} has changed; run scripts/statement-fixtures.sh`);
        process.exitCode = 1;
      }
    }
  ' "$fixtures" "$work/made" "${names[@]}"
  echo "the fixtures are of these circuits and verifiers"
  exit
fi

echo "what the proofs are bound to"
classes=()
for digit in "${digits[@]:0:16}"; do
  classes+=("$("$assay" model predict "$work/model.bundle" --input "$digit" --json | field class)")
done
# answers NAME: what the network says of a collection's items.
answers() {
  node -p 'JSON.stringify({ classes: process.argv.slice(2, 2 + Number(process.argv[1])).map(Number) })' \
    "$(field items <"$work/$1.json")" "${classes[@]}"
}
fixture classification4 "$(answers classification4)"
fixture classification16 "$(answers classification16)"
fixture commitment '{}'
for name in "${names[@]}"; do cp "$work/made/$name.json" "$fixtures/$name.json"; done
rm -f "$contexts"
node_modules/.bin/forge script contracts/test/proofs/StatementContexts.t.sol --sig 'run(string)' "$contexts" \
  >"$work/forge.log" 2>&1 || { cat "$work/forge.log" >&2; fail "forge failed"; }

echo "proofs of classifications"
# prove_runs NAME CONTEXT: all runs of a collection, for the use of that name.
prove_runs() {
  "$assay" classify prove "$work/$1.bundle" --set "$work/$1.set" --setup "$work/dev.srs" --keys "$work/$1.keys" \
    --context "$(context "$2")" -o "$work/$2.runs" --json >/dev/null
}
for name in classification4 classification16; do
  prove_runs "$name" "$name"
done
prove_runs classification4 service
for name in classification4 classification16; do
  proofs=("$work/$name.runs"/run-*.proof)
  # The service's behind the escrow's.
  [ "$name" != classification4 ] || proofs+=("$work/service.runs"/run-*.proof)
  fixture "$name" "$(answers "$name")" "${proofs[@]}"
done

echo "a proof of hidden outputs"
"$assay" prove "$work/commitment.bundle" --setup "$work/dev.srs" --keys "$work/commitment.keys" \
  --opening "$work/openings/${input#0x}.json" --context "$(context commitment)" -o "$work/commitment.proof" --json >/dev/null
answers=$(node -p '
  const { outputs, output_salt } = JSON.parse(require("fs").readFileSync(process.argv[1], "utf8"));
  JSON.stringify({ outputs, outputSalt: output_salt });' "$work/commitment.proof.outputs.json")
fixture commitment "$answers" "$work/commitment.proof"
for name in "${names[@]}"; do cp "$work/made/$name.json" "$fixtures/$name.json"; done
finished=1
echo "written: ${names[*]}"
