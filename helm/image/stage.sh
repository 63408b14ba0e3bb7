#!/bin/bash
# Puts together what the image has beyond its base: stage.sh BASE_STATUS PROGRAMS ROOT
#
#   BASE_STATUS  the base image's /var/lib/dpkg/status: what need not be added
#   PROGRAMS     a folder with Fairlead's programs
#   ROOT         is made anew; becomes / of the image
#
# Runs on the Debian (or Ubuntu) release of the base image: on the host, or in a container of the base (build.sh decides).
# Packages are fetched and unpacked, not installed: no maintainer's script runs, on this machine or in the image.
set -euo pipefail

status=$(realpath "$1") programs=$2 root=$3
PROGRAMS=(fairlead-controller fairlead-speaker fairleadctl)
PACKAGES=(nftables bird2)
debs=$(dirname "$root")/debs

rm -rf "$root"
mkdir -p "$root/usr/bin" "$root/var/lib/fairlead" "$debs/partial"
for program in "${PROGRAMS[@]}"; do
  install -m 755 "$programs/$program" "$root/usr/bin/"
  strip "$root/usr/bin/$program"
done

# The packages of the libraries that our programs load. The loader names /lib/..., dpkg may know the file by /usr/lib/....
libraries=$(ldd "$root"/usr/bin/* | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p' | sort -u)
! ldd "$root"/usr/bin/* | grep 'not found' || { echo "stage: a library is missing on this machine" >&2; exit 1; }
for library in $libraries; do
  package=$(dpkg -S "$(realpath "$library")" 2>/dev/null || dpkg -S "$library" 2>/dev/null || dpkg -S "${library#/usr}") ||
    { echo "stage: no package has $library" >&2; exit 1; }
  PACKAGES+=("$(head -n 1 <<<"$package" | cut -d: -f1)")
done

# apt resolves against the base's list of packages, not this machine's: "Inst NAME (VERSION ...)" is what the base lacks.
apt=(apt-get -q -y --no-install-recommends -o "Dir::State::status=$status" -o "Dir::State::extended_states=/dev/null"
  -o "Dir::Cache::archives=$debs" -o APT::Sandbox::User=root -o Debug::NoLocking=1)
wanted=$("${apt[@]}" -s install $(printf '%s\n' "${PACKAGES[@]}" | sort -u) |
  sed -nE 's/^Inst ([^ ]+) (\[[^]]*\] )?\(([^ ]+) .*\[([^]]+)\]\).*/\1 \3 \4/p' |
  grep -vE '^(ucf|sensible-utils) ' | sort -u) # only maintainers' scripts use these
[ -n "$wanted" ] || { echo "stage: apt finds nothing to add, not even nftables: apt-get update?" >&2; exit 1; }
file_of() { echo "$debs/$1_${2//:/%3a}_$3.deb"; }
missing=()
while read -r name version arch; do
  [ -e "$(file_of "$name" "$version" "$arch")" ] || missing+=("$name=$version")
done <<<"$wanted"
[ ${#missing[@]} -eq 0 ] || "${apt[@]}" --download-only install "${missing[@]}" >/dev/null

mkdir -p "$root/var/lib/dpkg/status.d"
while read -r name version arch; do
  deb=$(file_of "$name" "$version" "$arch")
  dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$root" --keep-directory-symlink --no-same-owner \
    --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*' \
    --exclude='./usr/share/lintian/*' --exclude='./lib/systemd/*' --exclude='./usr/lib/systemd/*' --exclude='./etc/init.d/*'
  # Scanners of images look here for what a layer has without dpkg (distroless images do the same).
  dpkg-deb -f "$deb" >"$root/var/lib/dpkg/status.d/$name"
done <<<"$wanted"
# In the base these are links into /usr; a folder of the same name would replace the link.
for folder in bin sbin lib lib64; do
  [ -d "$root/$folder" ] && [ ! -L "$root/$folder" ] || continue
  mkdir -p "$root/usr/$folder"
  cp -a "$root/$folder/." "$root/usr/$folder/"
  rm -rf "${root:?}/$folder"
done
find "$root" -type d -empty ! -path '*/var/lib/fairlead' -delete
find "$root" -exec touch -h -d "@${SOURCE_DATE_EPOCH:-0}" {} +
