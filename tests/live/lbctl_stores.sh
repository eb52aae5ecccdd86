#!/bin/bash
# Whatever lbctl does on SQLite it does on RethinkDB: the same commands on both, compared line by line.
# Words are split on purpose ("board-get demo" is two), and the tests are called by name.
# shellcheck disable=SC2086,SC2317
# shellcheck source-path=SCRIPTDIR source=../support/cli.sh
. "$(dirname "$0")/../support/cli.sh"
# shellcheck source-path=SCRIPTDIR source=../support/rethinkdb.sh
. "$(dirname "$0")/../support/rethinkdb.sh"

STORES='sqlite rethinkdb'

# use STORE: its database of this test, empty at first.
use() {
    DATABASE_URL=sqlite:leaderboard.db
    [ "$1" = sqlite ] || DATABASE_URL=$(rethinkdb_url "${NAME##*/}")
    export DATABASE_URL
}

# Times, generated ids, and the states that are made of them; what a store calls its database.
without_chance() {
    sed -E -e 's/"(reached|created)_us":[0-9]+/"\1_us":T/g' \
        -e 's/20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z/TIME/g' \
        -e 's/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/UUID/g' \
        -e 's/^id: [0-9a-f]{32}$/id: STATE/' \
        -e "s/there is no (leaderboard in )?database .* yet:/there is no database yet:/"
}

# both ARG...: both do the same.
both() {
    local store seen=()
    for store in $STORES; do
        use $store
        lb "$@" <"$DIR/input"
        seen+=("status $status"$'\n'"$(printf '%s\n--\n%s' "$out" "$err" | without_chance)")
    done
    same "${seen[0]}" "${seen[1]}" "lbctl $*"
    # Not by failing both for want of something else.
    [ "$status" -ne "${FORBIDDEN:-99}" ] || fail "lbctl $*: status $status" "$out" "$err"
}

# With the table and with --json.
each() {
    both "$@"
    both --json "$@"
}

test_session() {
    : >"$DIR/input"
    for args in board-list 'board-info demo' 'board-get demo' 'board-delete demo' 'player-get demo a' 'watch demo' \
        'changes' 'changes demo' 'export demo' 'player-put demo a' 'score-set demo a 1' 'score-add demo a --existing' \
        'player-remove demo a' 'player-around demo a'; do
        each $args
    done
    FORBIDDEN=3
    both board-create demo
    each board-create demo
    both --json board-create laps --ascending
    FORBIDDEN=0
    each board-create laps
    each board-create 'a b'
    FORBIDDEN=1
    each player-put demo alice
    each player-put demo alice --name 'Älice "A" \o'
    each player-put demo
    each player-put demo --name 'who?'
    each player-put new bob --create
    each score-add demo alice
    each score-add demo alice 10
    each score-add demo alice -5
    each score-add demo alice 0
    both score-add demo bob 9007199254740991
    each score-add demo carol 6
    each score-add more dave 1 --key k1
    each score-add more dave 1 --key k1
    each score-set demo alice 6
    each score-set demo alice 7 --best
    each score-set demo alice 6 --best
    each score-set laps x 60 --best --create
    each score-set laps x 70 --best --create
    each score-set laps x 50 --best
    each score-set more dave 9 --key k2
    each player-get demo alice
    each player-get demo alice --rank
    each player-around demo alice --count 3
    each player-remove demo carol
    FORBIDDEN=0
    each score-add demo bob 1
    each score-add demo bob x
    each score-add more dave 2 --key k1
    each score-set more dave 1 --key k1
    each score-add demo nobody 1 --existing
    each score-add none nobody 1 --existing
    each score-set demo nobody 1
    each player-get demo nobody
    each player-around none nobody
    each player-remove demo carol
    each board-get none
    each board-info none
    each board-get demo --offset 3 --after 1.2.x
    each board-get demo --after nonsense
    each watch none
    each changes none
    each export none
    FORBIDDEN=1
    each board-list
    each board-info demo
    each board-info laps
    each board-get laps
    each board-delete more
    FORBIDDEN=0
    each board-delete more
    each score-set more dave 9
    FORBIDDEN=1
    each score-add more dave 3
    each board-create
}

# A file with times: 211 scores and 31 times among 1,500 players, so that there are ties of every kind.
fill_file() {
    seq 1500 | awk '{ printf "{\"id\":\"player%d\",\"name\":\"Pl\\u00e4yer %d\",\"score\":%d,\"reached_us\":%d}\n",
        $1, $1, $1 * 7919 % 211 - 100, 1700000000000000 + $1 * 104729 % 31 * 1000 }' >"$1"
}

test_order() {
    local i
    fill_file rows
    for direction in '' --ascending; do
        board=demo$direction
        cp rows "$DIR/input"
        FORBIDDEN=1
        each import -- $board -
        sed 's/,"reached_us.*/}/' rows >"$DIR/input" # as they come, now
        both import -- plain$direction -
        : >"$DIR/input"
        for i in 1 1495; do
            both board-get --limit 1000 --offset $i -- $board
        done
        # Without a sort by anybody: the same rows, times and cursors.
        use sqlite && "$LBCTL" --json board-get --limit 1000 -- $board >a
        use rethinkdb && "$LBCTL" --json board-get --limit 1000 -- $board >b
        cmp a b || fail 'the first thousand'
        each board-get --after "-100.1700000000000000.player1" --limit 50 -- $board
        for i in 1 750; do
            each player-get --rank -- $board player$i
            both player-around --count 101 -- $board player$i
        done
        both board-get --limit 1000 -- plain$direction
    done
}

