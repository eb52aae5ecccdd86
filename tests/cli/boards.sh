#!/bin/bash
# board-create, board-list, board-info, board-get, board-delete.
# Words are split on purpose ("board-get demo" is two), and the tests are called by name.
# shellcheck disable=SC2086,SC2317
# shellcheck source-path=SCRIPTDIR source=../support/cli.sh
. "$(dirname "$0")/../support/cli.sh"

TIME='[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{6}Z'

test_create() {
    check 0 "^BOARD +ORDER +CREATED +CHANGED"$'\n'"demo +descending +$TIME +yes$" '' board-create demo
    check 0 'demo +descending .* no$' '' board-create demo
    check 0 'laps +ascending .* yes$' '' board-create laps --ascending
    check 1 '' '^lbctl: .*(laps|direction|order|ascending)' board-create laps
    check 1 '' '^lbctl: ' board-create demo --ascending
}

test_create_generates_an_id() {
    check 0 '^\{"id":"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",' '' --json board-create
    first=$out
    ok --json board-create
    [ "$first" != "$out" ] || fail 'the same id again'
}

test_json() {
    check 0 '^\{"id":"demo","ascending":false,("players":0,)?"created_us":[0-9]{16},"changed":true\}$' '' \
        --json board-create demo
    check 0 '"changed":false\}$' '' --json board-create demo
    ok board-create a --ascending
    ok score-add demo alice
    check 0 '^\{"id":"demo","ascending":false,"players":1,"created_us":[0-9]{16}\}$' '' --json board-info demo
    check 0 '^\{"boards":\[\{"id":"a","ascending":true,"created_us":[0-9]{16}\},\{"id":"demo","ascending":false,"created_us":[0-9]{16}\}\]\}$' \
        '' --json board-list
    check 0 '^\{"removed":true,"board":"a"\}$' '' --json board-delete a
}

test_info() {
    ok board-create demo
    ok score-add demo alice 1
    ok score-add demo bob 1
    check 0 "^BOARD +ORDER +CREATED +PLAYERS"$'\n'"demo +descending +$TIME +2$" '' board-info demo
}

test_list() {
    ok board-create b
    ok board-delete b
    check 0 '^BOARD  ORDER  CREATED$' '' board-list
    check 0 '^\{"boards":\[\]\}$' '' --json board-list
    for board in c a b A; do
        ok board-create "$board"
    done
    ok board-list
    same 'A a b c' "$(sed 1d <<<"$out" | cut -d ' ' -f 1 | xargs)" 'boards by id, bytewise'
}

# More boards than the library lists at once.
test_list_of_2500() {
    need sqlite3
    ok board-create demo
    sql "WITH RECURSIVE n(i) AS (SELECT 10000 UNION ALL SELECT i + 1 FROM n WHERE i < 12499)
        INSERT INTO boards(id, ascending, created_us) SELECT 'b' || i, 0, 1 FROM n" >/dev/null
    ok --json board-list
    same 2501 "$(grep -o '"id"' <<<"$out" | wc -l)" 'boards'
    ok board-list
    same 2502 "$(wc -l <<<"$out")" 'lines'
    same "$(sed 1d <<<"$out")" "$(sed 1d <<<"$out" | sort -u)" 'order'
}

fill() {
    local i
    for i in $(seq "$1"); do
        ok score-add demo "p$i" "$i"
    done
}

test_get() {
    ok score-add demo alice 10
    ok score-add demo bob 20
    ok player-put demo carol --name 'Carol Ø'
    ok score-add demo carol 10
    ok board-get demo
    same "POSITION  RANK  PLAYER  SCORE  NAME
       1     1  bob        20  bob
       2     2  alice      10  alice
       3     2  carol      10  Carol Ø" "$out" 'the table'
    check 0 '^\{"players":\[\{"id":"bob","name":"bob","score":20,"position":1,"rank":1\},\{"id":"alice","name":"alice","score":10,"position":2,"rank":2\},\{"id":"carol","name":"Carol Ø","score":10,"position":3,"rank":2\}\]\}$' \
        '' --json board-get demo
}

test_get_of_an_empty_board() {
    ok board-create demo
    check 0 '^POSITION  RANK  PLAYER  SCORE  NAME$' '' board-get demo
    check 0 '^\{"players":\[\]\}$' '' --json board-get demo
}

test_get_ascending() {
    ok board-create laps --ascending
    ok score-add laps slow 90
    ok score-add laps fast 60
    check 0 '"id":"fast".*"id":"slow"' '' --json board-get laps
}

test_pages() {
    fill 7
    ok board-get demo
    same 6 "$(wc -l <<<"$out")" 'the default is five rows'
    check 0 '^\{"players":\[\{"id":"p5","name":"p5","score":5,"position":3,"rank":3\},\{"id":"p4".*\}\]\}$' '' \
        --json board-get demo --limit 2 --offset 2
    check 0 '^\{"players":\[\]\}$' '' --json board-get demo --offset 10000
    ok --json board-get demo --limit 1000
    same 7 "$(grep -o '"id"' <<<"$out" | wc -l)" 'rows'
    check 2 '' '^lbctl: .*(cursor|after)' board-get demo --after nonsense
}

# On a terminal a full page comes with a hint and a cursor, which goes on where the page ended.
test_hint_on_a_terminal() {
    need script
    fill 7
    script -qec "'$LBCTL' board-get demo --limit 3 2>hint" /dev/null >page
    grep -q '^There are more rows: --limit N .*--offset N .*--after ' hint || fail 'no hint' "$(<hint)"
    cursor=$(grep -o -- '--after [^ ]*' hint | cut -d ' ' -f 2)
    check 0 '^\{"players":\[\{"id":"p4","name":"p4","score":4,"position":4,"rank":4\},\{"id":"p3"' '' \
        --json board-get demo --after "$cursor"
    check 2 '' '^lbctl: .*offset' board-get demo --after "$cursor" --offset 1
    for args in '--limit 7' '--limit 8' '--limit 2 --offset 5' '--limit 1000'; do
        script -qec "'$LBCTL' board-get demo $args 2>hint" /dev/null >page
        [ ! -s hint ] || fail "a hint for $args" "$(<hint)"
    done
}

# The same text, and no hint, where a program reads.
test_same_text_in_a_pipe() {
    need script
    fill 3
    script -qec "'$LBCTL' board-get demo" /dev/null | tr -d '\r' >page
    ok board-get demo
    same "$(<page)" "$out" 'the table on a terminal'
    check 0 '.' '' board-get demo --limit 1
}

test_delete() {
    ok score-add demo alice 10
    check 0 '^removed demo$' '' board-delete demo
    check 3 '' '^lbctl: .*demo.*; create it with: lbctl board-create demo$' board-get demo
    check 3 '' '^lbctl: .*demo.*; see the boards with: lbctl board-list$' board-delete demo
    ok score-add demo alice 1
    same 1 "$(score demo alice)" 'a new board does not remember'
}

run_tests
