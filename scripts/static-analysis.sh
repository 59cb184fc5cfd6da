#!/usr/bin/env bash
# Runs slither over the contracts, and fails where it finds more than docs/static-analysis.md answers.
#
#   scripts/static-analysis.sh
#
# Needs Python 3 and slither 0.11.6 (pip install slither-analyzer==0.11.6), found on the PATH or named by SLITHER.
set -euo pipefail
slither=$(command -v "${SLITHER:-slither}") || {
  echo "static-analysis: slither is missing; install it: pip install slither-analyzer==0.11.6" >&2
  exit 1
}
slither=$(realpath -s -- "$slither")
cd "$(dirname "$0")/.."

# A copy in which no two libraries are called Errors: slither takes ours for OpenZeppelin's of the same name, and skips
# what uses it.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/contracts"
cp -r contracts/src "$work/contracts/"
cp foundry.toml "$work/"
ln -s "$PWD/node_modules" "$PWD/scripts" "$work/"
find "$work/contracts/src" -name '*.sol' -exec sed -i 's/\bErrors\b/OwnErrors/g' {} +
mv "$work/contracts/src/libraries/Errors.sol" "$work/contracts/src/libraries/OwnErrors.sol"

# The IR pipeline costs minutes and changes nothing for slither.
export FOUNDRY_PROFILE=quick
report=$work/report.json
(
  cd "$work"
  PATH="$(dirname "$slither"):$work/node_modules/.bin:$PATH" \
    "$slither" . --filter-paths node_modules --fail-none --json - >"$report" 2>"$work/log"
) || { cat "$work/log" >&2; exit 1; }
if grep -q 'Impossible to generate IR\|Failed to generate IR' "$work/log"; then
  grep 'generate IR' "$work/log" >&2
  echo "static-analysis: slither has left functions out" >&2
  exit 1
fi

node --input-type=module - "$report" <<'JS'
import { readFileSync } from "node:fs";

const report = JSON.parse(readFileSync(process.argv[2], "utf8"));
if (!report.success) throw new Error(report.error);
const rows = readFileSync("docs/static-analysis.md", "utf8").split("\n").filter((line) => line.startsWith("| `"));
const answered = (check, place) =>
  rows.some((row) => {
    const [, detector, , places] = row.split("|");
    return detector.includes(`\`${check}\``) && (place === null || places.includes(place));
  });
// Where every place has the same answer.
const EVERYWHERE = new Set(["timestamp", "naming-convention", "too-many-digits"]);
let open = 0;
for (const { check, elements, description } of report.results.detectors ?? []) {
  const name = elements[0].name.replace(/\(.*/, "");
  if (answered(check, EVERYWHERE.has(check) ? null : name)) continue;
  console.log(`${check}: ${description.trim().split("\n")[0]}`);
  ++open;
}
console.log(`${report.results.detectors?.length ?? 0} findings, ${open} of them not answered`);
process.exit(open === 0 ? 0 : 1);
JS
