#!/bin/bash
# export: the players of a board, one JSON object a line.
# Words are split on purpose ("board-get demo" is two), and the tests are called by name.
# shellcheck disable=SC2086,SC2317
# shellcheck source-path=SCRIPTDIR source=../support/cli.sh
. "$(dirname "$0")/../support/cli.sh"

# fill BOARD N: players with names, and scores and times that are often the same.
fill() {
    need sqlite3
    sql "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $2)
        INSERT INTO players(board, id, name, score, reached_us)
        SELECT '$1', 'player' || i, 'Player \"' || i || '\" Ø', i * 7919 % 97 - 40,
        1700000000000000 + i * 104729 % 31 FROM n"
}

test_format() {
    ok board-create laps --ascending
    ok score-add laps bob -5
    ok player-put laps alice --name 'Ål "A" \o'
    ok export laps
    same '{"format":"leaderboard","version":1,"board":"laps","ascending":true}
{"id":"alice","name":"Ål \"A\" \\o","score":0}
{"id":"bob","name":"bob","score":-5}
{"end":true,"players":2}' "$("$LBCTL" export laps | sed 's/,"reached_us":[1-9][0-9]*//')" 'the lines'
    same "$out" "$("$LBCTL" export laps -)" 'with - for a file'
    same "$out" "$("$LBCTL" --json export laps)" 'with --json'
}

test_empty_board() {
    ok board-create demo
    ok export demo
    same '{"format":"leaderboard","version":1,"board":"demo","ascending":false}
{"end":true,"players":0}' "$out" 'the lines'
}

test_file() {
    ok score-add demo alice 1
    check 0 '^exported 1 players of demo to demo.ndjson$' '' export demo demo.ndjson
    same "$("$LBCTL" export demo)" "$(<demo.ndjson)" 'the file'
    ok score-add demo bob 1
    check 0 '^\{"board":"demo","players":2,"file":"demo.ndjson"\}$' '' --json export demo demo.ndjson
    same 4 "$(wc -l <demo.ndjson)" 'lines of the new file'
    same 'demo.ndjson leaderboard.db' "$(echo *)" 'what is there'
    (umask 027 && "$LBCTL" export demo secret.ndjson >/dev/null)
    same 640 "$(stat -c %a secret.ndjson)" 'the mode'
}

# A link stays one, and what is no file is not replaced by one.
test_special_files() {
    ok score-add demo alice 1
    echo old >target
    ln -s target link
    ok export demo link
    [ -L link ] || fail 'the link is gone'
    same "$("$LBCTL" export demo)" "$(<target)" 'what it points to'
    mkfifo fifo
    "$LBCTL" export demo fifo >/dev/null &
    same "$(<target)" "$(cat fifo)" 'the pipe'
    [ -p fifo ] || fail 'the pipe is gone'
    ok export demo /dev/null
    [ -c /dev/null ] || fail '/dev/null is gone'
}

# What cannot be completed leaves the old file and nothing else.
test_failure_leaves_the_old_file() {
    ok board-create demo
    fill demo 20000
    echo old >demo.ndjson
    (
        ulimit -f 100
        trap '' XFSZ
        "$LBCTL" export demo demo.ndjson >out 2>err
        echo $? >status
    )
    same 1 "$(<status)" 'the status'
    same 'lbctl: cannot write demo.ndjson: File too large' "$(<err)" 'the error'
    same old "$(<demo.ndjson)" 'the file'
    check 1 '' 'lbctl: cannot write no/such/x.ndjson: No such file' export demo no/such/x.ndjson
    check 1 '' 'lbctl: cannot write' export demo .
    same '' "$(find . -name '*tmp*')" 'what is left'
}

