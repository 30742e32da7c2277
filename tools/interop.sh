#!/bin/sh
# Gets what the interop tests need beyond .venv: a Chromium, and Node's npm. Where the system's
# package manager is there and this is root (as on build machines), they are installed; elsewhere
# it says, loudly, what is missing. The tests skip what cannot be had; nothing here fails.
set -u

say() {
  printf '*** %s\n' "$*" >&2
}

has_any() {
  for name in "$@"; do
    command -v "$name" >/dev/null 2>&1 && return 0
  done
  return 1
}

install() {
  [ "${CI:-}" = true ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 || return 1
  say "installing $1"
  { apt-get update && apt-get install -y --no-install-recommends "$1"; } >/dev/null 2>&1
}

has_any chromium chromium-browser google-chrome || install chromium \
  || say "There is NO Chromium here: tests in a browser are skipped. Install the package chromium."
has_any npm || install npm \
  || say "There is NO npm here: the official web client is not tested. Install Node.js with npm."
exit 0
