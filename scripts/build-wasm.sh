#!/usr/bin/env bash
# Builds what runs in a browser (assay-verifier and the crates below it) for wasm32.
#
#   scripts/build-wasm.sh
#
# Needs the standard library for wasm32-unknown-unknown: `rustup target add wasm32-unknown-unknown`. Where
# that is not to be had, a second compiler with the library's sources serves (Debian: rustc-web, cargo-web,
# rust-web-src). Without either it says so and is skipped, or fails if ASSAY_REQUIRE_WASM is set.
set -euo pipefail
cd "$(dirname "$0")/.."
target=wasm32-unknown-unknown
# That it builds shows without optimization, in half the time; what compiles for the host is that of a release.
export CARGO_PROFILE_RELEASE_OPT_LEVEL=0
build() { "$@" build --release --target "$target" -p assay-verifier; }

if ! ls "$(rustc --print target-libdir --target "$target")"/libstd-*.rlib >/dev/null 2>&1; then
  rustup target add "$target" >/dev/null 2>&1 || true
fi
if ls "$(rustc --print target-libdir --target "$target")"/libstd-*.rlib >/dev/null 2>&1; then
  build cargo
elif [ -x /usr/bin/rustc ] && [ -f "$(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust/library/Cargo.lock" ]; then
  echo "the standard library is built from its sources, with $(/usr/bin/rustc --version)"
  # Building it is an unstable feature of Cargo, which a stable one has behind this variable.
  PATH="/usr/bin:$PATH" RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=target/wasm \
    build /usr/bin/cargo -Zbuild-std=std,panic_abort
else
  [ -z "${ASSAY_REQUIRE_WASM:-}" ] || { echo "build-wasm: no standard library for $target" >&2; exit 1; }
  echo "skipped: no standard library for $target; rustup target add $target"
fi
