# Sourced by the scripts beside this folder: `tool NAME` installs what NAME.txt pins into a virtual
# environment of its own, once, and prints where its programs are.

TOOLS_HOME="${XDG_CACHE_HOME:-${HOME:?}/.cache}/evercount/tools"

tool() {
  local list home
  list="$(dirname "${BASH_SOURCE[0]}")/$1.txt"
  # Another list is another environment, so that an upgrade never mixes with what was there.
  home="$TOOLS_HOME/$1-$(sha256sum "$list" | cut -c1-12)"
  if [ ! -e "$home/ready" ]; then
    command -v python3 >/dev/null || { echo "missing: python3, 3.10 or newer, with venv" >&2; return 1; }
    echo "installing $(grep -v '^#' "$list" | tr '\n' ' ')into $home" >&2
    rm -rf "$home"
    python3 -m venv "$home" && "$home/bin/pip" install --quiet --disable-pip-version-check -r "$list" >&2 || return 1
    touch "$home/ready"
  fi
  echo "$home/bin"
}
