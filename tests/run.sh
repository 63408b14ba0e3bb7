#!/bin/bash
# Builds Fairlead and runs its tests. --help says how.
set -uo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
RESULTS=$ROOT/build/results
PYTHON=/usr/bin/python3 # Debian's, for which pytest, yaml and scapy are installed
PARTS=(layering unit lab cluster sanitize bench)
LONG_PARTS=(mutation fuzz) # by name, or with --full
# The loop, and everything that posts into it: the sources and their threads. The thread sanitizer looks at these unit tests,
# and at a speaker with the HTTP client and its threads (TSAN_LAB). What else posts (speaker/nft) does so from the loop.
TSAN_TESTS=(loop_test folder_source_test kube_source_test)
TSAN_LAB=tests/lab/test_api_server.py
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
  sanitize   unit and lab once more with ASan + UBSan; with TSan the loop and all that posts into it
  bench      what is promised about time and memory, measured; then Fairlead beside kube-proxy and a direct route (tests/bench)
  mutation   faults planted one at a time, each to be found by a unit test (tests/mutation)
  fuzz       every parser for ten minutes under libFuzzer (tests/fuzz); an hour. FAIRLEAD_FUZZ_SECONDS: another time for each

Without a PART: all but mutation and fuzz. --full (FAIRLEAD_FULL=1): those too, and the judged numbers of repetitions; hours,
by hand.

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
    layering | unit | lab | cluster | sanitize | bench | mutation | fuzz) selected+=("$argument") ;;
    *) echo "tests/run.sh: \"$argument\" is neither a part (${PARTS[*]} ${LONG_PARTS[*]}) nor an option (--full, --help)" >&2; exit 2 ;;
  esac
done
if [ ${#selected[@]} -eq 0 ]; then
  selected=("${PARTS[@]}")
  [ -z "${FAIRLEAD_FULL:-}" ] || selected+=("${LONG_PARTS[@]}")
fi

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

passed=0 failed=0 skipped=0 summary=() complaints=() unstable=()

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
    case $line in
      '') ;;
      'unstable: '*) unstable+=("$name: ${line#unstable: }") ;;
      *) complaints+=("$name: $line") ;;
    esac
  done < <(tail -n +2 <<<"$counts")
  [ "$f" -eq 0 ]
}

not_run() {
  summary+=("$(printf '%-12s not run: %s' "$1" "$2")")
}

