#!/usr/bin/env bash
# Sells one proven prediction on a local chain: the buyer escrows 1 ETH for the class of a committed
# handwritten digit, the seller's relayer proves it, the contract checks the proof and pays.
#
#   scripts/demo.sh [--image FILE] [--fresh] [--test] [--gas FILE]
#   scripts/demo.sh audit [--fresh]
#
# audit    another story: two bounties for a proven accuracy on a hidden test set, one earned, one lost
# --image  another picture (default: one of examples/digits/images, another each time)
# --fresh  forget what earlier runs made
# --test   always the same picture, plain output, and the refund of an expired job too
# --gas    write the gas of each transaction into a file, as a JSON object
#
# Needs a Rust toolchain, Node.js 20 and a C compiler; installs the rest from npm and crates.io.
# What it makes is kept in .cache/demo, so a second run starts in seconds.
set -euo pipefail
caller=$PWD
cd "$(dirname "$0")/.."

fail() {
  echo "demo: $1" >&2
  exit 1
}

image='' fresh='' test_mode='' gas_file='' story=prediction
while [ $# -gt 0 ]; do
  case $1 in
    --image)
      [ $# -gt 1 ] || fail "--image needs a file"
      image=$(cd "$caller" && realpath -ms -- "$2")
      shift
      ;;
    --gas)
      [ $# -gt 1 ] || fail "--gas needs a file"
      gas_file=$(cd "$caller" && realpath -ms -- "$2")
      shift
      ;;
    --fresh) fresh=1 ;;
    --test) test_mode=1 ;;
    audit) story=audit ;;
    -h | --help) sed -n '2,15s/^# \{0,1\}//p' scripts/demo.sh; exit 0 ;;
    *) fail "unknown option $1; see --help" ;;
  esac
  shift
done
if [ "$story" = audit ] && [ -n "$image$test_mode$gas_file" ]; then
  fail "--image, --test and --gas are options of the prediction, not of the audit; see --help"
