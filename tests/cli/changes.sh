#!/bin/bash
# changes: one JSON object a line.
# Words are split on purpose ("board-get demo" is two), and the tests are called by name.
# shellcheck disable=SC2086,SC2317
# shellcheck source-path=SCRIPTDIR source=../support/cli.sh
. "$(dirname "$0")/../support/cli.sh"

without_times() {
    sed 's/,"reached_us":[0-9]*//g'
}

# The lines up to one that matches, without times, in $lines.
read_to() {
    lines=''
    while IFS= read -r -t "$DEADLINE" -u "$WATCH" line; do
        lines+=$line$'\n'
        matches "$line" "$1" || continue
        lines=$(without_times <<<"$lines")
        return
    done
    fail "no line matching '$1'" "$lines"
}

end_changes() {
    kill "$WATCH_PID"
    wait_end 0 ''
}

test_rows_then_changes() {
    ok score-add demo alice 10
    ok player-put demo bob --name 'Böb "B" \o'
    follow changes demo
    read_to '"ready"'
    same '{"type":"reset","board":"demo","old":null,"new":null}
{"type":"row","board":"demo","old":null,"new":{"id":"alice","name":"alice","score":10}}
{"type":"row","board":"demo","old":null,"new":{"id":"bob","name":"Böb \"B\" \\o","score":0}}
{"type":"ready","board":"demo","old":null,"new":null}' "$lines" 'the start'
    ok score-add demo alice 5
    read_to .
    same '{"type":"change","board":"demo","old":{"id":"alice","name":"alice","score":10},"new":{"id":"alice","name":"alice","score":15}}' "$lines" 'the change'
    ok score-add demo carol 1
    read_to .
    same '{"type":"change","board":"demo","old":null,"new":{"id":"carol","name":"carol","score":1}}' "$lines" 'the new player'
    ok player-remove demo carol
    read_to .
    same '{"type":"change","board":"demo","old":{"id":"carol","name":"carol","score":1},"new":null}' "$lines" 'the removal'
    end_changes
}

# The time in a row is the one that player-get shows.
test_time() {
    ok score-add demo alice 10
    follow changes demo
    wait_line '"row"'
    ok --json player-get demo alice
    [[ $line == *"$(grep -o '"reached_us":[0-9]*' <<<"$out")"* ]] || fail 'another time' "$line" "$out"
    end_changes
}

test_no_rows() {
    ok score-add demo alice 10
    follow changes demo --no-rows
    read_to '"ready"'
    same 2 "$(wc -l <<<"$lines")" 'lines of the start'
    ok score-add demo alice 1
    wait_line '"type":"change".*"score":11'
    end_changes
}

test_all_boards() {
    ok score-add b alice 1
    ok score-add a bob 2
    follow changes
    read_to '"ready"'
    same '{"type":"reset","board":null,"old":null,"new":null}
{"type":"row","board":"a","old":null,"new":{"id":"bob","name":"bob","score":2}}
{"type":"row","board":"b","old":null,"new":{"id":"alice","name":"alice","score":1}}
{"type":"ready","board":null,"old":null,"new":null}' "$lines" 'the start'
    ok score-add c carol 3
    wait_line '"type":"change","board":"c","old":null,"new":\{"id":"carol"'
    ok board-delete a
    wait_line '^\{"type":"gone","board":"a","old":null,"new":null\}$'
    end_changes
}

# After gone it goes on, and a new board begins with reset.
test_deleted_and_made_anew() {
    ok score-add demo alice 10
    follow changes demo
    read_to '"ready"'
    ok board-delete demo
    wait_line '^\{"type":"gone","board":"demo","old":null,"new":null\}$'
    ok score-add demo bob 7
    wait_line '"reset","board":"demo"'
    read_to '"ready"'
    [[ $lines != *alice* ]] || fail 'the old player is there' "$lines"
    ok score-add demo bob 1
    wait_line '"type":"change".*"score":8'
    end_changes
}

# Two that follow, each hears what other processes and the sqlite3 shell write.
test_two_processes_and_the_shell() {
    need sqlite3
    ok board-create demo
    follow changes demo
    wait_line '"ready"'
    first=$WATCH first_pid=$WATCH_PID first_err=$WATCH_ERR
    follow changes
    wait_line '"ready"'
    ok score-add demo alice 10
    wait_line '"new":\{"id":"alice","name":"alice","score":10,'
    sql "UPDATE players SET score = 99 WHERE id = 'alice'"
    wait_line '"old":\{"id":"alice","name":"alice","score":10,.*"new":\{"id":"alice","name":"alice","score":99,'
    sql "INSERT INTO players(board, id, score) VALUES ('demo', 'bob', 5)"
    wait_line '"new":\{"id":"bob","name":"bob","score":5,'
    sql "DELETE FROM players WHERE id = 'alice'"
    wait_line '"old":\{"id":"alice",.*"new":null\}'
    end_changes
    WATCH=$first WATCH_PID=$first_pid WATCH_ERR=$first_err
    for wanted in '"score":10,' '"score":99,' '"new":\{"id":"bob"' '"old":\{"id":"alice".*"new":null'; do
        wait_line "$wanted"
    done
    end_changes
}