test_killed_leaves_the_old_file() {
    ok board-create demo
    fill demo 20000
    ok export demo whole.ndjson
    echo old >demo.ndjson
    for round in {1..20}; do
        signal=$([ $((round % 2)) = 0 ] && echo INT || echo TERM)
        "$LBCTL" export demo demo.ndjson >out 2>&1 &
        pid=$!
        # No program is started between the making of the file and the signal: it shall come early.
        until compgen -G 'demo.ndjson.tmp-*' >/dev/null; do
            kill -0 $pid 2>/dev/null || break
        done
        kill -s "$signal" $pid 2>/dev/null
        wait $pid
        status=$?
        if [ $status -ne 0 ]; then
            ((status > 128)) || fail "status $status" "$(<out)"
            # The signal may come between its last step, which puts the file in its place, and its end.
            cmp -s demo.ndjson whole.ndjson || same old "$(<demo.ndjson)" 'the file'
        fi
        same '' "$(find . -name '*.tmp-*')" 'what is left'
        echo old >demo.ndjson
    done
}

test_missing() {
    check 3 '' '^lbctl: .*; see the boards with: lbctl board-list$' export demo
    check 3 '' '^lbctl: ' export demo x.ndjson
    check_nothing_created
    check 2 '' '^lbctl: a board id is made of' export 'a b'
}

# The board goes while it is read: the reader takes no more than a pipe holds until then.
test_deleted_meanwhile() {
    ok board-create demo
    fill demo 20000
    follow export demo
    IFS= read -r -t "$DEADLINE" -u "$WATCH" line
    ok board-delete demo
    cat <&"$WATCH" >rest
    wait_end 3 '^lbctl: the board was deleted meanwhile'
    ! grep -q '"end"' rest || fail 'it has an end'
}

# Others write while it is read: those that are there all the while are there once.
test_others_write_meanwhile() {
    local i
    ok board-create demo
    fill demo 20000
    follow export demo
    for i in $(seq 1 50); do
        ok score-add demo "player$((i * 397))" 100000
        ok player-remove demo "player$((i * 397 + 1))"
        ok score-add demo "new$i" 1
    done
    cat <&"$WATCH" >lines
    wait_end 0 ''
    sed '1d;$d' lines | grep -o '^{"id":"player[0-9]*"' >ids
    same "$(sort ids)" "$(sort -u ids)" 'each once'
    for i in $(seq 1 50); do
        echo "{\"id\":\"player$((i * 397 + 1))\""
    done | sort >removed
    seq 20000 | sed 's/.*/{"id":"player&"/' | sort >all
    same '' "$(comm -23 <(comm -23 all removed) <(sort ids))" 'players that are missing'
    same "{\"end\":true,\"players\":$(($(wc -l <lines) - 2))}" "$(tail -n 1 lines)" 'the end'
}

# The log is rewritten several times over while the reader rests: the rows begin anew, and are not written twice.
test_falls_behind() {
    need sqlite3
    ok board-create demo
    fill demo 20000
    follow export demo
    IFS= read -r -t "$DEADLINE" -u "$WATCH" line
    sql "UPDATE players SET score = score + 1; DELETE FROM changes WHERE seq < (SELECT max(seq) FROM changes)"
    cat <&"$WATCH" >lines
    wait_end 0 ''
    same '{"end":true,"players":20000}' "$(tail -n 1 lines)" 'the end'
    sed '$d' lines | cut -d , -f 1 >ids
    same "$(sort ids)" "$(sort -u ids)" 'each once'
    same 20000 "$(wc -l <ids)" 'players'
}

test_reader_goes() {
    ok board-create demo
    fill demo 20000
    "$LBCTL" export demo 2>"$DIR/err" | head -n 1 >/dev/null
    same 0 "${PIPESTATUS[0]}" 'the status'
    same '' "$(<"$DIR/err")" 'the error'
    "$LBCTL" export demo >/dev/full 2>"$DIR/err"
    same 1 $? 'the status of a full device'
    same 'lbctl: cannot write to standard output: No space left on device' "$(<"$DIR/err")" 'the error'
}

test_progress_on_a_terminal() {
    need script
    ok board-create demo
    fill demo 1000
    script -qec "'$LBCTL' export demo demo.ndjson 2>&1" /dev/null >seen
    grep -q 'exported 1000 players' seen || fail 'no summary' "$(<seen)"
}

run_tests