fi

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ -z "$test_mode" ]; then
  bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' reset=$'\e[0m'
else
  bold='' dim='' green='' reset=''
fi
progress=never
if [ -t 2 ] && [ -z "$test_mode" ]; then progress=always; fi

say() { printf '\n%s%s%s\n' "$bold" "$1" "$reset"; }

# --- tools and programs -------------------------------------------------------------------------
command -v cargo >/dev/null || fail "cargo is missing; install Rust from https://rustup.rs"
started=$SECONDS
say "Tools"
bash scripts/install-tools.sh
say "Programs (the first build takes minutes)"
# ASSAY_BUILT: the caller has built them.
[ -n "${ASSAY_BUILT:-}" ] || cargo build --release --workspace
say "Contracts"
mkdir -p .cache
node_modules/.bin/forge build --skip test >.cache/forge.log 2>&1 || { cat .cache/forge.log >&2; fail "forge build failed"; }
echo "the contracts are compiled"
assay=target/release/assay
export ASSAY_SOLC=scripts/solc
# What the program keeps for its user, it keeps here.
export ASSAY_CACHE_DIR=${ASSAY_CACHE_DIR:-$PWD/.cache/assay}
if [ "$story" = audit ]; then
  [ -z "$fresh" ] || rm -rf .cache/escrows
  exec node scripts/lib/demo-audit.mjs
fi

# --- helpers over JSON --------------------------------------------------------------------------
cache=.cache/demo
[ -z "$fresh" ] || rm -rf "$cache"
run=$cache/run
# What this machine records of the model's openings stays with the model.
export ASSAY_STATE_DIR=$PWD/$cache/state
rm -rf "$run"
mkdir -p "$run/report" "$cache/report"

# value FILE PATH: one field of a JSON file, `a.b` for nested ones.
value() {
  node -e '
    const [file, path] = process.argv.slice(1);
    let value = JSON.parse(require("fs").readFileSync(file, "utf8"));
    for (const key of path.split(".")) value = value == null ? undefined : value[key];
    if (value == null) { console.error(`demo: ${file} has no ${path}`); process.exit(1); }
    console.log(value);' "$1" "$2"
}

# step TITLE REPORT COMMAND...: runs a command of assay, keeps its JSON report, says what it took.
step() {
  local title=$1 report=$2
  shift 2
  "$assay" "$@" --json --progress "$progress" >"$report.partial" || fail "$title: failed (see above)"
  mv "$report.partial" "$report"
  took "$title" "$report"
}

took() { printf '  %-42s %s\n' "$1" "$dim$(cost "$2")$reset"; }

cost() {
  node -e '
    const { wall_s, peak_rss_mb } = JSON.parse(require("fs").readFileSync(process.argv[1], "utf8")).resources;
    console.log(`${wall_s.toFixed(2).padStart(7)} s ${peak_rss_mb.toFixed(0).padStart(6)} MiB`);' "$1"
}

# --- the seller's model -------------------------------------------------------------------------
digits=examples/digits
stamp=$(sha256sum "$assay" "$digits/lenet.onnx" "$digits/calibration.npz" scripts/solc | sha256sum | cut -d' ' -f1)
usable() {
  [ "$(cat "$cache/stamp" 2>/dev/null)" = "$stamp" ] || return 1
  "$assay" model inspect "$cache/lenet.bundle" --json >"$run/inspect.json" 2>/dev/null || return 1
  # Each run needs two proofs under the bundle's blinding seed.
  [ "$(value "$run/inspect.json" openings_left)" -ge 4 ]
}
if usable; then
  say "Seller: the model, its keys and its verifier are in $cache (--fresh makes them again)"
  for report in import setup keygen verifier; do
    took "$report, made earlier" "$cache/report/$report.json"
  done
else
  say "Seller: quantize the network, make keys, generate the verifier contract"
  rm -rf "$cache/stamp" "$cache/keys" "$cache/verifier" "$cache/lenet.json" "$cache"/lenet.bundle* "$cache/dev.srs"
  step "import and quantize lenet.onnx" "$cache/report/import.json" \
    model import "$digits/lenet.onnx" --calibrate "$digits/calibration.npz" -o "$cache/lenet.bundle"
  k=$(value "$cache/report/import.json" k)
  step "development setup, 2^$k rows" "$cache/report/setup.json" \
    setup --dev -k "$k" -o "$cache/dev.srs"
  step "proving and verifying key" "$cache/report/keygen.json" \
    keygen "$cache/lenet.bundle" --setup "$cache/dev.srs" -o "$cache/keys"
  step "verifier contract, compiled" "$cache/report/verifier.json" \
    verifier generate --bundle "$cache/lenet.bundle" --keys "$cache/keys" -o "$cache/verifier"
  "$assay" model architecture "$cache/lenet.bundle" -o "$cache/lenet.json" >/dev/null
  echo "$stamp" >"$cache/stamp"
fi

# --- a chain ------------------------------------------------------------------------------------
say "Chain: a local node with the rules of Osaka"
# The node ends when its input does, that is, with this script.
coproc chain { exec node scripts/lib/anvil.mjs "$run/anvil.log"; }
anvil=$chain_PID
exec {listening}<&"${chain[0]}"
relayer=''
stop() {
  [ -z "$relayer" ] || kill "$relayer" 2>/dev/null || true
  kill "$anvil" 2>/dev/null || true
}
trap stop EXIT
trap 'exit 130' INT TERM
head -n 1 <&"$listening" >"$run/chain.json"
[ -s "$run/chain.json" ] || fail "anvil did not start"
rpc=$(value "$run/chain.json" url)
export ASSAY_RPC=$rpc
# The node's first accounts play the parts.
account() { value "$run/chain.json" "accounts.$1.address"; }
key() { value "$run/chain.json" "accounts.$1.key" >"$run/$2.key"; }
key 0 deployer
key 1 seller
key 2 buyer
key 3 thief
seller=$(account 1) buyer=$(account 2) thief=$(account 3)
as() { echo "--private-key-file=$run/$1.key"; }
balance() { node_modules/.bin/cast balance "$1" --rpc-url "$rpc"; }

step "deploy the contracts" "$run/report/deploy.json" \
  deploy --allow-dev-setup -o "$run/addresses.json" "$(as deployer)"
registry=$(value "$run/report/deploy.json" contracts.ModelRegistry.address)
escrow=$(value "$run/report/deploy.json" contracts.PredictionEscrow.address)
step "deploy verifier and verifying key" "$run/report/verifier.json" \
  verifier deploy "$cache/verifier" "$(as seller)"
vk=$(value "$run/report/verifier.json" vk)
verifier=$(value "$run/report/verifier.json" verifier)
step "register the model" "$run/report/register.json" \
  model register "$cache/lenet.bundle" --setup "$cache/dev.srs" --keys "$cache/keys" \
  --registry "$registry" --vk "$vk" --verifier "$verifier" "$(as seller)"
model=$(value "$run/report/register.json" model_id)
# By these the buyer makes the model's key again, and compares it with the registry's entry.
checked=(--architecture "$cache/lenet.json" --setup "$cache/dev.srs")

# --- the job ------------------------------------------------------------------------------------
if [ -z "$image" ]; then
  images=("$digits"/images/*.png)
  pick=0
  [ -n "$test_mode" ] || pick=$((RANDOM % ${#images[@]}))
  image=${images[$pick]}
fi
say "Buyer: escrow 1 ETH for the class of ${image##*/}"
buyer_before=$(balance "$buyer") seller_before=$(balance "$seller")
# The seller's relayer is up before there is a job.
"$assay" relayer run --json --escrow "$escrow" --bundle "$cache/lenet.bundle" --setup "$cache/dev.srs" \
  --keys "$cache/keys" --inputs "$run/openings" --store "$run/relayer.db" --poll 200 \
  --minimum-price 0.1ether --until-settled 1 --save-proof "$run/job1.proof" "$(as seller)" >"$run/report/relayer.json" 2>"$run/relayer.log" &
relayer=$!
# The buyer needs the published architecture only, and hands the opening to the seller.
step "commit to the image" "$run/report/commit.json" \
  input commit --architecture "$cache/lenet.json" --input "$image" -o "$run/openings"
commitment=$(value "$run/report/commit.json" commitment)
step "open the job" "$run/report/open.json" \
  escrow open --escrow "$escrow" --model "$model" "${checked[@]}" --commitment "$commitment" --price 1ether "$(as buyer)"
job=$(value "$run/report/open.json" job)

say "Seller: the relayer sees the job, proves it and claims the price"
"$assay" escrow show "$job" --escrow "$escrow" --wait 600 --json --progress "$progress" >"$run/report/job.json" &
watcher=$!
# Whichever ends first: a relayer that fails is not waited for.
if ! wait -n "$relayer" "$watcher" || ! wait "$relayer" || ! wait "$watcher"; then
  kill "$watcher" 2>/dev/null || true
  cat "$run/relayer.log" >&2
  fail "the relayer did not claim the price"
fi
relayer=''
took "proven, verified on chain, claimed, paid" "$run/report/relayer.json"
buyer_after=$(balance "$buyer") seller_after=$(balance "$seller")
step "the float network, for comparison" "$run/report/predict.json" \
  model predict "$cache/lenet.bundle" --input "$image" --float "$digits/lenet.onnx"
step "gas of the verification alone" "$run/report/verify.json" \
  verifier call "$run/job1.proof" --verifier "$verifier" --vk "$vk" "$(as thief)"

# --- summary ------------------------------------------------------------------------------------
proven=$(value "$run/report/job.json" class)
float=$(value "$run/report/predict.json" float_class)
proof() { value "$run/report/relayer.json" "$1"; }
ether() { node -p 'const w = BigInt(process.argv[1]), s = w < 0n, a = s ? -w : w; `${s ? "-" : ""}${a / 10n ** 18n}.${String(a % 10n ** 18n).padStart(18, "0").slice(0, 6)} ETH`' -- "$1"; }
minus() { node -p 'String(BigInt(process.argv[1]) - BigInt(process.argv[2]))' -- "$1" "$2"; }
line() { printf '  %-26s %s\n' "$1" "$2"; }

say "The digit"
"$assay" input show --architecture "$cache/lenet.json" --input "$image"
line "float network says" "$float"
line "proven on chain" "$proven"
say "The proof"
line "witness" "$(printf '%.2f s' "$(proof proof.witness_s)")"
line "proof" "$(printf '%.2f s' "$(proof proof.prove_wall_s)")"
line "memory of the relayer" "$(printf '%.0f MiB' "$(proof resources.peak_rss_mb)")"
line "size" "$(proof proof.proof_bytes) bytes"
say "Gas"
line "deploy registry" "$(value "$run/report/deploy.json" contracts.ModelRegistry.gas_used)"
line "deploy escrow" "$(value "$run/report/deploy.json" contracts.PredictionEscrow.gas_used)"
line "deploy verifier" "$(value "$run/report/verifier.json" verifier_gas) ($(value "$run/report/verifier.json" verifier_code_bytes) bytes)"
line "deploy verifying key" "$(value "$run/report/verifier.json" vk_gas) ($(value "$run/report/verifier.json" vk_bytes) bytes)"
line "register model" "$(value "$run/report/register.json" gas_used)"
line "open job" "$(value "$run/report/open.json" gas_used)"
line "verify proof" "$(value "$run/report/verify.json" gas_used)"
line "claim (verification in it)" "$(proof gas_used)"
if [ -n "$gas_file" ]; then
  node -e '
    const fs = require("fs");
    const [file, folder] = process.argv.slice(1);
    const read = (name) => JSON.parse(fs.readFileSync(`${folder}/${name}.json`, "utf8"));
    const { contracts } = read("deploy"), verifier = read("verifier");
    fs.writeFileSync(file, JSON.stringify({
      model: "lenet",
      deploy_registry: contracts.ModelRegistry.gas_used, deploy_escrow: contracts.PredictionEscrow.gas_used,
      deploy_verifier: verifier.verifier_gas, deploy_key: verifier.vk_gas, register: read("register").gas_used,
      open: read("open").gas_used, verify: read("verify").gas_used, claim: read("relayer").gas_used,
    }) + "\n");' "$gas_file" "$run/report"
fi
say "Balances"
line "buyer" "$(ether "$buyer_before") -> $(ether "$buyer_after")"
line "seller" "$(ether "$seller_before") -> $(ether "$seller_after")"

[ "$(value "$run/report/job.json" state)" = claimed ] || fail "the job was not claimed"
[ "$proven" = "$float" ] || fail "the float network says class $float, the proof class $proven"
# Gas costs the seller well below 0.01 ETH here.
earned=$(minus "$seller_after" "$seller_before") paid=$(minus "$buyer_before" "$buyer_after")
node -e '
  const [earned, paid, left] = process.argv.slice(1).map(BigInt), ether = 10n ** 18n;
  const moved = earned > ether * 99n / 100n && earned <= ether && paid >= ether && paid < ether * 101n / 100n;
  process.exit(moved && left === 0n ? 0 : 1);' -- "$earned" "$paid" "$(balance "$escrow")" ||
  fail "the money did not move: the seller earned $earned wei, the buyer paid $paid wei"

# --- forged claims ------------------------------------------------------------------------------
say "Forged claims on a second job are refused"
step "open a job of 0.1 ETH" "$run/report/open2.json" \
  escrow open --escrow "$escrow" --model "$model" "${checked[@]}" --commitment "$commitment" --price 0.1ether "$(as buyer)"
job2=$(value "$run/report/open2.json" job)
step "an honest proof, paying the seller" "$run/report/prove2.json" \
  prove "$cache/lenet.bundle" --setup "$cache/dev.srs" --keys "$cache/keys" \
  --opening "$(value "$run/report/commit.json" opening)" \
  --escrow "$escrow" --job "$job2" --recipient "$seller" -o "$run/job2.proof"
node -e '
  const fs = require("fs"), [report, file] = process.argv.slice(1);
  const proof = Buffer.from(JSON.parse(fs.readFileSync(report, "utf8")).proof.slice(2), "hex");
  proof[proof.length - 1 - (proof.length >> 1)] ^= 1;
  fs.writeFileSync(file, "0x" + proof.toString("hex"));' "$run/report/prove2.json" "$run/forged.hex"

refused() { # TITLE EXPECTED COMMAND...
  local title=$1 expected=$2 answer
  shift 2
  if answer=$("$assay" "$@" --progress never 2>&1); then fail "$title: was accepted"; fi
  case $answer in
    *"$expected"*) printf '  %-42s %s\n' "$title" "${answer##*reverted: }" ;;
    *) fail "$title: refused for another reason: $answer" ;;
  esac
}
refused "one byte of the proof changed" reverted \
  escrow claim "$job2" --escrow "$escrow" --raw-proof "$run/forged.hex" --class "$proven" --recipient "$seller" "$(as seller)"
