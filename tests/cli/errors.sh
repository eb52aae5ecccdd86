#!/bin/bash
# What goes wrong: each with its own sentence and the right status, and nothing left behind.
# Words are split on purpose ("board-get demo" is two), and the tests are called by name.
# shellcheck disable=SC2086,SC2317
# shellcheck source-path=SCRIPTDIR source=../support/cli.sh
. "$(dirname "$0")/../support/cli.sh"

test_reading_in_an_empty_directory() {
    for args in 'board-info demo' 'board-get demo' 'watch demo'; do
        check 3 '' '^lbctl: .*leaderboard.db.*; create it with: lbctl board-create demo$' $args
    done
    check 3 '' '^lbctl: .*leaderboard.db.*; create a board with: lbctl board-create BOARD$' board-list
    for args in 'player-get demo alice' 'player-get demo alice --rank' 'player-around demo alice'; do
        check 3 '' '^lbctl: .*leaderboard.db.*; create it with: lbctl player-put --create demo alice$' $args
    done
    check 3 '' '^lbctl: .*leaderboard.db.*; see the boards with: lbctl board-list$' board-delete demo
    check 3 '' '^lbctl: .*leaderboard.db.*; see what is there with: lbctl board-list$' player-remove demo alice
    check_nothing_created
}

test_unknown_board() {
    ok board-create demo
    for args in 'board-info nix' 'board-get nix' 'watch nix' 'board-delete nix' 'player-put nix alice' \
        'player-get nix alice' 'player-around nix alice' 'player-remove nix alice' 'score-set nix alice 1' \
        'score-add nix alice 1 --existing'; do
        check 3 '' '^lbctl: .*nix.*; ' $args
    done
    # The advice works.
    ok board-create nix
    ok board-get nix
}

ALL_WITH_BOARD='board-create board-info board-get board-delete watch'
ALL_WITH_PLAYER='player-put player-get player-around player-remove score-add'

test_bad_board_ids() {
    long=$(printf 'b%.0s' {1..41})
    for command in $ALL_WITH_BOARD; do
        check 2 '' '^lbctl: a board id must not be empty' $command ''
        check 2 '' '^lbctl: a board id has at most 40 bytes' $command "$long"
        for id in 'a b' a/b 'é' $'a\nb' 'a%20' 'a:b' '*'; do
            check 2 '' '^lbctl: a board id is made of' $command "$id"
        done
        check 2 '' '^lbctl: a board id must not be "."' $command .
        check 2 '' '^lbctl: a board id must not be "."' $command ..
    done
    for command in $ALL_WITH_PLAYER; do
        check 2 '' '^lbctl: a board id is made of' $command 'a b' alice
    done
    check_nothing_created
    ok board-create "${long:1}"
    ok board-create 'A.z_0~-'
}

test_bad_player_ids() {
    long=$(printf 'p%.0s' {1..65})
    for command in $ALL_WITH_PLAYER; do
        check 2 '' '^lbctl: a player id must not be empty' $command demo ''
        check 2 '' '^lbctl: a player id has at most 64 bytes' $command demo "$long"
        for id in 'a b' a/b 'é' $'a\nb' $'\xff'; do
            check 2 '' '^lbctl: a player id is made of' $command demo "$id"
        done
        check 2 '' '^lbctl: a player id must not be "."' $command demo ..
    done
    check_nothing_created
    ok score-add demo "${long:1}" 1
}

