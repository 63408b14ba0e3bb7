# Sourced by tests/run.sh and by the quickstart: what has to be installed, and installing it.
#
#   . tests/support/packages.sh
#   ensure_packages            # the packages of tests/packages.txt
#   ensure_packages FILE...    # those of other lists
#
# A list has Debian package names, separated by spaces or lines; # begins a comment. Only what dpkg calls missing is
# installed, and `apt-get update` runs only then: a machine that has everything needs neither root nor a network.
# Returns 1, after saying what is missing and how to get it, when it cannot be installed. Never ends the caller's shell.

_fairlead_packages_txt=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/packages.txt

# listed_packages FILE... : one name a line, each once.
listed_packages() {
  sed 's/#.*//' "$@" | tr -s '[:space:]' '\n' | sed '/^$/d' | sort -u
}

# missing_packages NAME... : those that dpkg does not call installed.
missing_packages() {
  local name
  for name in "$@"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || printf '%s\n' "$name"
  done
}

ensure_packages() {
  local wanted missing as_root=()
  [ $# -gt 0 ] || set -- "$_fairlead_packages_txt"
  wanted=$(listed_packages "$@") || return 1
  if ! command -v dpkg-query >/dev/null; then
    echo "packages: this machine has no dpkg, so nothing is installed. Fairlead needs what Debian calls:" $wanted >&2
    return 0 # the build says what it does not find
  fi
  missing=$(missing_packages $wanted)
  [ -n "$missing" ] || return 0
  missing=$(echo $missing)
  if ! command -v apt-get >/dev/null; then
    echo "packages: missing: $missing. There is no apt-get here; install them by hand." >&2
    return 1
  fi
  if [ "$(id -u)" -ne 0 ]; then
    if ! sudo -n true 2>/dev/null; then
      echo "packages: missing: $missing. Installing needs root; run: sudo apt-get install --no-install-recommends $missing" >&2
      return 1
    fi
    as_root=(sudo -n)
  fi
  echo "packages: installing $missing"
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300) policy= status=0
  # BIRD, FRR and GoBGP are run by tests, in namespaces of their own. None may start on this machine because it was installed.
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    policy=/usr/sbin/policy-rc.d
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null && "${as_root[@]}" chmod 755 "$policy"
  fi
  "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends $missing || status=1
  [ -z "$policy" ] || "${as_root[@]}" rm -f "$policy"
  if [ "$status" -ne 0 ]; then
    echo "packages: apt-get could not install: $missing" >&2
    return 1
  fi
  # At the next boot they would start after all: only what was not there before is switched off.
  if command -v systemctl >/dev/null; then
    local unit
    for unit in bird frr gobgpd; do
      case " $missing " in *" $unit"*) "${as_root[@]}" systemctl disable -q "$unit" 2>/dev/null || true ;; esac
    done
  fi
}
