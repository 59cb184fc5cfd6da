#!/usr/bin/env bash
# Checks licences, sources and banned crates of everything that is built, by deny.toml.
#
#   scripts/check-dependencies.sh [--advisories]
#
# --advisories  ask the database of known vulnerabilities too, which needs its repository to be reachable
#
# Uses cargo-deny; installs it from crates.io into .cache/tools where it is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
version=0.20.2
checks=(licenses bans sources)
case ${1:-} in
  '') ;;
  --advisories) checks+=(advisories) ;;
  *) echo "check-dependencies: unknown option $1; --advisories is one" >&2; exit 1 ;;
esac
deny=$(command -v cargo-deny || true)
if [ -z "$deny" ] || [ "$("$deny" --version)" != "cargo-deny $version" ]; then
  deny=.cache/tools/bin/cargo-deny
  if [ ! -x "$deny" ] || [ "$("$deny" --version)" != "cargo-deny $version" ]; then
    # Without optimization: it compiles in a third of the time, and runs for seconds.
    echo "installing cargo-deny $version into .cache/tools (once)"
    CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --debug --locked --root .cache/tools --version "$version" cargo-deny
  fi
fi
"$deny" --log-level warn check --hide-inclusion-graph "${checks[@]}"
