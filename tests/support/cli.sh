# shellcheck shell=bash
# Tests of lbctl: sourced by tests/cli/*.sh and tests/live/*.sh, which are run by bash with LBCTL set to the program.
#
# A test is a function test_NAME; run_tests at the end of the script runs them in the order in which they are
# defined, or those whose names contain one of the words on the command line. Each runs in an empty directory that
# is removed afterwards, in a process of its own, without DATABASE_URL; it fails when it calls fail. One line a
# test: `ok NAME`, `FAIL NAME: why` or `SKIP NAME: why`.
#
# Nothing here sleeps to wait: what has to happen is read from a pipe, with a long deadline.

set -u
unset DATABASE_URL
export LC_ALL=C.UTF-8

: "${LBCTL:?set LBCTL to the program to test}"
LBCTL=$(realpath -- "$LBCTL") && [ -x "$LBCTL" ] || exit 1
SUITE=$(basename -- "$(dirname -- "$(realpath -- "$0")")")/$(basename -- "$0" .sh)
DEADLINE=$((60 * ${TEST_TIMEOUT_SCALE:-1}))

# ---- Verdicts -------------------------------------------------------------------------------------------------

# Where in the test script we are.
here() {
    local i
    for ((i = 1; i < ${#BASH_SOURCE[@]}; i++)); do
        if [ "${BASH_SOURCE[i]}" = "$0" ]; then
            echo "$SUITE.sh:${BASH_LINENO[i - 1]}"
            return
        fi
    done
}

# fail WHY [DETAILS...]: ends the test.
fail() {
    [ ! -s "$DIR/verdict" ] || exit 1 # inside $(...) it has failed already
    echo "FAIL $NAME: $(here): $1" >"$DIR/verdict"
    shift
    [ $# -eq 0 ] || printf '%s\n' "$@" | sed 's/^/    | /' >>"$DIR/verdict"
    exit 1
}

skip() {
    echo "SKIP $NAME: $1" >"$DIR/verdict"
    exit 0
}

need() {
    command -v "$1" >/dev/null || skip "no $1 here"
}

run_one() {
    NAME=$SUITE/${1#test_}
    DIR=$(mktemp -d) || exit 1
    mkdir "$DIR/cwd"
    (
        cd "$DIR/cwd" || exit 1
        trap 'kill_jobs' EXIT
        "$1"
    ) </dev/null
    local status=$?
    if [ -s "$DIR/verdict" ]; then
        cat "$DIR/verdict"
    elif [ $status -eq 0 ]; then
        echo "ok $NAME"
    else
        echo "FAIL $NAME: exit status $status"
        status=1
    fi
    rm -rf "$DIR"
    [ $status -eq 0 ]
}

kill_jobs() {
    local pids
    pids=$(jobs -p)
    # shellcheck disable=SC2086
    [ -z "$pids" ] || { kill -9 $pids; wait; } 2>/dev/null
}

run_tests() {
    local test word failed=0 wanted
    # shellcheck disable=SC2013
    for test in $(sed -n 's/^\(test_[a-z0-9_]*\)() {$/\1/p' "$0"); do
        wanted=$((${#WORDS[@]} == 0))
        for word in ${WORDS[@]+"${WORDS[@]}"}; do
            [[ $test == *"$word"* ]] && wanted=1
        done
        [ $wanted -eq 0 ] || run_one "$test" || failed=1
    done
    exit $failed
}
WORDS=("$@")

# ---- Commands -------------------------------------------------------------------------------------------------

# lb ARG...: runs lbctl; its status is in $status, what it printed in $out and $err.
lb() {
    "$LBCTL" "$@" >"$DIR/out" 2>"$DIR/err"
    status=$?
    out=$(<"$DIR/out")
    err=$(<"$DIR/err")
}

# Does the text match the pattern? '' is matched by nothing printed at all, others are extended regular expressions.
matches() {
    if [ -z "$2" ]; then
        [ -z "$1" ]
    else
        [[ $1 =~ $2 ]]
    fi
}

# check STATUS STDOUT STDERR ARG...: runs lbctl and compares. An error must be one line that begins with "lbctl: ".
check() {
    local want=$1 want_out=$2 want_err=$3
    shift 3
    lb "$@"
    if [ "$status" -ne "$want" ]; then
        fail "lbctl $*: status $status, not $want" "$out" "$err"
    fi
    matches "$out" "$want_out" || fail "lbctl $*: printed, not matching '$want_out'" "$out"
    matches "$err" "$want_err" || fail "lbctl $*: said, not matching '$want_err'" "$err"
    if [ "$want" -ne 0 ] && [[ ! $err =~ ^lbctl:\ [^$'\n']+$ ]]; then
        fail "lbctl $*: not one line that begins with lbctl:" "$err"
    fi
}

# ok ARG...: must succeed and say nothing on standard error.
ok() {
    check 0 '.*' '' "$@"
}

# same WANT GOT WHAT
same() {
    [ "$1" = "$2" ] || fail "$3: not the same" "wanted: $1" "got:    $2"
}

# The current directory is still empty.
check_nothing_created() {
    [ -z "$(ls -A)" ] || fail "files were created: $(echo .* *)"
}

# score BOARD PLAYER
score() {
    ok --json player-get "$1" "$2"
    [[ $out =~ \"score\":(-?[0-9]+) ]] || fail "no score in $out"
    echo "${BASH_REMATCH[1]}"
}

# sql STATEMENT: at the sqlite3 shell, with the patience of somebody who has set .timeout.
sql() {
    sqlite3 -cmd '.timeout 10000' leaderboard.db "$1" >"$DIR/sql" 2>&1 ||
        fail "sqlite3 leaderboard.db \"$1\"" "$(<"$DIR/sql")"
    cat "$DIR/sql"
}

# ---- A watch in the background --------------------------------------------------------------------------------

# follow ARG...: lbctl ARG... with its output on descriptor $WATCH and its errors on $WATCH_ERR.
follow() {
    rm -f "$DIR/watch" "$DIR/watch_err"
    mkfifo "$DIR/watch" "$DIR/watch_err"
    "$LBCTL" "$@" >"$DIR/watch" 2>"$DIR/watch_err" &
    WATCH_PID=$!
    exec {WATCH}<"$DIR/watch" {WATCH_ERR}<"$DIR/watch_err"
}

start_watch() {
    follow watch "$@"
}

# wait_line PATTERN: reads lines of the watch until one matches; it is in $line.
wait_line() {
    while IFS= read -r -t "$DEADLINE" -u "$WATCH" line; do
        matches "$line" "$1" && return
    done
    fail "the watch printed no line matching '$1'" "the last one: $line"
}

# wait_end STATUS STDERR: the watch ends by itself. Its last error line closes with the process.
wait_end() {
    local text='' more status
    while :; do
        IFS= read -r -t "$DEADLINE" -u "$WATCH_ERR" more
        status=$?
        [ $status -eq 0 ] || break
        text+=$more$'\n'
    done
    # 1: end of file, more than 128: the deadline has passed.
    [ $status -eq 1 ] || fail "the watch has not ended" "$text"
    wait "$WATCH_PID"
    status=$?
    [ $status -eq "$1" ] || fail "the watch ended with status $status, not $1" "$text"
    matches "${text%$'\n'}" "$2" || fail "the watch said, not matching '$2'" "$text"
}
