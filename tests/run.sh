#!/bin/bash
# Builds Fairlead and runs its tests. --help says how.
set -uo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
RESULTS=$ROOT/build/results
PYTHON=/usr/bin/python3 # Debian's, for which pytest, yaml and scapy are installed
PARTS=(layering unit lab cluster sanitize bench)
# Unit tests that start threads: the loop's post() is the only door between them. The thread sanitizer looks at these.
TSAN_TESTS=(loop_test folder_source_test)
# Lab tests under a sanitizer look for other faults than the first run did: this share of their repetitions is enough.
SANITIZED_LAB_SCALE=0.25

usage() {
  cat <<'END'
tests/run.sh [PART...] [--full]

  layering   includes against the arrows of the design (tests/unit/layering.py); needs no build
  unit       ctest -L unit, release build: no root, no network
  lab        pytest tests/lab, release build: network namespaces, real kernel; needs root
  cluster    pytest tests/cluster, release build: a real Kubernetes in containers, Fairlead as its chart installs it; needs root,
             Docker and Go, and is skipped where they are missing. Compiles Kubernetes first, once for each machine
  sanitize   unit and lab once more with ASan + UBSan, the loop's unit tests with TSan
  bench      what is promised about time and memory, measured (tests/bench)

Without a PART: all of them. --full (FAIRLEAD_FULL=1): the judged numbers of repetitions; hours, by hand.

Installs what tests/packages.txt names and is missing (apt-get, root). Writes into build/ only; logs and JUnit files are in
build/results. The release build is timed: slowest files, and whether ccache had a hand in it. Ends with a line for each
part and then `N passed, N failed` over all of them; the exit code is 0 only if nothing failed.

  FAIRLEAD_JOBS       compilers at once (default: one for each core; the release build, which is judged at -j2: two)
  FAIRLEAD_BIN        for lab and bench: programs from there; nothing is built for them then
  FAIRLEAD_LAB_SCALE  share of their repetitions that lab tests make (default 1)
  CCACHE_DIR          default: build/ccache
END
}

selected=()
for argument in "$@"; do
  case $argument in
    --help | -h) usage; exit 0 ;;
    --full) export FAIRLEAD_FULL=1 ;;
    layering | unit | lab | cluster | sanitize | bench) selected+=("$argument") ;;
    *) echo "tests/run.sh: \"$argument\" is neither a part (${PARTS[*]}) nor an option (--full, --help)" >&2; exit 2 ;;
  esac
