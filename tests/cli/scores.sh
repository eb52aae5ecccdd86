#!/bin/bash
# score-add and score-set.
# Words are split on purpose ("board-get demo" is two), and the tests are called by name.
# shellcheck disable=SC2086,SC2317
# shellcheck source-path=SCRIPTDIR source=../support/cli.sh
. "$(dirname "$0")/../support/cli.sh"

MAX=9007199254740991

test_add_in_an_empty_directory() {
    ok score-add demo alice 10
    same "PLAYER  SCORE  CHANGED  NAME
alice      10  yes      alice" "$out" 'the table'
    [ -f leaderboard.db ] || fail 'no leaderboard.db'
}

test_add() {
    check 0 'alice +1 +yes' '' score-add demo alice
    check 0 'alice +11 +yes' '' score-add demo alice 10
    check 0 'alice +6 +yes' '' score-add demo alice -5
    check 0 'alice +6 +no' '' score-add demo alice 0
    check 0 '^\{"id":"alice","name":"alice","score":7,"reached_us":[0-9]{16},"changed":true\}$' '' \
        --json score-add demo alice 1
    check 0 '"score":7,"reached_us":[0-9]{16},"changed":false\}$' '' --json score-add demo alice 0
}

test_add_existing() {
    check 3 '' '^lbctl: .*; leave out --existing to create it$' score-add demo alice 1 --existing
    check_nothing_created
    ok board-create demo
    check 3 '' '^lbctl: .*alice.*; leave out --existing to create it$' score-add demo alice 1 --existing
    ok score-add demo alice 1
    check 0 'alice +2 ' '' score-add demo alice 1 --existing
}

test_bad_amounts() {
    for command in score-add score-set; do
        check 2 '' '^lbctl: .*empty' $command demo alice ''
        for amount in 1.5 1e3 +5 ' 5' '5 ' 0x10 abc 1,000 $'5\n6'; do
            check 2 '' '^lbctl: .*(whole number|digits)' $command demo alice "$amount"
        done
        check 2 '' '^lbctl: .*zero' $command demo alice 007
        for amount in 9007199254740992 -9007199254740992 18446744073709551617 99999999999999999999999999; do
            check 2 '' '^lbctl: .*9007199254740991' $command demo alice "$amount"
        done
        check 2 '' '^lbctl: .*digits' $command demo alice -- -
    done
    check_nothing_created
}

# To the last digit, in the table and in JSON.
test_large_scores_are_exact() {
    for value in $MAX -$MAX 9007199254740990 1000000000000000 -4503599627370497; do
        check 0 "^\{\"id\":\"p\",\"name\":\"p\",\"score\":$value,\"reached_us\":[0-9]{16},\"changed\":true\}$" '' \
            --json score-set demo p "$value" --create
        check 0 "p +$value  [0-9]{4}-" '' player-get demo p
        check 0 "\"score\":$value," '' --json board-get demo
    done
}

test_overflow_changes_nothing() {
    ok score-add demo alice $MAX
    check 1 '' '^lbctl: .*' score-add demo alice 1
    same $MAX "$(score demo alice)" 'the score'
    check 0 "alice +$((MAX - 1)) " '' score-add demo alice -1
    ok score-set demo alice -$MAX
    check 1 '' '^lbctl: .*' score-add demo alice -1
    same -$MAX "$(score demo alice)" 'the score'
}

test_set() {
    ok score-add demo alice 10
    check 0 'alice +3 +yes' '' score-set demo alice 3
    check 0 'alice +3 +no' '' score-set demo alice 3
    check 3 '' '^lbctl: .*bob.*; give --create to create it$' score-set demo bob 3
    check 0 'bob +3 +yes' '' score-set demo bob 3 --create
}

test_set_creates_only_when_told() {
    check 3 '' '^lbctl: .*; give --create to create it$' score-set demo alice 3
    check_nothing_created
    check 0 'alice +3 +yes' '' score-set demo alice 3 --create
}

test_best() {
    ok score-set demo alice 10 --create
    check 0 'alice +10 +no' '' score-set demo alice 5 --best
    check 0 'alice +10 +no' '' score-set demo alice 10 --best
    check 0 'alice +15 +yes' '' score-set demo alice 15 --best
    ok board-create laps --ascending
    check 0 'alice +90 +yes' '' score-set laps alice 90 --best --create
    check 0 'alice +90 +no' '' score-set laps alice 95 --best
    check 0 'alice +85 +yes' '' score-set laps alice 85 --best
}

