#!/bin/bash
# player-put, player-get, player-around, player-remove.
# Words are split on purpose ("board-get demo" is two), and the tests are called by name.
# shellcheck disable=SC2086,SC2317
# shellcheck source-path=SCRIPTDIR source=../support/cli.sh
. "$(dirname "$0")/../support/cli.sh"

test_put() {
    ok board-create demo
    ok player-put demo alice
    same "PLAYER  SCORE  CHANGED  NAME
alice       0  yes      alice" "$out" 'the table'
    check 0 'alice +0 +no +alice$' '' player-put demo alice
    check 0 'alice +0 +yes +Alice A\.$' '' player-put demo alice --name 'Alice A.'
    check 0 'alice +0 +no +Alice A\.$' '' player-put demo alice
    check 0 '^\{"id":"bob","name":"Bob","score":0,"reached_us":[0-9]{16},"changed":true\}$' '' \
        --json player-put demo bob --name Bob
    check 0 '"changed":false\}$' '' --json player-put demo bob --name Bob
}

test_put_keeps_the_score() {
    ok score-add demo alice 10
    check 0 'alice +10 +yes +Alice$' '' player-put demo alice --name Alice
}

test_put_generates_an_id() {
    ok board-create demo
    check 0 '^\{"id":"([0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})","name":"New","score":0' '' \
        --json player-put demo --name New
    check 0 "\"id\":\"${BASH_REMATCH[1]:-}" '' --json player-get demo "$(cut -d '"' -f 4 <<<"$out")"
}

test_put_creates_the_board_only_when_told() {
    check 3 '' '^lbctl: .*; create it with: lbctl board-create demo, or give --create$' player-put demo alice
    check_nothing_created
    ok board-create other
    check 3 '' '^lbctl: .*demo.*; create it with: lbctl board-create demo, or give --create$' player-put demo alice
    check 0 'alice +0 +yes' '' player-put demo alice --create
    ok board-info demo
}

test_names() {
    ok board-create demo
    for name in 'a b' '  ' 'Ünïcödé 🎲' '"quoted" \back' "$(printf 'x%.0s' {1..64})" "$(printf '🎲%.0s' {1..64})"; do
        ok player-put demo p --name "$name"
[[ $out == *"  $name" ]] || fail "not the name '$name'" "$out"
    done
    check 0 '"name":"\\"quoted\\" \\\\back"' '' --json player-put demo p --name '"quoted" \back'
    check 0 '"name":"Ünïcödé 🎲"' '' --json player-put demo p --name 'Ünïcödé 🎲'
}

test_bad_names() {
    ok board-create demo
    check 2 '' '^lbctl: a name .*empty' player-put demo p --name ''
    check 2 '' '^lbctl: a name .*control' player-put demo p --name $'a\tb'
    check 2 '' '^lbctl: a name .*control' player-put demo p --name $'a\nb'
    check 2 '' '^lbctl: a name .*control' player-put demo p --name $'a\xc2\x85b'
    check 2 '' '^lbctl: a name .*UTF-8' player-put demo p --name $'a\xff'
    check 2 '' '^lbctl: a name .*UTF-8' player-put demo p --name $'\xed\xa0\x80'
    check 2 '' '^lbctl: a name .*64' player-put demo p --name "$(printf 'x%.0s' {1..65})"
    check 2 '' '^lbctl: a name .*256' player-put demo p --name "$(printf 'x%.0s' {1..257})"
    check 3 '' '.' player-get demo p
}

test_get() {
    ok score-add demo alice 10
    ok score-add demo bob 20
    check 0 '^PLAYER  SCORE  REACHED +NAME'$'\n''alice +10  [0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{6}Z  alice$' '' \
        player-get demo alice
    check 0 '^POSITION  RANK  PLAYER  SCORE  REACHED +NAME'$'\n'' +2 +2  alice +10  ' '' player-get demo alice --rank
    check 0 '^\{"id":"alice","name":"alice","score":10,"reached_us":[0-9]{16}\}$' '' --json player-get demo alice
    check 0 '^\{"id":"alice","name":"alice","score":10,"position":2,"rank":2,"reached_us":[0-9]{16}\}$' '' \
        --json player-get demo alice --rank
}

test_get_of_nobody() {
    ok board-create demo
    check 3 '' '^lbctl: .*nobody.*; create it with: lbctl player-put --create demo nobody$' player-get demo nobody
    check 3 '' '^lbctl: .*nix.*; create it with: lbctl player-put --create nix nobody$' player-get nix nobody
    # What is advised works.
    ok player-put --create nix nobody
    ok player-get nix nobody
    check 3 '' 'create it with: lbctl player-put --create -- nix -x$' player-get nix -- -x
    check 3 '' 'create it with: lbctl --database URL player-put' --database sqlite:leaderboard.db player-get nix y
}

test_around() {
    for i in $(seq 9); do
        ok score-add demo "p$i" "$i"
    done
    check 0 '^\{"players":\[\{"id":"p6","name":"p6","score":6,"position":4,"rank":4\},\{"id":"p5",.*\},\{"id":"p4",[^{]*\}\]\}$' '' \
        --json player-around demo p5 --count 3
    ids=$("$LBCTL" player-around demo p5 | sed 1d | awk '{print $3}' | xargs)
    same 'p7 p6 p5 p4 p3' "$ids" 'five rows'
    ids=$("$LBCTL" player-around demo p9 | sed 1d | awk '{print $3}' | xargs)
    same 'p9 p8 p7 p6 p5' "$ids" 'at the upper end'
    ids=$("$LBCTL" player-around demo p1 --count 4 | sed 1d | awk '{print $3}' | xargs)
    same 'p4 p3 p2 p1' "$ids" 'at the lower end'
    same 9 "$("$LBCTL" player-around demo p5 --count 1000 | sed 1d | wc -l)" 'all of them'
    check 3 '' '^lbctl: .*nobody' player-around demo nobody
}

test_remove() {
    ok score-add demo alice 10
    ok score-add demo bob 5
    check 0 '^removed alice from demo$' '' player-remove demo alice
    check 3 '' '^lbctl: .*alice.*; see what is there with: lbctl board-list$' player-remove demo alice
    check 0 '^\{"removed":true,"board":"demo","player":"bob"\}$' '' --json player-remove demo bob
    check 0 '^\{"players":\[\]\}$' '' --json board-get demo
    check 3 '' '^lbctl: ' player-remove nix alice
}

run_tests
