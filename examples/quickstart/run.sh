#!/bin/bash
# Fairlead in one command: installs what is missing, builds, and shows it at work in network namespaces (quickstart.py).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

usage() {
  cat <<'END'
usage: run.sh [--keep | --down]

Builds Fairlead and shows it at work: a client, a router and three nodes with pods, made of network namespaces.
Needs root, on Debian 12+ or Ubuntu 24.04+. At the end everything is taken down again; Ctrl-C does so at any time.

  --keep   leave it running, and say what to try
  --down   take down what --keep left

Exit code: 0 all checks held, 1 one did not, 2 it could not be set up, 130 interrupted.
END
}

[ $# -le 1 ] || { usage >&2; exit 2; }
case ${1:-} in
  -h | --help) usage; exit 0 ;;
  '' | --keep | --down) ;;
  *) echo "run.sh: unknown argument '$1' (see --help)" >&2; exit 2 ;;
esac
[ "$(id -u)" -eq 0 ] || { echo "run.sh: network namespaces need root: sudo $0 $*" >&2; exit 2; }

if [ "${1:-}" != --down ]; then
  echo "==> packages: what is missing of tests/packages.txt"
  . "$here/../../tests/support/packages.sh"
  ensure_packages || exit 2
  /usr/bin/python3 -c 'import yaml' || { echo "run.sh: /usr/bin/python3 with the module yaml is needed" >&2; exit 2; }
fi
exec /usr/bin/python3 -B "$here/quickstart.py" "$@"