test_key() {
    check 0 'alice +10 +yes' '' score-add demo alice 10 --key k1
    check 0 'alice +10 +yes' '' score-add demo alice 10 --key k1
    same 10 "$(score demo alice)" 'applied once'
    check 0 'alice +20 +yes' '' score-add demo alice 10 --key k2
    # The first answer, not what the score is now.
    check 0 'alice +10 +yes' '' score-add demo alice 10 --key k1
    check 1 '' '^lbctl: .*key' score-add demo alice 11 --key k1
    check 1 '' '^lbctl: .*key' score-set demo alice 10 --key k1
    check 2 '' '^lbctl: an idempotency key' score-add demo alice 1 --key ''
    check 2 '' '^lbctl: an idempotency key' score-add demo alice 1 --key 'a b'
    check 2 '' '^lbctl: an idempotency key' score-add demo alice 1 --key "$(printf 'x%.0s' {1..65})"
    same 20 "$(score demo alice)" 'nothing else was applied'
}

# Lines up with the order in which scores were reached, across processes.
test_ties_go_to_who_was_first() {
    for player in zoe adam mia; do
        ok score-add demo $player 5
    done
    ok score-add demo zoe 0
    ids=$("$LBCTL" board-get demo | sed 1d | awk '{print $1 $2 $3}' | xargs)
    same '11zoe 21adam 31mia' "$ids" 'the order'
}

# A library that answers "outcome unknown" as often as $UNKNOWN says, in front of the real one.
fake_unknown() {
    need cc
    cat >fake.c <<'EOF'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
struct error { int code; char msg[252]; };
typedef int (*add_fn)(void *, const char *, const char *, int64_t, const void *, const void **, struct error *);
int lb_score_add(void *c, const char *b, const char *p, int64_t n, const void *o, const void **r, struct error *e)
{
    static int calls;
    add_fn real = (add_fn)dlsym(RTLD_NEXT, "lb_score_add");
    fprintf(stderr, "call %d\n", ++calls);
    if (calls > atoi(getenv("UNKNOWN")) && !getenv("LATER"))
        return real(c, b, p, n, o, r, e);
    e->code = calls > atoi(getenv("UNKNOWN")) ? atoi(getenv("LATER")) : -17;
    snprintf(e->msg, sizeof e->msg, e->code == -17 ? "nobody knows" : "code %d", e->code);
    return e->code;
}
EOF
    cc -shared -fPIC -o fake.so fake.c -ldl || fail 'cannot compile'
    # An executable that has the library inside cannot be fooled like this.
    UNKNOWN=0 unknown score-add demo probe
    [[ $err == *'call 1'* ]] || skip 'lbctl is linked statically'
}

unknown() {
    LD_PRELOAD=$PWD/fake.so ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0 lb "$@"
}

test_unknown_outcome() {
    fake_unknown
    UNKNOWN=1 unknown score-add demo alice 1
    same '4 |call 1|lbctl: nobody knows; a write with --key may be repeated without harm' \
        "$status $out|${err//$'\n'/|}" 'without a key'
    UNKNOWN=2 unknown score-add demo alice 1 --key k
    same '0|call 1|call 2|call 3' "$status|${err//$'\n'/|}" 'with a key'
    same 1 "$(score demo alice)" 'applied once'
    UNKNOWN=99 unknown score-add demo alice 1 --key k2
    same 4 "$status" 'the status after some tries'
    [[ $err == *'call 4'* && $err != *'call 5'* ]] || fail 'not four tries' "$err"
    # A repeat that does not get through says nothing about the first try (-7, -10), a refusal does (-16).
    for later in -7 -10; do
        LATER=$later UNKNOWN=1 unknown score-add demo alice 1 --key k3
        same '4|call 1|call 2|lbctl: nobody knows; a write with --key may be repeated without harm' \
            "$status|${err//$'\n'/|}" "first nobody knows, then $later"
    done
    LATER=-16 UNKNOWN=1 unknown score-add demo alice 1 --key k4
    same '1|call 1|call 2|lbctl: code -16' "$status|${err//$'\n'/|}" 'a refusal'
}

run_tests
