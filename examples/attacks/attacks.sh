#!/usr/bin/env bash
# Plays the attacks that a proof stops, with numbers: seven short stories.
#
#   examples/attacks/attacks.sh [--short] [--json FILE] [NUMBER...]
#
# --short  fewer items and draws, and no build of the tests: about a minute for all seven
# --json   also writes the stories' figures to FILE, a JSON object in each line
# NUMBER   only these stories, 1 to 7
#
# Needs a Rust toolchain, Node.js 20 and a C compiler; installs the rest from npm and crates.io.
set -euo pipefail
caller=$PWD
cd "$(dirname "$0")/../.."

short=() figures='' wanted=()
while [ $# -gt 0 ]; do
  case $1 in
    --short) short=(--short) ;;
    --json)
      [ $# -gt 1 ] || { echo "attacks: --json needs a file" >&2; exit 2; }
      figures=$(cd "$caller" && realpath -ms -- "$2")
      shift
      ;;
    [1-7]) wanted+=("$1") ;;
    -h | --help) sed -n '2,10s/^# \{0,1\}//p' examples/attacks/attacks.sh; exit 0 ;;
    *) echo "attacks: unknown option $1; see --help" >&2; exit 2 ;;
  esac
  shift
done
[ ${#wanted[@]} -gt 0 ] || wanted=(1 2 3 4 5 6 7)

# ASSAY_BUILT: the caller has built the program, the tools and the contracts.
if [ -z "${ASSAY_BUILT:-}" ]; then
  bash scripts/install-tools.sh
  cargo build --release --workspace
  mkdir -p .cache
  node_modules/.bin/forge build --skip test >.cache/forge.log 2>&1 || { cat .cache/forge.log >&2; exit 1; }
fi
# Keys and verifiers of all stories but the third: made once, and not in the middle of one.
[ "${wanted[*]}" = 3 ] || node -e 'import("./scripts/lib/models.mjs").then(({ models }) => models())'
started=$SECONDS
[ -z "$figures" ] || : >"$figures"
for number in "${wanted[@]}"; do
  story=(examples/attacks/"$number"-*.mjs)
  if [ -n "$figures" ]; then
    node "${story[0]}" "${short[@]}" --json >>"$figures"
  else
    node "${story[0]}" "${short[@]}"
  fi
done
printf '\n%d of %d attacks ended as told (%d s)\n' ${#wanted[@]} ${#wanted[@]} $((SECONDS - started))