refused "another recipient" ProofInvalid \
  escrow claim "$job2" --escrow "$escrow" --proof "$run/job2.proof" --recipient "$thief" "$(as thief)"
refused "a proof of another job" ProofInvalid \
  escrow claim "$job2" --escrow "$escrow" --proof "$run/job1.proof" --recipient "$seller" "$(as seller)"
step "the honest proof, sent by a stranger" "$run/report/claim2.json" \
  escrow claim "$job2" --escrow "$escrow" --proof "$run/job2.proof" --recipient "$seller" "$(as thief)"
step "the seller withdraws" "$run/report/withdraw2.json" \
  escrow withdraw --escrow "$escrow" "$(as seller)"
[ "$(value "$run/report/withdraw2.json" amount)" != 0 ] || fail "nothing to withdraw"

# --- a job that nobody proves --------------------------------------------------------------------
if [ -n "$test_mode" ]; then
  say "An expired job is refunded"
  step "open a job of 0.2 ETH" "$run/report/open3.json" \
    escrow open --escrow "$escrow" --model "$model" "${checked[@]}" --commitment "$commitment" --price 0.2ether --deadline 600 "$(as buyer)"
  job3=$(value "$run/report/open3.json" job)
  refused "a refund before the deadline" DeadlineNotPassed escrow refund "$job3" --escrow "$escrow" "$(as buyer)"
  node_modules/.bin/cast rpc evm_increaseTime 601 --rpc-url "$rpc" >/dev/null
  node_modules/.bin/cast rpc evm_mine --rpc-url "$rpc" >/dev/null
  step "a refund after it" "$run/report/refund3.json" escrow refund "$job3" --escrow "$escrow" "$(as thief)"
  step "the buyer withdraws" "$run/report/withdraw3.json" escrow withdraw --escrow "$escrow" "$(as buyer)"
  [ "$(balance "$escrow")" = 0 ] || fail "the escrow kept money"
fi

printf '\n%sThe proof held, the money moved, the classes agree.%s (%d s)\n' "$green" "$reset" $((SECONDS - started))
