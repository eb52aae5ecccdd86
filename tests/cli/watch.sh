#!/bin/bash
# watch: Server-Sent Events on standard output.
# Words are split on purpose ("board-get demo" is two), and the tests are called by name.
# shellcheck disable=SC2086,SC2317
# shellcheck source-path=SCRIPTDIR source=../support/cli.sh
. "$(dirname "$0")/../support/cli.sh"

# The rows of the event that wait_line has found, as "alice 10 bob 5".
rows() {
    grep -o '"id":"[^"]*","name":"[^"]*","score":-\{0,1\}[0-9]*' <<<"$line" |
        sed 's/"id":"\([^"]*\)".*:/\1 /' | xargs
}

# Reads events until the rows are these; what comes between depends on the time.
wait_rows() {
    while wait_line '^data: '; do
        [ "$(rows)" != "$1" ] || return
    done
}

test_event() {
    ok score-add demo alice 10
    start_watch demo
    IFS= read -r -t "$DEADLINE" -u "$WATCH" first
    IFS= read -r -t "$DEADLINE" -u "$WATCH" second
    IFS= read -r -t "$DEADLINE" -u "$WATCH" third
    IFS= read -r -t "$DEADLINE" -u "$WATCH" fourth
    same 'event: update' "$first" 'the first line'
    [[ $second =~ ^id:\ [0-9A-Za-z_-]+$ ]] || fail 'the second line is no id' "$second"
    same 'data: {"players":[{"id":"alice","name":"alice","score":10,"position":1,"rank":1}]}' "$third" 'the data'
    same '' "$fourth" 'the last line'
    kill "$WATCH_PID"
    wait_end 0 ''
}

# The same object as board-get --json, and the same id in every process.
test_same_object_and_id() {
    for i in 1 2 3 4 5 6 7; do
        ok score-add demo "p$i" "$i"
    done
    start_watch demo
    wait_line '^id: '
    id=$line
    wait_line '^data: '
    ok --json board-get demo
    same "data: $out" "$line" 'the object'
    same "$id" "$("$LBCTL" watch demo | sed -n '2{p;q}')" 'the id elsewhere'
    kill "$WATCH_PID"
    wait_end 0 ''
}

test_limit() {
    for i in 1 2 3; do
        ok score-add demo "p$i" "$i"
    done
    start_watch demo --limit 2
    wait_rows 'p3 3 p2 2'
    # Below the second row nothing is to be seen of it; what comes next is about p2.
    ok score-add demo p1 -1
    ok score-add demo p2 5
    wait_line '^data: '
    same 'p2 7 p3 3' "$(rows)" 'the next event'
    kill "$WATCH_PID"
    wait_end 0 ''
}

test_follows_writes() {
    ok board-create demo
    start_watch demo
    wait_line '^data: \{"players":\[\]\}$'
    ok score-add demo alice 10
    wait_rows 'alice 10'
    ok score-add demo alice -20
    ok score-add demo bob 5
    wait_rows 'bob 5 alice -10'
    ok player-put demo bob --name 'Böb "B" \o'
    wait_line '"name":"Böb \\"B\\" \\\\o"'
    ok player-remove demo bob
    wait_rows 'alice -10'
    kill "$WATCH_PID"
    wait_end 0 ''
}

# A write that changes nothing is not told.
test_unchanged_is_not_told() {
    ok score-add demo alice 10
    start_watch demo
    wait_rows 'alice 10'
    ok score-add demo alice 0
    ok player-put demo alice
    ok score-add demo alice 1
    wait_line '^data: '
    same 'alice 11' "$(rows)" 'the next event'
    kill "$WATCH_PID"
    wait_end 0 ''
}

