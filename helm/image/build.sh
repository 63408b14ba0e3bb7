#!/bin/bash
# Builds the image: helm/image/build.sh [TAG] makes fairlead:TAG (default: dev).
#
#   BASE_IMAGE     a Debian or Ubuntu image to build on (default debian:bookworm-slim)
#   FAIRLEAD_BIN   programs from there instead of compiling them; built on the base's release
#   FAIRLEAD_JOBS  compilers at once (default: one for each core)
#
# Programs have to be compiled where the base's libraries are: on this machine if it runs the same release, else in a
# container of the base, which then fetches the packages of tests/packages.txt ("# build") itself. Writes into build/ only.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BASE_IMAGE=${BASE_IMAGE:-debian:bookworm-slim}
LIMIT=150000000
PROGRAMS=(fairlead-controller fairlead-speaker fairleadctl)
case ${1:-} in -*) sed -n '2,/^set -/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | head -n -1; exit 2 ;; esac
image=fairlead:${1:-dev}
out=$ROOT/build/image
jobs=${FAIRLEAD_JOBS:-$(nproc)}

fail() { echo "build.sh: $*" >&2; exit 1; }

command -v docker >/dev/null || fail "needs docker"
docker image inspect "$BASE_IMAGE" >/dev/null 2>&1 || docker pull -q "$BASE_IMAGE" >/dev/null ||
  fail "the base image $BASE_IMAGE cannot be had (BASE_IMAGE names another; tests/cluster/cluster base makes one)"

mkdir -p "$out"
exec 9>"$out/.lock"
flock 9

# Asked of the image's files, so that it need not be able to run anything.
container=$(docker create "$BASE_IMAGE" true)
trap 'docker rm -f "$container" >/dev/null' EXIT
docker cp -L "$container:/etc/os-release" "$out/os-release" 2>/dev/null && docker cp "$container:/var/lib/dpkg/status" "$out/base-status" 2>/dev/null ||
  fail "$BASE_IMAGE is neither Debian nor Ubuntu"
release_of() { (. "$1" && echo "$ID $VERSION_ID"); }
base_release=$(release_of "$out/os-release")

if [ "$base_release" = "$(release_of /etc/os-release)" ]; then
  programs=${FAIRLEAD_BIN:-$ROOT/build/release/bin}
  if [ -z "${FAIRLEAD_BIN:-}" ]; then
    echo "compiling (cmake --preset release)"
    (cd "$ROOT" && cmake --preset release && cmake --build --preset release "-j$jobs" --target "${PROGRAMS[@]}") >"$out/build.log" 2>&1 ||
      { tail -n 40 "$out/build.log"; fail "compiling failed: build/image/build.log"; }
  fi
  "$ROOT/helm/image/stage.sh" "$out/base-status" "$programs" "$out/root"
else
  [ -z "${FAIRLEAD_BIN:-}" ] || fail "this machine is $(release_of /etc/os-release), the image $base_release: programs from FAIRLEAD_BIN would not find its libraries"
  echo "compiling in a container: this machine is $(release_of /etc/os-release), the image $base_release"
  packages=$(sed -n '/^# build/,/^# [^b]/p' "$ROOT/tests/packages.txt" | sed 's/#.*//' | tr -s '[:space:]' ' ')
  docker run --rm -v "$ROOT:/src:ro" -v "$out:/out" -w /src -e DEBIAN_FRONTEND=noninteractive "$BASE_IMAGE" bash -ec "
    apt-get -q update && apt-get -qy install --no-install-recommends $packages
    cmake -S /src -B /out/tree -G Ninja -DCMAKE_BUILD_TYPE=Release -DFAIRLEAD_TESTS=OFF
    cmake --build /out/tree -j$jobs --target ${PROGRAMS[*]}
    helm/image/stage.sh /out/base-status /out/tree/bin /out/root
    chown -R $(id -u):$(id -g) /out" >"$out/build.log" 2>&1 || { tail -n 40 "$out/build.log"; fail "failed: build/image/build.log"; }
fi

version=$(sed -nE 's/^project\(fairlead VERSION ([0-9.]+).*/\1/p' "$ROOT/CMakeLists.txt")
printf '*\n!root\n!Dockerfile\n' >"$out/.dockerignore"
cp "$ROOT/helm/image/Dockerfile" "$out/Dockerfile"
docker build -q --build-arg "BASE_IMAGE=$BASE_IMAGE" --build-arg "VERSION=$version" -t "$image" "$out" >"$out/docker.log" 2>&1 ||
  { cat "$out/docker.log"; fail "docker build failed"; }
# What the image does not start with, it cannot run either.
for program in "${PROGRAMS[@]}"; do
  docker run --rm --network none "$image" "/usr/bin/$program" --version >/dev/null || fail "$program does not start in $image"
done
docker run --rm --network none "$image" /usr/sbin/nft --version >/dev/null || fail "nft does not start in $image"
docker run --rm --network none "$image" /usr/sbin/bird --version 2>/dev/null || fail "bird does not start in $image"
size=$(docker image inspect -f '{{.Size}}' "$image")
printf '%s: %d.%d MB (base %s)\n' "$image" $((size / 1000000)) $((size / 100000 % 10)) "$BASE_IMAGE"
[ "$size" -lt "$LIMIT" ] || fail "more than $((LIMIT / 1000000)) MB"