# Exports are the same file, byte for byte, and go into the other store.
test_export_import() {
    fill_file rows
    for store in $STORES; do
        use $store
        ok import demo rows
        ok export demo $store.ndjson
        "$LBCTL" export demo >$store.out
        cmp $store.ndjson $store.out || fail 'the file is not what goes to standard output'
    done
    cmp sqlite.ndjson rethinkdb.ndjson || fail 'the exports'
    use sqlite
    check 0 '^imported 1500 players to copy: 1500 changed, 0 unchanged$' '' import copy rethinkdb.ndjson
    use rethinkdb
    check 0 '^imported 1500 players to copy: 1500 changed, 0 unchanged$' '' import copy sqlite.ndjson
    check 0 '^imported 1500 players to copy: 0 changed, 1500 unchanged$' '' import copy sqlite.ndjson
    "$LBCTL" export copy | cmp - <(sed '1s/"demo"/"copy"/' sqlite.ndjson) || fail 'there and back'
    printf '{"id":"a","score":1}\n{"id":"a","score":1.5}\n' >"$DIR/input"
    each import demo -
    tail -n +2 sqlite.ndjson | head -n 100 >"$DIR/input"
    each import demo -
    each import laps - --ascending
    each import demo - --ascending
    # Others write while it is read: those that are there all the while are there once.
    follow export demo
    for i in $(seq 1 15); do
        ok score-add demo "player$((i * 97))" 100000
        ok player-remove demo "player$((i * 97 + 1))"
    done
    cat <&"$WATCH" >lines
    wait_end 0 ''
    sed '1d;$d' lines | cut -d , -f 1 >ids
    LC_ALL=C sort -u -c ids || fail 'not each once and in order'
    (($(wc -l <ids) >= 1485)) || fail "only $(wc -l <ids) players"
}

# Rows of many boards, ties in the order of the file.
test_import_boards() {
    seq 900 | awk '{ printf "{\"id\":\"%08x-0000-4000-8000-%012x\",\"board\":\"b%d\",\"name\":\"%s\",\"score\":%d}\n",
        $1 * 7919 % 3001, $1, $1 % 3, $1 % 5 ? "N" $1 : "", $1 % 7 }' >"$DIR/input"
    FORBIDDEN=1
    each import-boards -
    for board in b0 b1 b2; do
        both board-get $board --limit 1000
        use rethinkdb
        "$LBCTL" --json board-get $board --limit 1000 | grep -o '"id":"[^"]*"' >got
        for score in 6 5 4 3 2 1 0; do
            grep "\"board\":\"$board\".*\"score\":$score}" "$DIR/input" | grep -o '"id":"[^"]*"'
        done >wanted
        cmp wanted got || fail "the order of $board"
    done
    echo '{"id":"a","board":"b0"}' >"$DIR/input"
    FORBIDDEN=0
    each import-boards -
}

# What a follower prints while the same is done on each store, one thing after the other.
play() {
    local store
    for store in $STORES; do
        use $store
        ok import demo "$DIR/rows"
        ok board-create other
        "play_$1" >"$store.lines"
    done
    diff sqlite.lines rethinkdb.lines >differences || fail "$1" "$(<differences)"
    [ -s sqlite.lines ] || fail 'nothing was printed'
}

next_lines() {
    wait_line "$1"
    echo "$line"
}

play_watch() {
    start_watch demo --limit 3
    next_lines '^data: '
    ok score-add demo b 100 >/dev/null
    next_lines '^data: '
    ok player-put demo b --name Bee >/dev/null
    next_lines '^data: '
    ok player-remove demo b >/dev/null
    next_lines '^data: '
    ok board-delete demo >/dev/null
    wait_end 3 "board 'demo' was deleted"
}

# The state is the same whatever it is stored in.
play_state() {
    start_watch demo --limit 4
    next_lines '^id: [0-9a-f]{32}$'
    kill "$WATCH_PID"
    wait_end 0 ''
}

play_changes() {
    follow changes $CHANGES
    # The rows that are there come in any order.
    while wait_line .; do
        echo "$line"
        [[ $line != *'"type":"ready"'* ]] || break
    done | LC_ALL=C sort
    for args in 'score-add demo a 5' 'player-put demo a --name Ay' 'score-add demo new 3' 'player-remove demo a' \
        'player-put demo b --name Bee'; do
        ok $args >/dev/null
        wait_line '"type":"change"'
        without_chance <<<"$line"
    done
    # The end of a board is told as one; a board that comes again begins with a reset, or is a change.
    ok board-delete demo >/dev/null
    wait_line '"type":"gone","board":"demo"'
    ok score-add demo z 1 >/dev/null
    wait_line '"type":"reset"|"board":"demo".*"id":"z"'
    kill "$WATCH_PID"
    wait_end 0 ''
}

test_follow() {
    printf '{"id":"%s","name":"%s","score":%d,"reached_us":%d}\n' a A 10 1700000000000000 b B 5 1700000000000001 \
        c C 10 1700000000000001 d D -1 1700000000000002 >"$DIR/rows"
    for CHANGES in demo '' --no-rows; do
        play changes
        for store in $STORES; do
            use $store
            ok board-delete demo
        done
    done
    play state
    play watch
}

# Any number of processes at once, the first opening included.
test_at_once() {
    local i pids=()
    use rethinkdb
    for i in 1 2 3 4 5 6 7 8; do
        "$LBCTL" score-add demo p$((i % 3)) $i >"out$i" 2>&1 &
        pids+=($!)
    done
    for i in 1 2 3 4 5 6 7 8; do
        wait "${pids[i - 1]}" || fail "score-add $i" "$(<"out$i")"
    done
    same 9 "$(score demo p0)" 'p0'
    same 12 "$(score demo p1)" 'p1'
    same 15 "$(score demo p2)" 'p2'
}

start_rethinkdb
run_tests
