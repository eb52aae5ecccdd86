#!/bin/bash
# Many processes at once.
#
# LBCTL_TEST_ADDS (1000): how often each of the eight processes adds; each time is a process of its own, so that
# 8,000 are started. LBCTL_TEST_ROUNDS (50): how often the first opening is raced. LBCTL_TEST_KILLS (150): how many
# adders are killed.
# Words are split on purpose ("board-get demo" is two), and the tests are called by name.
# shellcheck disable=SC2086,SC2317
# shellcheck source-path=SCRIPTDIR source=../support/cli.sh
. "$(dirname "$0")/../support/cli.sh"

ADDS=${LBCTL_TEST_ADDS:-1000}
ROUNDS=${LBCTL_TEST_ROUNDS:-50}
KILLS=${LBCTL_TEST_KILLS:-150}

# Eight at once in a directory where there is nothing yet.
test_first_opens() {
    local round i pids
    for ((round = 1; round <= ROUNDS; round++)); do
        mkdir "$round"
        cd "$round" || fail 'cd'
        pids=()
        for i in 1 2 3 4 5 6 7 8; do
            "$LBCTL" score-add demo alice "$i" >"out.$i" 2>&1 &
            pids+=($!)
        done
        for i in 1 2 3 4 5 6 7 8; do
            wait "${pids[i - 1]}" || fail "round $round: an add failed with status $?" "$(cat out.*)"
        done
        same 36 "$(score demo alice)" "round $round"
        cd ..
    done
}

# The first opening is raced by readers, too: they find no database, no board, or the board, nothing else.
test_first_opens_beside_readers() {
    local round i pids
    for ((round = 1; round <= ROUNDS / 5; round++)); do
        mkdir "$round"
        cd "$round" || fail 'cd'
        pids=()
        for i in 1 2 3 4; do
            "$LBCTL" score-add demo alice "$i" >"out.$i" 2>&1 &
            pids+=($!)
            "$LBCTL" board-get demo >"read.$i" 2>&1 &
            pids+=($!)
        done
        for i in 0 2 4 6; do
            wait "${pids[i]}" || fail "round $round: an add failed with status $?" "$(cat out.*)"
            wait "${pids[i + 1]}"
            [[ $? =~ ^[03]$ ]] || fail "round $round: a read failed" "$(cat read.*)"
        done
        same 10 "$(score demo alice)" "round $round"
        cd ..
    done
}

adder() {
    local i
    for ((i = 0; i < ADDS; i++)); do
        "$LBCTL" score-add demo alice 1 >"out.$1" 2>&1 || exit 1
    done
}

# Each add is there, and a watch that ran all the while ends on the sum.
test_eight_adders_and_a_watch() {
    local i pids=()
    ok board-create demo
    start_watch demo
    for i in 1 2 3 4 5 6 7 8; do
        adder "$i" &
        pids+=($!)
    done
    wait_line "\"id\":\"alice\",\"name\":\"alice\",\"score\":$((8 * ADDS)),"
    for i in "${!pids[@]}"; do
        wait "${pids[i]}" || fail "adder $((i + 1)) failed" "$(<"out.$((i + 1))")"
    done
    same $((8 * ADDS)) "$(score demo alice)" 'the sum'
    kill "$WATCH_PID"
    wait_end 0 ''
}

# Adds that are killed at any moment: one whose answer was printed is there, and the database stays whole.
test_kill_9() {
    local i pid moment answered=0 score
    ok board-create demo
    for ((i = 0; i < KILLS; i++)); do
        "$LBCTL" score-add demo "p$i" 1 >"out.$i" 2>/dev/null &
        pid=$!
        # Not to wait for anything: so that the moment is another one each time, within the life of the process.
        printf -v moment '0.%05d' $((RANDOM % 2000))
        read -r -t "$moment" -u "$NOTHING" _
        kill -9 $pid 2>/dev/null
        if wait $pid 2>/dev/null; then
            grep -q "^p$i " "out.$i" || fail "status 0 and no answer" "$(<"out.$i")"
        fi
    done
    ok --json board-get demo --limit 1000
    for ((i = 0; i < KILLS; i++)); do
        grep -qs "^p$i " "out.$i" || continue
        answered=$((answered + 1))
        [[ $out == *"\"id\":\"p$i\",\"name\":\"p$i\",\"score\":1,"* ]] || fail "p$i was answered and is not there"
    done
    score=$(grep -o '"score":1,' <<<"$out" | wc -l)
    ((score >= answered)) || fail "$answered were answered, $score are there"
    ok score-add demo after 1
    if command -v sqlite3 >/dev/null; then
        same ok "$(sql 'PRAGMA integrity_check')" 'the integrity check'
    fi
}

# A descriptor on which nothing ever comes.
mkfifo_nothing() {
    local dir
    dir=$(mktemp -d)
    mkfifo "$dir/nothing"
    exec {NOTHING}<>"$dir/nothing"
    rm -r "$dir"
}

mkfifo_nothing
run_tests
