# shellcheck shell=bash
# A RethinkDB server of one's own: sourced by tests/live/*.sh, after cli.sh. One server a script, ended with it.

# start_rethinkdb: its driver port is in $RETHINKDB_PORT, its process in $RETHINKDB_PID. Without the program the
# whole script is skipped.
start_rethinkdb() {
    if ! command -v rethinkdb >/dev/null; then
        echo "SKIP $SUITE: no rethinkdb on PATH"
        exit 77
    fi
    RETHINKDB_DIR=$(mktemp -d) || exit 1
    trap end_rethinkdb EXIT
    rethinkdb create -d "$RETHINKDB_DIR/db" --no-update-check >/dev/null || exit 1
    run_rethinkdb 0
    # The port that was free once is kept: who connects again finds the server there.
    RETHINKDB_PORT=$(sed -n 's/^Listening for client driver connections on port \([0-9]*\).*/\1/p' "$RETHINKDB_DIR/log")
    export RETHINKDB_PORT
}

# run_rethinkdb PORT: on the data that is there.
run_rethinkdb() {
    mkfifo "$RETHINKDB_DIR/out"
    # The log is read from a pipe, so that nobody has to look again and again whether the server is ready.
    rethinkdb serve -d "$RETHINKDB_DIR/db" --no-http-admin --bind 127.0.0.1 --no-update-check --cache-size 128 \
        --driver-port "$1" --cluster-port 0 >"$RETHINKDB_DIR/out" 2>&1 </dev/null &
    RETHINKDB_PID=$!
    disown # its end is no news
    exec {RETHINKDB_OUT}<"$RETHINKDB_DIR/out"
    rm "$RETHINKDB_DIR/out"
    while IFS= read -r -t "$DEADLINE" -u "$RETHINKDB_OUT" line; do
        echo "$line" >>"$RETHINKDB_DIR/log"
        [[ $line != 'Server ready'* ]] || return 0
    done
    echo "FAIL $SUITE: rethinkdb did not start"
    sed 's/^/    | /' "$RETHINKDB_DIR/log"
    exit 1
}

# Returns when it is gone, and all that it has started: then the pipe ends.
kill_rethinkdb() {
    kill -9 "$RETHINKDB_PID" 2>/dev/null
    cat <&"$RETHINKDB_OUT" >/dev/null
    exec {RETHINKDB_OUT}<&-
}

end_rethinkdb() {
    [ -z "${RETHINKDB_PID:-}" ] || kill_rethinkdb
    rm -rf "$RETHINKDB_DIR"
}

# rethinkdb_url DATABASE
rethinkdb_url() {
    echo "rethinkdb://127.0.0.1:$RETHINKDB_PORT/$1"
}
