#!/bin/bash
# doctor: what the database is like, and whether it works.
# Words are split on purpose ("board-get demo" is two), and the tests are called by name.
# shellcheck disable=SC2086,SC2317
# shellcheck source-path=SCRIPTDIR source=../support/cli.sh
. "$(dirname "$0")/../support/cli.sh"

test_healthy() {
    ok score-add demo alice 10
    ok score-add demo bob 10
    ok board-create other
    ok doctor
    for pattern in 'library +[0-9.]+' 'database +sqlite:leaderboard.db \(default\)' \
        "file +$PWD/leaderboard.db, [0-9.]+ (bytes|kB|MB)" 'store +sqlite' 'version +[0-9.]+' 'schema +1' 'boards +2' 'players +2' 'write +in [0-9.]+ ms' \
        'change +arrives [0-9.]+ ms after the write' 'verdict +healthy'; do
        matches "$out" "(^|"$'\n'")$pattern("$'\n'"|\$)" || fail "does not say '$pattern'" "$out"
    done
}

test_json() {
    ok score-add demo alice 10
    check 0 '^\{"version":"[0-9.]+","database":"sqlite:leaderboard.db","source":"default","file":\{"path":"[^"]+/leaderboard.db","size":[0-9]+(,"wal_size":[0-9]+)?\},"facts":\{"store":"sqlite","version":"[0-9.]+","schema":"1","change log":"[0-9]+ entries"\},"boards":1,"players":1,"counted_all":true,"commit_us":[0-9]+,"change_us":[0-9]+,"findings":\[\],"healthy":true\}$' \
        '' --json doctor
    DATABASE_URL=sqlite:leaderboard.db check 0 '"source":"DATABASE_URL"' '' --json doctor
    check 0 '"source":"--database"' '' --json doctor --database sqlite:leaderboard.db
}

# It leaves nothing behind, and whoever follows another board hears nothing.
test_leaves_nothing() {
    ok score-add demo alice 10
    follow changes demo
    wait_line '"ready"'
    ok doctor
    ok score-add demo alice 1
    IFS= read -r -t "$DEADLINE" -u "$WATCH" line
    matches "$line" '"type":"change".*"score":11' || fail 'the next line is another' "$line"
    ok --json board-list
    same 1 "$(grep -o '"id"' <<<"$out" | wc -l)" 'boards'
    kill "$WATCH_PID"
    wait_end 0 ''
}

test_no_database() {
    check 3 'file +.*leaderboard.db, not there' '^lbctl: .*; create a board with: lbctl board-create BOARD$' doctor
    check 3 '"healthy":false' '^lbctl: ' --json doctor
    check_nothing_created
}

test_not_a_database() {
    echo 'a letter to my aunt' >leaderboard.db
    check 1 'problem +it cannot be read: .*(not a database|corrupt)' '^lbctl: the database does not work' doctor
    check 1 '"level":"problem"' '^lbctl: ' --json doctor
    same 'a letter to my aunt' "$(<leaderboard.db)" 'the file'
}

test_locked() {
    need sqlite3
    ok score-add demo alice 10
    coproc SHELL { sqlite3 leaderboard.db 2>&1; }
    echo "BEGIN IMMEDIATE; SELECT 'locked';" >&"${SHELL[1]}"
    IFS= read -r -t "$DEADLINE" -u "${SHELL[0]}" line || fail 'the shell does not answer'
    check 1 'problem +a write fails: .*another program holds the database' '^lbctl: ' --timeout 2 doctor
    echo 'COMMIT;' >&"${SHELL[1]}"
    ok doctor
}

# Root may write everywhere, so somebody else has to try.
test_read_only() {
    ok score-add demo alice 10
    chmod 444 leaderboard.db*
    chmod 555 .
    if [ "$(id -u)" -eq 0 ]; then
        need setpriv
        chmod 755 "$DIR"
        printf '#!/bin/sh\nexec setpriv --reuid=65534 --regid=65534 --clear-groups "%s" "$@"\n' "$LBCTL" >"$DIR/nobody"
        chmod 755 "$DIR/nobody"
        "$DIR/nobody" --version >/dev/null 2>&1 || skip 'only root may run this lbctl'
        LBCTL=$DIR/nobody
    fi
    check 1 'problem ' '^lbctl: ' doctor
    chmod 755 .
}

test_many_boards() {
    need sqlite3
    ok board-create demo
    sql "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
        INSERT INTO boards(id, ascending, created_us) SELECT 'b' || i, 0, 1 FROM n;
        INSERT INTO players(board, id, score) SELECT id, 'p', 1 FROM boards" >/dev/null
    check 0 '"boards":2501,"players":2501,' '' --json doctor
}

# A signal waits until the board of the trial is gone.
test_interrupted() {
    local i pid
    ok board-create demo
    for i in 1 2 3 4 5 6 7 8; do
        "$LBCTL" doctor >/dev/null 2>&1 &
        pid=$!
        until [ -e leaderboard.db-wal ]; do
            kill -0 $pid 2>/dev/null || break
        done
        kill $pid 2>/dev/null
        wait $pid
    done
    ok --json board-list
    same 1 "$(grep -o '"id"' <<<"$out" | wc -l)" 'boards'
}

run_tests