done
[ ${#selected[@]} -gt 0 ] || selected=("${PARTS[@]}")

cd "$ROOT" || exit 2
mkdir -p "$RESULTS"
export PYTHONDONTWRITEBYTECODE=1 CCACHE_DIR=${CCACHE_DIR:-$ROOT/build/ccache}

# Two runs in one tree would build over each other. Parts are started without descriptor 9: what they leave holds no lock.
exec 9>"$ROOT/build/.run.lock"
if ! flock -n 9; then
  echo "waiting for another tests/run.sh in this tree"
  flock 9
fi

say() { printf '\n== %s\n' "$*"; }
is_selected() { [[ " ${selected[*]} " == *" $1 "* ]]; }
now() { date +%s.%N; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN {printf "%.1f", b - a}'; }

# -- parts and their sum

passed=0 failed=0 skipped=0 summary=() complaints=()

# part NAME TITLE FUNCTION: runs FUNCTION DIR, counts what it left in DIR (see tally.py).
part() {
  local name=$1 title=$2 function=$3 dir=$RESULTS/${1// /-} start code counts p f s line verdict=ok
  rm -rf "$dir"
  mkdir -p "$dir/gtest"
  say "$name: $title"
  start=$(now)
  "$function" "$dir" 9>&-
  code=$?
  counts=$("$PYTHON" tests/support/tally.py "$dir" "$code" || printf '0 1 0\ntally.py failed\n')
  read -r p f s <<<"$counts"
  if [ "$((p + f))" -eq 0 ]; then # skipping everything is not passing
    f=1
    counts+=$'\nnothing ran'
  fi
  [ "$f" -eq 0 ] || verdict=FAILED
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  printf -v line '%-12s %-7s %7s s   %s passed, %s failed, %s skipped' "$name" "$verdict" "$(since "$start")" "$p" "$f" "$s"
  summary+=("$line")
  echo "-- $line"
  while read -r line; do
    [ -z "$line" ] || complaints+=("$name: $line")
  done < <(tail -n +2 <<<"$counts")
  [ "$f" -eq 0 ]
}

not_run() {
  summary+=("$(printf '%-12s not run: %s' "$1" "$2")")
}

finish() {
  say "summary"
  [ ${#summary[@]} -eq 0 ] || printf '%s\n' "${summary[@]}"
  [ ${#complaints[@]} -eq 0 ] || printf 'FAILED %s\n' "${complaints[@]:0:50}"
  [ ${#complaints[@]} -le 50 ] || echo "... and $((${#complaints[@]} - 50)) more"
  local last="$passed passed, $failed failed"
  [ "$skipped" -eq 0 ] || last+=", $skipped skipped"
  echo "$last"
  [ "$failed" -eq 0 ]
  exit
}

# interrupted: what ran is still summed up, and the run has failed.
trap 'failed=$((failed + 1)); complaints+=("interrupted"); finish' INT TERM

# -- builds

# build PRESET LOG JOBS [TARGET...]: quiet; the log's end when it fails.
build() {
  local preset=$1 log=$2 jobs=$3 targets=()
  shift 3
  [ $# -eq 0 ] || targets=(--target "$@")
  if ! cmake --preset "$preset" >"$log" 2>&1; then
    tail -n 40 "$log"
    echo "cmake --preset $preset failed; all of it: ${log#"$ROOT/"}"
    return 1
  fi
  if ! cmake --build --preset "$preset" "-j$jobs" "${targets[@]}" >>"$log" 2>&1; then
    grep -m 1 -A 40 '^FAILED:' "$log" || tail -n 40 "$log"
    echo "cmake --build --preset $preset failed; all of it: ${log#"$ROOT/"}"
    return 1
  fi
}

part_build() {
  local dir=$1 start seconds clean=()
  export CCACHE_STATSLOG=$dir/ccache.log
  : >"$dir/ninja_log.before"
  if [ -e build/release/.ninja_log ]; then cp build/release/.ninja_log "$dir/ninja_log.before"; else clean=(--was-clean); fi
  start=$(now)
  build release "$dir/build.log" "${FAIRLEAD_JOBS:-2}" || return 1
  seconds=$(since "$start")
  unset CCACHE_STATSLOG
  "$PYTHON" tests/support/build_times.py build/release --before "$dir/ninja_log.before" --seconds "$seconds" \
    "${clean[@]}" --ccache-log "$dir/ccache.log" --junit "$dir/build.xml"
}

jobs() { echo "${FAIRLEAD_JOBS:-$(nproc)}"; }

# -- tests

part_layering() { "$PYTHON" tests/unit/layering.py --junit "$1/layering.xml"; }

# ctest_unit DIR BUILD [ctest's arguments]. The layering test has a part of its own.
ctest_unit() {
  local dir=$1 build=$2
  shift 2
  GTEST_OUTPUT="xml:$dir/gtest/" ctest --test-dir "$build" -L unit -E '^layering$' "-j$(jobs)" --output-on-failure \
    --no-tests=error --output-junit "$dir/ctest.xml" "$@"
}

# pytest_lab DIR BIN. Files of the tests stay below build/, the logs of programs among them.
pytest_lab() {
  local limit=40m
  [ -z "${FAIRLEAD_FULL:-}" ] || limit=6h
  FAIRLEAD_BIN=$2 timeout --foreground -k 60 "$limit" "$PYTHON" -m pytest tests/lab -q -rsf --durations=5 \
    -p no:cacheprovider --basetemp="$1/tmp" --junitxml="$1/pytest.xml"
}

# Figures are printed. What it builds for Kubernetes is kept outside the tree.
part_cluster() {
  # The time limit is for a first run, which compiles Kubernetes.
  FAIRLEAD_BIN=${FAIRLEAD_BIN:-$ROOT/build/release/bin} timeout --foreground -k 120 90m "$PYTHON" -m pytest tests/cluster \
    -q -s -rsf --durations=5 -p no:cacheprovider --basetemp="$1/tmp" --junitxml="$1/pytest.xml"
}

part_unit() { ctest_unit "$1" build/release; }
part_lab() { pytest_lab "$1" "${FAIRLEAD_BIN:-$ROOT/build/release/bin}"; }
part_bench() { FAIRLEAD_BIN=${FAIRLEAD_BIN:-$ROOT/build/release/bin} "$PYTHON" tests/bench/bench.py --junit "$1/bench.xml"; }

# no_reports DIR: what sanitizers wrote there is printed, and a fault. A daemon that reports while it ends, or whose exit
# code nobody looks at, fails no test by itself. ASan keeps to log_path; UBSan beside it writes into the daemon's log.
no_reports() {
  local report found=0
  while read -r report; do
    found=1
    echo "-- sanitizer: ${report#"$ROOT/"}"
    grep -m 1 -A 40 -E "$SANITIZER_SAYS" "$report"
  done < <(grep -rlE --include='report.*' --include='*.log' "$SANITIZER_SAYS" "$1")
  return $found
}
SANITIZER_SAYS='runtime error: |(ERROR|WARNING): [A-Za-z]+Sanitizer'

part_asan_build() {
  build asan "$1/build.log" "$(jobs)" || return 1
  echo '<testsuite name="build"><testcase classname="build" name="asan"/></testsuite>' >"$1/build.xml"
}
part_asan_unit() {
  ASAN_OPTIONS=halt_on_error=1:detect_leaks=1:detect_stack_use_after_return=1:check_initialization_order=1 \
    UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 ctest_unit "$1" build/asan
}
part_asan_lab() {
  local code
  ASAN_OPTIONS=halt_on_error=1:detect_leaks=1:exitcode=99:log_path=$1/report \
    UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1:exitcode=99:log_path=$1/report \
    FAIRLEAD_LAB_SCALE=${FAIRLEAD_LAB_SCALE:-$SANITIZED_LAB_SCALE} pytest_lab "$1" "$ROOT/build/asan/bin"
  code=$?
  no_reports "$1" || code=1
  return $code
}
part_tsan() {
  local quiet=() pattern
  # GCC 12's TSan does not start where the kernel randomizes more address bits than it knows of.
  if setarch -R true 2>/dev/null; then quiet=(setarch -R); fi
  build tsan "$1/build.log" "$(jobs)" "${TSAN_TESTS[@]}" || return 1
  pattern="^($(IFS='|' && echo "${TSAN_TESTS[*]}"))\$"
  TSAN_OPTIONS=halt_on_error=1:exitcode=66:second_deadlock_stack=1 GTEST_OUTPUT="xml:$1/gtest/" \
    "${quiet[@]}" ctest --test-dir build/tsan -R "$pattern" --output-on-failure --no-tests=error --output-junit "$1/ctest.xml"
}

# -- the run

[ "${selected[*]}" = layering ] || {
  . tests/support/packages.sh
  say "packages: what tests/packages.txt names"
  if ensure_packages; then echo "nothing is missing"; else echo "going on; what needs them will fail, or be skipped and say so"; fi
}

is_selected layering && part layering "includes against the arrows, and whether planted faults are found" part_layering

has_release=yes
if is_selected unit || { [ -z "${FAIRLEAD_BIN:-}" ] && { is_selected lab || is_selected cluster || is_selected bench; }; }; then
  part build "cmake --preset release; cmake --build --preset release -j${FAIRLEAD_JOBS:-2}" part_build || has_release=
fi
for name in unit lab; do
  is_selected $name || continue
  case $name in unit) title="ctest -L unit" ;; lab) title="pytest tests/lab" ;; esac
  if [ -n "$has_release" ]; then part $name "$title" part_$name; else not_run $name "the release build failed"; fi
done

if is_selected cluster; then
  if reason=$("$PYTHON" tests/cluster/kube.py); then
    skipped=$((skipped + 1))
    not_run cluster "skipped: $reason"
  elif [ -n "$has_release" ]; then
    part cluster "pytest tests/cluster" part_cluster
  else
    not_run cluster "the release build failed"
  fi
fi

if is_selected sanitize; then
  if part "asan build" "AddressSanitizer and UndefinedBehaviorSanitizer" part_asan_build; then
    part "asan unit" "ctest -L unit" part_asan_unit
    part "asan lab" "pytest tests/lab, a share of ${FAIRLEAD_LAB_SCALE:-$SANITIZED_LAB_SCALE} of the repetitions" part_asan_lab
  else
    not_run "asan unit" "the build failed"
    not_run "asan lab" "the build failed"
  fi
  part tsan "ThreadSanitizer: ${TSAN_TESTS[*]}" part_tsan
fi

if is_selected bench; then
  if [ -n "$has_release" ]; then part bench "time and memory" part_bench; else not_run bench "the release build failed"; fi
fi
finish