# A copy that is kept as the help says ends up as the board is.
keep_copy() {
    python3 -c '
import json, sys
rows = {}
for line in sys.stdin:
    change = json.loads(line)
    if change["type"] in ("reset", "gone"):
        rows = {}
    elif change["new"]:
        rows[change["new"]["id"]] = change["new"]
    elif change["old"]:
        rows.pop(change["old"]["id"], None)
    print(json.dumps(sorted((r["id"], r["score"], r["reached_us"]) for r in rows.values())), flush=True)
'
}

test_copy_converges() {
    local writers=() i
    need python3
    ok board-create demo
    mkfifo "$DIR/copy"
    "$LBCTL" changes demo | keep_copy >"$DIR/copy" &
    exec {WATCH}<"$DIR/copy"
    for i in 1 2 3 4; do
        for j in $(seq 25); do
            "$LBCTL" score-add demo "p$((j % 7))" "$i"
            [ $((j % 10)) -ne 0 ] || "$LBCTL" player-remove demo p1
        done >/dev/null 2>&1 &
        writers+=($!)
    done
    wait "${writers[@]}"
    wanted=$("$LBCTL" export demo | python3 -c '
import json, sys
rows = [json.loads(line) for line in sys.stdin][1:-1]
print(json.dumps(sorted((r["id"], r["score"], r["reached_us"]) for r in rows)))')
    while IFS= read -r -t "$DEADLINE" -u "$WATCH" line; do
        [ "$line" != "$wanted" ] || return 0
    done
    fail 'the copy does not become the board' "the board: $wanted" "the copy:  $line"
}

test_missing() {
    check 3 '' '^lbctl: .*; create a board with: lbctl board-create BOARD$' changes demo
    check 3 '' '^lbctl: .*; create a board with: lbctl board-create BOARD$' changes
    check_nothing_created
    ok board-create other
    check 3 '' '^lbctl: .*demo' changes demo
    check 2 '' '^lbctl: a board id is made of' changes 'a b'
}

test_reader_goes() {
    ok score-add demo alice 10
    follow changes demo
    wait_line '"ready"'
    exec {WATCH}<&-
    wait_end 0 ''
    same '{"type":"reset","board":null,"old":null,"new":null}' "$("$LBCTL" changes | head -n 1)" 'the first line'
}

test_signals() {
    ok score-add demo alice 10
    for signal in INT TERM; do
        follow changes
        wait_line '"ready"'
        kill -s $signal "$WATCH_PID"
        wait_end 0 ''
    done
}

test_signal_while_blocked() {
    need sqlite3
    ok board-create demo
    sql "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
        INSERT INTO players(board, id, score) SELECT 'demo', 'player-with-a-rather-long-id-' || i, i FROM n"
    follow changes
    # The rows are more than fits into a pipe.
    IFS= read -r -t "$DEADLINE" -n 1 -u "$WATCH" _ || fail 'no row'
    kill "$WATCH_PID"
    wait_end 0 ''
}

test_full_device() {
    ok score-add demo alice 10
    "$LBCTL" changes demo >/dev/full 2>"$DIR/err"
    same 1 $? 'the status'
    same 'lbctl: cannot write to standard output: No space left on device' "$(<"$DIR/err")" 'the error'
}

# Somebody writes into the log itself: what it would make deaf is refused, what is a gap is told as one.
test_forged_log() {
    need sqlite3
    ok score-add demo alice 10
    follow changes demo
    read_to '"ready"'
    sqlite3 leaderboard.db "INSERT INTO changes(seq, us, board, id) VALUES (9223372036854775807, 1, 'demo', 'alice')" \
        2>"$DIR/err" && fail 'the highest number is taken'
    grep -q 'CHECK constraint failed' "$DIR/err" || fail 'another error' "$(<"$DIR/err")"
    sql "INSERT INTO changes(seq, us, board, id) VALUES (4611686018427387903 - 1000, 1, 'demo', 'alice')"
    read_to '"ready"'
    same '{"type":"reset","board":"demo","old":null,"new":null}' "$(head -n 1 <<<"$lines")" 'after the gap'
    ok score-add demo alice 5
    read_to '"change"'
    [[ $lines == *'"new":{"id":"alice","name":"alice","score":15}'* ]] || fail 'another change' "$lines"
    kill "$WATCH_PID"
    wait_end 0 'fell behind the change log'
}

run_tests
