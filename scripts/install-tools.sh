#!/usr/bin/env bash
# Installs the Solidity tools (forge, anvil, cast, solc, libraries) into node_modules and
# scripts/bin. Needs Node 20+ and the npm registry, nothing else. Safe to run any number of
# times: it does nothing when what is there matches package-lock.json.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  echo "install-tools: $1" >&2
  exit 1
}

command -v node >/dev/null || fail "node is missing; install Node.js 20 or later"
command -v npm >/dev/null || fail "npm is missing; install it with Node.js 20 or later"
major=$(node -p 'process.versions.node.split(".")[0]')
[ "$major" -ge 20 ] || fail "node $(node --version) is too old; install Node.js 20 or later"

stamp=node_modules/.assay-lock.sha256
wanted=$(sha256sum package-lock.json package.json | sha256sum | cut -d' ' -f1)
if [ "$(cat "$stamp" 2>/dev/null || true)" = "$wanted" ]; then
  echo "[1/2] Solidity tools: up to date"
else
  echo "[1/2] Solidity tools: installing forge, anvil, cast, solc (about 200 MB from npm)"
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  if ! npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >"$log" 2>&1; then
    cat "$log" >&2
    fail "npm ci failed (see above)"
  fi
  echo "$wanted" >"$stamp"
fi

echo "[2/2] native Solidity compiler: checking"
bash scripts/native-solc.sh

node_modules/.bin/forge --version >/dev/null || fail "forge does not run here (it needs glibc 2.35 or later)"
scripts/solc --version >/dev/null || fail "solc does not run here"
