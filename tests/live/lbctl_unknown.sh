#!/bin/bash
# A write whose answer is lost: with an idempotency key lbctl repeats it, without one it says that nobody knows.
# The tests are called by name.
# shellcheck disable=SC2317
# shellcheck source-path=SCRIPTDIR source=../support/cli.sh
. "$(dirname "$0")/../support/cli.sh"
# shellcheck source-path=SCRIPTDIR source=../support/rethinkdb.sh
. "$(dirname "$0")/../support/rethinkdb.sh"

PROXY_PY=$(cd "$(dirname "$0")/../support" && pwd)/lossy_proxy.py

# lossy WORD TIMES: the answers to so many queries with that word are lost; $LOSSY is the way there. What it loses
# is told on descriptor $LOST.
lossy() {
    need python3
    DATABASE_URL=$(rethinkdb_url "${NAME##*/}")
    export DATABASE_URL
    ok board-create demo
    mkfifo "$DIR/proxy"
    python3 "$PROXY_PY" "$RETHINKDB_PORT" "$1" "$2" >"$DIR/proxy" &
    exec {LOST}<"$DIR/proxy"
    IFS= read -r -t "$DEADLINE" -u "$LOST" line || fail 'the proxy does not start'
    LOSSY=rethinkdb://127.0.0.1:$line/${NAME##*/}
}

wait_lost() {
    IFS= read -r -t "$DEADLINE" -u "$LOST" line || fail 'no answer was lost'
}

test_repeated_with_a_key() {
    lossy order-17 1
    check 0 'alice +10 +yes' '' --database "$LOSSY" --timeout 30 score-add demo alice 10 --key order-17
    wait_lost
    same 10 "$(score demo alice)" 'applied once'
    check 0 'alice +10 +yes' '' score-add demo alice 10 --key order-17
    same 10 "$(score demo alice)" 'and not again'
}

test_not_repeated_without_a_key() {
    lossy alice 1
    check 4 '' '^lbctl: .*; a write with --key may be repeated without harm$' \
        --database "$LOSSY" --timeout 30 score-add demo alice 10
    wait_lost
    same 10 "$(score demo alice)" 'it was applied'
    check 0 'alice +20' '' --database "$LOSSY" score-add demo alice 10
}

# There is an end to it: nobody knows, and the same key still says.
test_lost_each_time() {
    lossy order-18 99
    check 4 '' '^lbctl: it may have been applied' --database "$LOSSY" --timeout 3 score-set demo alice 7 --create --key order-18
    check 0 'alice +7 +yes' '' score-set demo alice 7 --create --key order-18
    same 7 "$(score demo alice)" 'the score'
}

# The answer is lost, and the server with it. It comes back while lbctl tries again.
test_server_killed() {
    local lbctl
    lossy order-19 1
    "$LBCTL" --database "$LOSSY" --timeout 60 score-add demo alice 10 --key order-19 >"$DIR/out" 2>"$DIR/err" &
    lbctl=$!
    wait_lost
    kill_rethinkdb
    run_rethinkdb "$RETHINKDB_PORT"
    wait "$lbctl" || fail "status $?" "$(<"$DIR/out")" "$(<"$DIR/err")"
    grep -Eq 'alice +10 +yes' "$DIR/out" || fail 'another answer' "$(<"$DIR/out")"
    same 10 "$(score demo alice)" 'applied once'
    kill_rethinkdb # started by this test
}

start_rethinkdb
run_tests