test_follows_the_sqlite3_shell() {
    need sqlite3
    ok score-add demo alice 10
    ok score-add demo bob 5
    start_watch demo
    wait_rows 'alice 10 bob 5'
    sql "UPDATE players SET score = 99 WHERE id = 'bob'"
    wait_rows 'bob 99 alice 10'
    sql "DELETE FROM players WHERE id = 'alice'"
    wait_rows 'bob 99'
    sql "INSERT INTO players(board, id, score) VALUES ('demo', 'carol', 100)"
    wait_rows 'carol 100 bob 99'
    sql "UPDATE players SET score = -score"
    wait_rows 'bob -99 carol -100'
    kill "$WATCH_PID"
    wait_end 0 ''
}

# Another process had been writing all the time, and the last state is told.
test_last_state() {
    ok board-create demo
    start_watch demo
    for i in $(seq 50); do
        ok score-add demo alice 1
    done
    wait_rows 'alice 50'
    kill "$WATCH_PID"
    wait_end 0 ''
}

test_missing() {
    check 3 '' '^lbctl: .*; create it with: lbctl board-create demo$' watch demo
    check_nothing_created
    ok board-create other
    check 3 '' '^lbctl: .*demo.*; create it with: lbctl board-create demo$' watch demo
}

test_deleted() {
    ok score-add demo alice 10
    start_watch demo
    wait_rows 'alice 10'
    ok board-delete demo
    wait_end 3 "^lbctl: board 'demo' was deleted$"
}

test_deleted_at_the_shell() {
    need sqlite3
    ok score-add demo alice 10
    start_watch demo
    wait_rows 'alice 10'
    sql "DELETE FROM boards WHERE id = 'demo'"
    wait_end 3 "^lbctl: board 'demo' was deleted$"
}

# Nothing happens on the board, and still it is noticed.
test_reader_goes_while_idle() {
    ok score-add demo alice 10
    start_watch demo
    wait_rows 'alice 10'
    exec {WATCH}<&-
    wait_end 0 ''
}

test_reader_goes_while_busy() {
    ok score-add demo alice 10
    start_watch demo
    for i in $(seq 20); do
        ok score-add demo alice 1
        [ "$i" -ne 10 ] || exec {WATCH}<&-
    done
    wait_end 0 ''
}

test_signals() {
    ok score-add demo alice 10
    for signal in INT TERM; do
        start_watch demo
        wait_rows 'alice 10'
        wait_line '^$'
        kill -s $signal "$WATCH_PID"
        wait_end 0 ''
        rm "$DIR/watch" "$DIR/watch_err"
    done
}

# Nobody reads, the pipe is full, and a signal still ends it.
test_signal_while_blocked() {
    need sqlite3
    ok board-create demo
    sql "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
        INSERT INTO players(board, id, score) SELECT 'demo', 'player-with-a-rather-long-id-' || i, i FROM n"
    start_watch demo --limit 1000
    # An event is larger than a pipe: once this byte is there, the process waits for room or soon will.
    IFS= read -r -t "$DEADLINE" -n 1 -u "$WATCH" _ || fail 'no event'
    kill "$WATCH_PID"
    wait_end 0 ''
}

test_full_device() {
    ok score-add demo alice 10
    "$LBCTL" watch demo >/dev/full 2>"$DIR/err"
    same 1 $? 'the status'
    same 'lbctl: cannot write to standard output: No space left on device' "$(<"$DIR/err")" 'the error'
    "$LBCTL" watch demo >&- 2>"$DIR/err"
    same 1 $? 'the status when it is closed'
}

# User and system time of the watch so far, in clock ticks (10 ms).
ticks() {
    local stat
    stat=$(<"/proc/$WATCH_PID/stat")
    stat=${stat##*) }
    set -- $stat
    echo $((${12} + ${13}))
}

# Idle for three seconds, which is what is measured here, not waited for.
test_idle() {
    [ -r /proc/self/stat ] || skip 'no /proc here'
    ok score-add demo alice 10
    start_watch demo
    wait_rows 'alice 10'
    before=$(ticks)
    sleep 3
    used=$(($(ticks) - before))
    [ $used -le 5 ] || fail "used $used ticks of 10 ms in 3 idle seconds"
    ok score-add demo alice 1
    wait_rows 'alice 11'
    kill "$WATCH_PID"
    wait_end 0 ''
}

run_tests
