#!/bin/bash
# Fuzzes every parser for a while. Builds with Clang first (the fuzz preset, only what the targets link).
#
#   tests/fuzz/run.sh [--junit FILE] [SECONDS] [TARGET...]      default: 60 seconds each, all targets
#
# FAIRLEAD_FUZZ_JOBS targets run at once (default 2). Inputs that were worth keeping go to build/fuzz/inputs/TARGET and are where
# the next run begins; what broke something is in build/fuzz/findings/TARGET. To keep a finding from coming back: fix it, copy
# the file to tests/fuzz/corpus/TARGET, write a unit test that says what was wrong. Exit 0: nothing was found.
set -uo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$ROOT" || exit 2
export CCACHE_DIR=${CCACHE_DIR:-$ROOT/build/ccache}

junit=
[ "${1:-}" = --junit ] && { junit=$2; shift 2; }
seconds=60
[[ ${1:-} =~ ^[0-9]+$ ]] && { seconds=$1; shift; }
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  for source in tests/fuzz/*_fuzz.cpp; do
    name=$(basename "$source")
    targets+=("${name%_fuzz.cpp}")
  done
fi

. tests/support/packages.sh
# libFuzzer is in Clang's run-time library, whose package is named after Clang's version.
{ ensure_packages tests/fuzz/packages.txt && ensure_packages <(echo "libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev"); } ||
  echo "going on; the build says what it does not find"
mkdir -p build/fuzz
if ! { cmake --preset fuzz && cmake --build --preset fuzz --target "${targets[@]/%/_fuzz}"; } >build/fuzz/build.log 2>&1; then
  tail -n 40 build/fuzz/build.log
  exit 1
fi

# The parent of -fork merges what its children find and takes the place of each that ends: a finding does not end the run.
fuzz() {
  local name=$1 inputs=build/fuzz/inputs/$1 findings=build/fuzz/findings/$1 log=build/fuzz/$1.log dictionary=() longest=8192 found
  mkdir -p "$inputs" "$findings"
  case $name in arp | ndp | nft | rtnl | state) ;; *) dictionary=(-dict=tests/fuzz/text.dict) ;; esac
  case $name in manifest | overlay | kubeconfig) longest=2048 ;; esac # reading YAML is slow under sanitizers
  nice -n 10 "build/fuzz/bin/${name}_fuzz" -fork=1 -ignore_crashes=1 -ignore_ooms=1 -ignore_timeouts=1 -max_total_time="$seconds" \
    -rss_limit_mb=2048 -timeout=10 -max_len=$longest "${dictionary[@]}" -artifact_prefix="$findings/" "$inputs" "tests/fuzz/corpus/$name" \
    >"$log" 2>&1
  found=$(find "$findings" -type f -not -name 'slow-unit-*' | wc -l) # slow, but within the limit: no finding
  printf '%-12s %6s s   %s   %s findings\n' "$name" "$seconds" \
    "$(sed -n 's/^#\([0-9]*\): cov: \([0-9]*\) ft: \([0-9]*\) corp: \([0-9]*\).*/\1 runs, \2 edges, \4 inputs/p' "$log" | tail -n 1)" "$found"
  [ "$found" -eq 0 ]
}

# One test case for each target, out of what is left in findings/. Without a log the target did not run.
write_junit() {
  local name found
  echo '<testsuite name="fuzz">'
  for name in "${targets[@]}"; do
    found=$(find "build/fuzz/findings/$name" -type f -not -name 'slow-unit-*' -printf '%f ')
    [ -s "build/fuzz/$name.log" ] || found="no log"
    if [ -z "$found" ]; then echo "<testcase classname=\"fuzz\" name=\"$name\"/>"
    else echo "<testcase classname=\"fuzz\" name=\"$name\"><failure message=\"$found\"/></testcase>"; fi
  done
  echo '</testsuite>'
}

code=0 running=0
for name in "${targets[@]}"; do
  if [ "$running" -ge "${FAIRLEAD_FUZZ_JOBS:-2}" ]; then
    wait -n || code=1
    running=$((running - 1))
  fi
  fuzz "$name" &
  running=$((running + 1))
done
for ((; running > 0; --running)); do wait -n || code=1; done
[ -z "$junit" ] || write_junit >"$junit"
exit $code