finish() {
  say "summary"
  [ ${#summary[@]} -eq 0 ] || printf '%s\n' "${summary[@]}"
  [ ${#unstable[@]} -eq 0 ] || printf 'UNSTABLE %s (failed once, passed when run again)\n' "${unstable[@]}"
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

# pytest_twice DIR LIMIT [pytest's arguments]. Files of the tests stay below build/, the logs of programs among them. What a
# caller has put into `prefix` stands before the command; into `beside`, what lets tests run beside each other. Many daemons,
# two cores and other people's load: of a few hundred tests one may miss its moment. The files of what fails (five tests at
# most) are run once more by themselves, whole, as a test may go on from the one before; what passes then is named in the summary.
pytest_twice() {
  local dir=$1 limit=$2 code argument files options=()
  shift 2
  "${prefix[@]}" timeout --foreground -k 120 "$limit" "$PYTHON" -m pytest "$@" "${beside[@]}" -rsf --durations=5 \
    -o cache_dir="$dir/cache" --basetemp="$dir/tmp" --junitxml="$dir/pytest.xml"
  code=$?
  [ "$code" -eq 1 ] && [ "$(grep -c : "$dir/cache/v/cache/lastfailed")" -le 5 ] || return "$code"
  mapfile -t files < <("$PYTHON" -c 'import json, sys; print(*sorted({t.partition("::")[0] for t in json.load(sys.stdin)}), sep="\n")' <"$dir/cache/v/cache/lastfailed")
  for argument in "$@"; do [[ $argument != -* ]] || options+=("$argument"); done
  say "once more: ${files[*]}"
  "${prefix[@]}" timeout --foreground -k 120 "$limit" "$PYTHON" -m pytest "${files[@]}" "${options[@]}" -rsf \
    -o cache_dir="$dir/cache" --basetemp="$dir/tmp-again" --junitxml="$dir/again.xml"
  code=$?
  [ "$code" -eq 1 ] || return "$code" # of one that failed this time only, the first run counts: tally.py
}

# pytest_lab DIR BIN [FILE...]: two files of tests at a time, as they mostly wait. Each has namespaces of its own.
pytest_lab() {
  local dir=$1 bin=$2 limit=40m beside=(-n 2 --dist loadfile)
  shift 2
  [ $# -gt 0 ] || set -- tests/lab
  [ -z "${FAIRLEAD_FULL:-}" ] || limit=6h beside=()  # what is judged is measured alone
  FAIRLEAD_BIN=$bin pytest_twice "$dir" "$limit" "$@" -q
}

# Figures are printed. What it builds for Kubernetes is kept outside the tree.
part_cluster() {
  # The time limit is for a first run, which compiles Kubernetes.
  FAIRLEAD_BIN=${FAIRLEAD_BIN:-$ROOT/build/release/bin} pytest_twice "$1" 90m tests/cluster -q -s
}

part_unit() { ctest_unit "$1" build/release; }
prefix=() beside=()
part_lab() { pytest_lab "$1" "${FAIRLEAD_BIN:-$ROOT/build/release/bin}"; }
part_bench() {
  local code=0
  export FAIRLEAD_BIN=${FAIRLEAD_BIN:-$ROOT/build/release/bin}
  "$PYTHON" tests/bench/bench.py --junit "$1/bench.xml" || code=1
  "$PYTHON" tests/bench/compare.py --junit "$1/compare.xml" --json "$1/compare.json" || code=1
  return $code
}
part_mutation() { "$PYTHON" tests/mutation/run.py --junit "$1/mutation.xml"; }
part_fuzz() { tests/fuzz/run.sh --junit "$1/fuzz.xml" "${FAIRLEAD_FUZZ_SECONDS:-600}"; }

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
# GCC 12's TSan does not start where the kernel randomizes more address bits than it knows of. Children inherit this.
without_random_addresses() {
  if setarch -R true 2>/dev/null; then echo setarch -R; fi
}
part_tsan_build() {
  build tsan "$1/build.log" "$(jobs)" "${TSAN_TESTS[@]}" fairlead-speaker || return 1
  echo '<testsuite name="build"><testcase classname="build" name="tsan"/></testsuite>' >"$1/build.xml"
}
part_tsan_unit() {
  local pattern quiet
  read -ra quiet < <(without_random_addresses)
  pattern="^($(IFS='|' && echo "${TSAN_TESTS[*]}"))\$"
  TSAN_OPTIONS=halt_on_error=1:exitcode=66:second_deadlock_stack=1 GTEST_OUTPUT="xml:$1/gtest/" \
    "${quiet[@]}" ctest --test-dir build/tsan -R "$pattern" --output-on-failure --no-tests=error --output-junit "$1/ctest.xml"
}
# cpprestsdk and OpenSSL come without the sanitizer's knowledge: what they do under their own locks is not judged.
part_tsan_lab() {
  local code prefix
  read -ra prefix < <(without_random_addresses)
  TSAN_OPTIONS=halt_on_error=0:exitcode=66:second_deadlock_stack=1:ignore_noninstrumented_modules=1:log_path=$1/report \
    pytest_lab "$1" "$ROOT/build/tsan/bin" "$TSAN_LAB"
  code=$?
  no_reports "$1" || code=1
  return $code
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
  if part "tsan build" "ThreadSanitizer: ${TSAN_TESTS[*]} fairlead-speaker" part_tsan_build; then
    part "tsan unit" "${TSAN_TESTS[*]}" part_tsan_unit
    part "tsan lab" "$TSAN_LAB" part_tsan_lab
  else
    not_run "tsan unit" "the build failed"
    not_run "tsan lab" "the build failed"
  fi
fi

if is_selected bench; then
  if [ -n "$has_release" ]; then part bench "time and memory" part_bench; else not_run bench "the release build failed"; fi
fi
is_selected mutation && part mutation "planted faults, each to be found by a unit test" part_mutation
is_selected fuzz && part fuzz "every parser, ${FAIRLEAD_FUZZ_SECONDS:-600} s" part_fuzz
finish
