#!/bin/sh
# Makes .venv with everything installed; does nothing when it is already up to date.
# Needs a Python >= 3.11 with pip, and a package index that pip can reach.
set -eu
cd "$(dirname "$0")/.."

environment=.venv
stamp=$environment/.complete
tested="python3.13 python3.12 python3.11"

say() {
  printf '%s\n' "$*" >&2
}

# The stamp holds the folder it was made in: an environment does not survive being moved.
up_to_date() {
  [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$PWD" ] \
    && ! [ pyproject.toml -nt "$stamp" ] && ! [ tools/setup.sh -nt "$stamp" ]
}

new_enough() {
  "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

usable() {
  [ -x "$environment/bin/python" ] && new_enough "$environment/bin/python" \
    && "$environment/bin/python" -m pip --version >/dev/null 2>&1
}

belongs_here() {
  [ ! -f "$stamp" ] || [ "$(cat "$stamp")" = "$PWD" ]
}

# Four ways to make an environment, because distributions split Python differently: the standard
# one; an installed virtualenv; the standard one without its bundled pip, filled by the pip outside;
# and a virtualenv fetched into a folder of its own.
make_with_venv() {
  "$1" -m venv --clear "$environment"
}
make_with_virtualenv() {
  "$1" -m virtualenv --quiet --clear "$environment"
}
make_with_outer_pip() {
  "$1" -m venv --clear --without-pip "$environment" \
    && "$1" -m pip --python "$environment/bin/python" install --quiet pip
}
make_with_fetched_virtualenv() {
  "$1" -m pip install --quiet --target .venv.tools virtualenv \
    && PYTHONPATH=.venv.tools "$1" -m virtualenv --quiet --clear "$environment"
}

make_environment() {
  for way in make_with_venv make_with_virtualenv make_with_outer_pip make_with_fetched_virtualenv; do
    if "$way" "$1" >/dev/null 2>&1 && usable; then
      rm -rf .venv.tools
      return 0
    fi
  done
  rm -rf .venv.tools
  return 1
}

create() {
  found=""
  for python in ${PYTHON:-$tested python3 python}; do
    new_enough "$python" || continue
    found="$found $python"
    if make_environment "$python"; then
      say "Made $environment with $("$python" -c 'import sys; print("Python " + sys.version.split()[0])')."
      return 0
    fi
  done
  if [ -z "$found" ]; then
    say "No Python 3.11 or newer was found (tried: ${PYTHON:-$tested python3 python})."
    say "Install one (for example: apt install python3 python3-venv), or name it:"
    say "    make PYTHON=/path/to/python3.12 setup"
  else
    say "Found$found, but no virtual environment can be made with it: 'venv', 'ensurepip',"
    say "'virtualenv' and a reachable package index are all missing. Install one of them, for example"
    say "    apt install python3-venv      or      python3 -m pip install virtualenv"
  fi
  return 1
}

install() {
  say "Installing Catenula and its tools into $environment (about a minute the first time)."
  if ! "$environment/bin/python" -m pip install --disable-pip-version-check --quiet \
    --prefer-binary --editable '.[dev]'; then
    say "Installing failed; pip's message is above. Check that pip reaches a package index; on a"
    say "Python newer than 3.13 a dependency may have no wheel yet: try make PYTHON=python3.13 setup"
    return 1
  fi
}

if up_to_date; then
  exit 0
fi
if ! { usable && belongs_here; }; then
  create
fi
install
# Compiled once here, so that commands start fast also where Python may not write bytecode.
"$environment/bin/python" -m compileall -q src
printf '%s\n' "$PWD" >"$stamp"
