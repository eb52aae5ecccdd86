#!/bin/bash
# doctor on RethinkDB: what the servers are like, and whether they work.
# The tests are called by name.
# shellcheck disable=SC2317
# shellcheck source-path=SCRIPTDIR source=../support/cli.sh
. "$(dirname "$0")/../support/cli.sh"
# shellcheck source-path=SCRIPTDIR source=../support/rethinkdb.sh
. "$(dirname "$0")/../support/rethinkdb.sh"

begin() {
    DATABASE_URL=$(rethinkdb_url "${NAME##*/}")
    export DATABASE_URL
}

test_healthy() {
    begin
    ok score-add demo alice 10
    ok score-add demo bob 10
    ok board-create other
    ok doctor
    for pattern in 'library +[0-9.]+' "database +$DATABASE_URL \\(DATABASE_URL\\)" 'store +rethinkdb' 'version +[0-9.]+' \
        "connected to 127.0.0.1:$RETHINKDB_PORT" 'database +healthy' 'schema +1' 'index rank +ready' \
        'tables +ready for reads, ready for writes' 'shards +1' 'replicas +1' 'servers +1 up: [A-Za-z0-9_]+' 'boards +2' \
        'players +2' 'write +in [0-9.]+ ms' 'change +arrives [0-9.]+ ms after the write' 'verdict +healthy'; do
        matches "$out" "(^|"$'\n'")$pattern("$'\n'"|\$)" || fail "does not say '$pattern'" "$out"
    done
    check 0 '^\{"version":"[0-9.]+","database":"rethinkdb://[^"]*","source":"DATABASE_URL","facts":\{"store":"rethinkdb",.*\},"boards":2,"players":2,"counted_all":true,"commit_us":[0-9]+,"change_us":[0-9]+,"findings":\[.*\],"healthy":true\}$' \
        '' --json doctor
    ok --json board-list
    same 2 "$(grep -o '"id"' <<<"$out" | wc -l)" 'boards: it leaves nothing behind'
}

test_no_database() {
    begin
    check 3 'database +rethinkdb:' '^lbctl: there is no database .*; create a board with: lbctl board-create BOARD$' doctor
    check 3 '"healthy":false' '^lbctl: ' --json doctor
    check 3 '' '^lbctl: there is no database' board-list
}

# Whatever looks like one in the URL, no password is printed.
test_no_password() {
    local url
    begin
    for url in "rethinkdb://admin:s3cret@127.0.0.1:$RETHINKDB_PORT/x" "rethinkdb://admin:s3@cret@127.0.0.1/x" \
        "rethinkdb://admin:s3/cret@127.0.0.1/x" "rethinkdb://:s3cret@127.0.0.1/x" "rethinkdb://admin:s3cret@nowhere.invalid/x" \
        "rethinkdb://admin:s3cret@127.0.0.1:99999/x" "rethink://admin:s3cret@127.0.0.1/x"; do
        for command in doctor '--json doctor' board-list; do
            # shellcheck disable=SC2086
            lb --database "$url" --timeout 1 $command
            [ "$status" -ne 0 ] || fail "$url: it works"
            [[ $out$err != *cret* ]] || fail 'the password' "$out" "$err"
        done
    done
}

# The last: there is no server any more.
test_server_gone() {
    begin
    kill_rethinkdb
    check 1 'problem +it cannot be read: timed out: cannot connect to 127.0.0.1:[0-9]+: Connection refused' \
        '^lbctl: the database does not work' --timeout 1 doctor
    check 1 '' '^lbctl: timed out, not applied: cannot connect to 127.0.0.1:[0-9]+: Connection refused$' \
        --timeout 1 score-add demo alice
}

start_rethinkdb
run_tests