# Whatever is in an argument, an error is one line of plain text.
test_errors_are_one_line() {
    check 2 '' '\?' "$(printf 'a\nb\033[2J')"
    check 2 '' 'plain decimal digits' score-add demo alice $'1\n2\033'
    check 2 '' '.' board-get demo --limit "$(printf '7%.0s' {1..5000})"
    [ ${#err} -lt 1100 ] || fail 'the line is very long'
}

test_not_a_database() {
    head -c 8192 /dev/urandom >leaderboard.db
    before=$(cksum <leaderboard.db)
    for args in 'board-list' 'board-get demo' 'score-add demo alice 1' 'watch demo'; do
        check 1 '' '^lbctl: .*(not a database|corrupt)' $args
    done
    same "$before" "$(cksum <leaderboard.db)" 'the file'
    echo 'a letter to my aunt' >leaderboard.db
    check 1 '' '^lbctl: .*(not a database|corrupt)' score-add demo alice 1
    same 'a letter to my aunt' "$(<leaderboard.db)" 'the file'
}

test_newer_schema() {
    need sqlite3
    ok score-add demo alice 10
    sql 'PRAGMA user_version=99'
    for args in 'board-list' 'board-get demo' 'score-add demo alice 1' 'watch demo'; do
        check 1 '' '^lbctl: .*(newer|version)' $args
    done
    same 10 "$(sql "SELECT score FROM players")" 'the score'
}

# Somebody else's database is not touched.
# A .dump leaves out the two numbers that mark a database: it says which, and they are right.
test_dumped_database() {
    local mark
    need sqlite3
    ok score-add demo alice 10
    sqlite3 leaderboard.db .dump | sqlite3 copy.db
    check 1 '' "^lbctl: 'copy.db' has a leaderboard's tables but not its mark, as after .dump: do sqlite3 FILE 'PRAGMA" \
        --database sqlite:copy.db board-list
    mark=${err#*sqlite3 FILE \'}
    sqlite3 copy.db "${mark%\'}"
    ok --database sqlite:copy.db score-add demo alice 5
    ok --database sqlite:copy.db doctor
    [[ $("$LBCTL" --database sqlite:copy.db board-get demo) == *15* ]] || fail 'not the score'
    # A part of it is no such copy.
    sqlite3 part.db "$(sqlite3 leaderboard.db '.schema players' | sed '/^CREATE TRIGGER/,$d')"
    check 1 '' 'did not make: name another file$' --database sqlite:part.db board-list
}

test_foreign_database() {
    need sqlite3
    sqlite3 leaderboard.db 'CREATE TABLE players(id, wins); INSERT INTO players VALUES (1, 2)'
    check 1 '' '^lbctl: ' score-add demo alice 1
    check 1 '' '^lbctl: ' board-list
    same 'players' "$(sql "SELECT group_concat(name) FROM sqlite_master")" 'its tables'
}

test_missing_directory() {
    check 1 '' '^lbctl: .*' --database sqlite:no/such/dir/x.db score-add demo alice 1
    # A reader finds no database there, or says that it cannot look.
    lb --database sqlite:no/such/dir/x.db board-list
    [[ $status =~ ^[13]$ && -n $err ]] || fail "status $status" "$err"
    check_nothing_created
    mkdir leaderboard.db
    check 1 '' '^lbctl: ' score-add demo alice 1
    same '' "$(ls -A leaderboard.db)" 'the directory'
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
    check 1 '' '^lbctl: .*(read-only|permission|may not)' score-add demo alice 1
    check 1 '' '^lbctl: .*(read-only|permission|may not|cannot)' --database sqlite:new.db score-add demo alice 1
    lb board-get demo
    case $status in
    0) matches "$out" 'alice +10' || fail 'not the score' "$out" ;;
    *) matches "$err" '^lbctl: ' || fail "status $status" "$err" ;;
    esac
    chmod 755 .
}

# A program that holds the write lock: the write ends in time and says that it was not applied.
test_locked() {
    need sqlite3
    ok score-add demo alice 10
    coproc SHELL { sqlite3 leaderboard.db 2>&1; }
    echo "BEGIN IMMEDIATE; SELECT 'locked';" >&"${SHELL[1]}"
    IFS= read -r -t "$DEADLINE" -u "${SHELL[0]}" line || fail 'the shell does not answer'
    same locked "$line" 'the shell'
    check 1 '' '^lbctl: .*' --timeout 0.3 score-add demo alice 1
    check 0 'alice +10' '' player-get demo alice
    echo 'COMMIT;' >&"${SHELL[1]}"
    ok score-add demo alice 1
    same 11 "$(score demo alice)" 'applied once'
}

# Standard output that takes nothing.
test_output_fails() {
    ok score-add demo alice 10
    for args in --help --version 'board-list' 'board-info demo' 'board-get demo' '--json board-get demo' \
        'player-get demo alice' 'score-add demo alice 0' 'board-create demo'; do
        "$LBCTL" $args >/dev/full 2>"$DIR/err"
        same 1 $? "the status of $args"
        same 'lbctl: cannot write to standard output: No space left on device' "$(<"$DIR/err")" "$args"
        "$LBCTL" $args >&- 2>"$DIR/err"
        same 1 $? "the status of $args with no output at all"
    done
}

# A reader that has gone before the first byte.
test_closed_pipe() {
    ok score-add demo alice 10
    for args in --help 'board-list' 'board-get demo' '--json board-get demo' 'score-add demo alice 1' 'watch demo'; do
        exec {pipe}> >(:)
        wait $!
        "$LBCTL" $args 1>&"$pipe" 2>"$DIR/err"
        same 0 $? "the status of $args"
        same '' "$(<"$DIR/err")" "$args"
        exec {pipe}>&-
    done
    same 11 "$(score demo alice)" 'the score'
}

# More than fits into a buffer or a pipe: it fails in the middle.
test_large_output_fails() {
    need sqlite3
    ok board-create demo
    sql "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
        INSERT INTO players(board, id, score) SELECT 'demo', hex(zeroblob(28)) || i, i FROM n"
    for args in 'board-get demo --limit 1000' '--json board-get demo --limit 1000'; do
        "$LBCTL" $args >/dev/full 2>"$DIR/err"
        same 1 $? "the status of $args"
        same 'lbctl: cannot write to standard output: No space left on device' "$(<"$DIR/err")" "$args"
        "$LBCTL" $args 2>"$DIR/err" | head -c 1 >/dev/null
        same 0 "${PIPESTATUS[0]}" "the status of $args with a reader that goes"
        same '' "$(<"$DIR/err")" "$args"
        [ "$("$LBCTL" $args | wc -c)" -gt 100000 ] || fail 'not that large'
    done
}

# Descriptors that are closed do not become the database.
test_closed_descriptors() {
    "$LBCTL" score-add demo alice 10 <&- >&- 2>&-
    "$LBCTL" score-add demo alice 10 <&- 2>&- >/dev/null || fail "status $?"
    same 20 "$(score demo alice)" 'the score'
}

run_tests
