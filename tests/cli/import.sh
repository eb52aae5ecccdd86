#!/bin/bash
# import: checks every line before it writes any, and finishes what was interrupted.
#
# LBCTL_TEST_CUT_STEP (1): files are cut off at each so many bytes; each time is a process of its own.
#
# Words are split on purpose ("board-get demo" is two), and the tests are called by name.
# shellcheck disable=SC2086,SC2317
# shellcheck source-path=SCRIPTDIR source=../support/cli.sh
. "$(dirname "$0")/../support/cli.sh"

CUT_STEP=${LBCTL_TEST_CUT_STEP:-1}

# The whole order of a board, to the last tie.
order() {
    sqlite3 "$1" "SELECT id, name, score, reached_us FROM players WHERE board = '$2'
        ORDER BY rank_key, reached_us, id"
}

fill() {
    need sqlite3
    sql "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $2)
        INSERT INTO players(board, id, name, score, reached_us)
        SELECT '$1', 'player' || i, 'Player \"' || i || '\" Ø', i * 7919 % 97 - 40,
        1700000000000000 + i * 104729 % 31 FROM n"
}

# 97 scores and 31 times among 20,000 players: there are ties of every kind.
test_round_trip() {
    for direction in '' --ascending; do
        ok board-create "demo$direction" $direction
        fill "demo$direction" 20000
        ok export -- "demo$direction" demo.ndjson
        check 0 "^imported 20000 players to copy: 20000 changed, 0 unchanged$" '' \
            --database "sqlite:copy$direction.db" import copy demo.ndjson
        same "$(order leaderboard.db "demo$direction")" "$(order "copy$direction.db" copy)" 'the order'
        same "$(sed 1d demo.ndjson)" "$("$LBCTL" --database "sqlite:copy$direction.db" export copy | sed 1d)" 'the lines'
        check 0 "^imported 20000 players to copy: 0 changed, 20000 unchanged$" '' \
            --database "sqlite:copy$direction.db" import copy demo.ndjson
    done
}

test_standard_input() {
    ok score-add demo alice 10
    "$LBCTL" export demo | "$LBCTL" --json import copy - >"$DIR/out"
    same '{"board":"copy","players":1,"changed":1,"unchanged":0,"created":true}' "$(<"$DIR/out")" 'from a pipe'
    "$LBCTL" export demo >demo.ndjson
    "$LBCTL" --json import copy - <demo.ndjson >"$DIR/out"
    same '{"board":"copy","players":1,"changed":0,"unchanged":1,"created":false}' "$(<"$DIR/out")" 'from a file'
    mkfifo fifo
    cat demo.ndjson >fifo &
    check 0 '0 changed, 1 unchanged$' '' import copy fifo
}

test_plain_lines() {
    cat >rows <<'END'
{"id":"alice","score":10}

  { "score" : -0 , "id" : "b\u006fb", "name":"B\u00f6b \ud83d\ude00\/\"", "wins":[1,{"a":null},"\u0000",1.5e+3,true] }
{"id":"carol","score":9007199254740991,"reached_us":1700000000000000,"end":"x","format":7}
{"id":"dave","score":-9007199254740991,"reached_us":9007199254740991}
END
    printf '{"id":"erin","score":10}\r\n{"id":"frank","score":10}' >>rows
    check 0 '^imported 6 players to demo: 6 changed, 0 unchanged$' '' import demo rows
    ok --json board-get demo --limit 100
    same 'carol alice erin frank bob dave' "$(grep -o '"id":"[a-z]*"' <<<"$out" | cut -d '"' -f 4 | xargs)" 'the order'
    [[ $out == *'"name":"Böb 😀/\""'* ]] || fail 'not the name' "$out"
    same '{"id":"carol","name":"carol","score":9007199254740991,"reached_us":1700000000000000}' \
        "$("$LBCTL" --json player-get demo carol)" 'a row with a time'
}

# Those without a time are reached now, in the order of the file.
test_ties_keep_the_order_of_the_file() {
    seq 500 -1 1 | sed 's/.*/{"id":"p&","score":1}/' >rows
    ok import demo rows
    ok --json board-get demo --limit 1000
    same "$(seq 500 -1 1 | sed 's/^/p/' | xargs)" "$(grep -o '"id":"[a-z0-9]*"' <<<"$out" | cut -d '"' -f 4 | xargs)" 'the order'
}

test_merges() {
    ok score-add demo alice 10
    ok score-add demo bob 20
    echo '{"id":"bob","score":5,"name":"Bob"}' >rows
    ok import demo rows
    same 10 "$(score demo alice)" 'who is not in the file'
    same 5 "$(score demo bob)" 'who is'
    # The last line about a player counts.
    printf '{"id":"bob","score":%s}\n' 1 2 3 >rows
    ok import demo rows
    same 3 "$(score demo bob)" 'the last line'
}

test_direction() {
    echo '{"id":"a","score":1}' >rows
    ok import laps rows --ascending
    check 0 '"ascending":true' '' --json board-info laps
    ok import laps rows
    ok import demo rows
    check 0 '"ascending":false' '' --json board-info demo
    check 1 '' '^lbctl: .*demo.* descending' import demo rows --ascending
    ok export laps laps.ndjson
    ok export demo demo.ndjson
    check 1 '' '^lbctl: .*demo.* descending' import demo laps.ndjson
    check 1 '' '^lbctl: .*laps.* ascending' import laps demo.ndjson
    check 1 '' '^lbctl: demo.ndjson is of a descending board' import other demo.ndjson --ascending
    check 3 '' . board-info other
    ok import new laps.ndjson
    check 0 '"ascending":true' '' --json board-info new
}

# bad PATTERN TEXT: as the third line it is refused by that number, and nothing was written.
bad() {
    printf '{"id":"a","score":1}\n{"id":"b","score":2}\n%b\n{"id":"d","score":4}\n' "$2" >rows
    check 1 '' "^lbctl: rows, line 3 $1.*; nothing was written\$" import demo rows
    check 1 '' "^lbctl: standard input, line 3 $1" import demo - <rows
    [ ! -e leaderboard.db ] || fail "something was created for $2"
}

test_bad_lines() {
    bad 'is not a JSON object' '7'
    bad 'is not a JSON object' '[{"id":"c","score":1}]'
    bad 'is not a JSON object' 'id,score'
    bad 'is not a JSON object' '\xef\xbb\xbf{"id":"c","score":1}'
    bad 'is not valid JSON' '{"id":"c","score":1'
    bad 'is not valid JSON' '{"id":"c","score":1,}'
    bad 'is not valid JSON' '{"id":"c" "score":1}'
    bad 'is not valid JSON' '{id:"c","score":1}'
    bad 'is not valid JSON' "{'id':'c','score':1}"
    bad 'is not valid JSON' '{"id":"c","score":01}'
    bad 'is not valid JSON' '{"id":"c","score":+1}'
    bad 'is not valid JSON' '{"id":"c","score":.5}'
    bad 'is not valid JSON' '{"id":"c","score":1.}'
    bad 'is not valid JSON' '{"id":"c","score":1e}'
    bad 'is not valid JSON' '{"id":"c","score":-}'
    bad 'is not valid JSON' '{"id":"c","score":0x10}'
    bad 'is not valid JSON' '{"id":"c","score":NaN}'
    bad 'is not valid JSON' '{"id":"c","score":Infinity}'
    bad 'is not valid JSON' '{"id":"c","score":1,"x":tru}'
    bad 'is not valid JSON' '{"id":"c\\q","score":1}'
    bad 'is not valid JSON' '{"id":"c\\u12g4","score":1}'
    bad 'is not valid JSON: a control character' '{"id":"c\tc","score":1}'
    bad 'goes on behind its JSON object' '{"id":"c","score":1} {"id":"c","score":1}'
    bad 'goes on behind its JSON object' '{"id":"c","score":1},'
    bad 'is nested too deeply' "{\"id\":\"c\",\"score\":1,\"x\":$(printf '[%.0s' {1..100})"
    bad 'has a NUL byte' '{"id":"c\x00","score":1}'
    bad 'is not valid JSON' '{"id":"c",\x00"score":1}'
    bad 'is not valid UTF-8' '{"id":"c","score":1,"name":"\xff"}'
    bad 'is not valid UTF-8' '{"id":"c","score":1,"name":"\xc0\x80"}'
    bad 'is not valid UTF-8' '{"id":"c","score":1,"name":"\xed\xa0\x80"}'
    bad 'is not valid UTF-8' '{"id":"c","score":1,"other":"\xe2\x82"}'
    bad 'has a member twice' '{"id":"c","score":1,"score":1}'
    bad 'has a member twice' '{"id":"c","score":1,"\\u0069d":"d"}'
}

test_bad_members() {
    bad 'lacks "id"' '{"score":1}'
    bad 'lacks "score"' '{"id":"c"}'
    bad 'lacks "id"' '{}'
    bad 'has a number for "id", not a string' '{"id":7,"score":1}'
    bad 'has null for "id", not a string' '{"id":null,"score":1}'
    bad 'has a string for "score", not a number' '{"id":"c","score":"1"}'
    bad 'has a boolean for "score", not a number' '{"id":"c","score":true}'
    bad 'has null for "name", not a string' '{"id":"c","score":1,"name":null}'
    bad 'has a list for "name", not a string' '{"id":"c","score":1,"name":["x"]}'
    bad 'has a string for "reached_us", not a number' '{"id":"c","score":1,"reached_us":"1"}'
    for number in 1.0 1.5 1e3 1E3 -0.0 9007199254740992 9007199254740993 -9007199254740992 \
        18446744073709551617 "1$(printf '0%.0s' {1..400})"; do
        bad "has a bad \"score\": the number '${number:0:40}' is" "{\"id\":\"c\",\"score\":$number}"
    done
    bad 'has a bad "reached_us": 0 is less than 1' '{"id":"c","score":1,"reached_us":0}'
    bad 'has a bad "reached_us": -1 is less than 1' '{"id":"c","score":1,"reached_us":-1}'
    bad 'has a bad "reached_us": ' '{"id":"c","score":1,"reached_us":1.5}'
    bad 'has a bad "id": a player id must not be empty' '{"id":"","score":1}'
    bad 'has a bad "id": a player id is made of' '{"id":"a b","score":1}'
    bad 'has a bad "id": a player id has at most 64' "{\"id\":\"$(printf 'x%.0s' {1..65})\",\"score\":1}"
    bad 'has a bad "id": ' "{\"id\":\"$(printf 'x%.0s' {1..5000})\",\"score\":1}"
    bad 'has a bad "id": .*NUL' '{"id":"c\\u0000","score":1}'
    bad 'has a bad "name": .*half a character' '{"id":"c","score":1,"name":"\\ud83d"}'
    bad 'has a bad "name": .*half a character' '{"id":"c","score":1,"name":"\\ude00\\ud83d"}'
    bad 'has a bad "name": a name must not be empty' '{"id":"c","score":1,"name":""}'
    bad 'has a bad "name": a name must not contain control' '{"id":"c","score":1,"name":"\\n"}'
    bad 'has a bad "name": a name has at most 64' "{\"id\":\"c\",\"score\":1,\"name\":\"$(printf 'x%.0s' {1..65})\"}"
    # 64 KiB is what a line may have.
    printf -v long '%65536s' x
    bad 'is longer than 65536 bytes' "{\"id\":\"c\",\"score\":1,\"x\":\"$long\"}" 2>/dev/null
}

test_long_lines() {
    local pad
    printf -v pad '%65500s' ''
    printf '{"id":"c","score":1%s}\n' "$pad" >rows
    ok import demo rows
    printf -v pad '%65536s' ''
    printf '{"id":"a","score":1}\n{"id":"c","score":1%s}' "$pad" >rows
    check 1 '' '^lbctl: rows, line 2 is longer than 65536 bytes' import other rows
    head -c 1000000 /dev/zero >rows
    check 1 '' '^lbctl: rows, line 1 is longer than 65536 bytes' import other rows
    check 3 '' . board-info other
}

test_header_and_end() {
    ok score-add demo alice 1
    ok score-add demo bob 2
    ok export demo demo.ndjson
    while read -r script pattern; do
        sed "$script" demo.ndjson >rows
        check 1 '' "^lbctl: rows.*$pattern.*; nothing was written$" import copy rows
    done <<'END'
$d  is cut short: the line .* is missing
2d line 3 ends 2 players, but there are 1
2p line 5 ends 2 players, but there are 3
1p line 2 begins another board
4p line 5 stands behind the end
1s/1,/2,/ line 1 is of version 2
1s/1,/"1",/ line 1 has a string for "version"
1s/leaderboard/other/ line 1 is of another format
1s/false/0/ line 1 has a number for "ascending", not a boolean
1s/,"ascending":false// line 1 lacks "ascending"
4s/true/false/ line 4 has a false "end"
4s/,"players":2// line 4 lacks "players"
4s/2/2.0/ line 4 has a bad "players"
END
    # Cut off anywhere, it is refused, but for the line break at its end.
    for size in $(seq 0 "$CUT_STEP" $(($(wc -c <demo.ndjson) - 2))); do
        head -c "$size" demo.ndjson >rows
        check 1 '' '^lbctl: rows' import copy rows
    done
    check 3 '' . board-info copy
    head -c -1 demo.ndjson >rows
    ok import copy rows
    sed 1d demo.ndjson >rows
    check 0 '0 changed, 2 unchanged' '' import copy rows
}

test_files() {
    check 1 '' '^lbctl: cannot open nix: No such file' import demo nix
    check 1 '' '^lbctl: cannot read .: Is a directory' import demo .
    : >empty
    check 1 '' '^lbctl: empty has no players in it' import demo empty
    check 1 '' '^lbctl: standard input has no players in it' import demo -
    echo '{"id":"a","score":1}' >rows
    check 2 '' '^lbctl: a board id is made of' import 'a b' rows
    check 2 '' '^lbctl: FILE is missing' import demo
    mkfifo fifo
    cat rows >fifo &
    TMPDIR=/nix check 1 '' '^lbctl: cannot make a temporary file /nix/.*; TMPDIR says where$' import demo fifo
    check 3 '' . board-info demo
}

# ---- Rows of many boards --------------------------------------------------------------------------------------

# The tables of another program as `rethinkdb export` writes them, in order of their ids: equal scores are in the
# order of the file.
seed() {
    cat >boards.json <<'END'
[
{"id": "b2"},
{"id": "7b9fae85-4b07-43f7-b977-84b631fe8243"},
{"id": "empty", "title": "\u00d8 {[\"\\"}
]
END
    cat >players.json <<'END'
[
{"board": "b2", "id": "00121e51-aea2-4038-b793-e9c0a89da413", "name": "Al \\ \"}{", "score": 65},
{"board": "7b9fae85-4b07-43f7-b977-84b631fe8243", "id": "p2", "name": "", "score": 3, "extra": {"a": [{}, "}"]}},
{"board": "b2", "id": "p3", "name": "B\u00f6b", "score": 70},
{"board": "b2", "id": "p1", "name": null, "score": 65},
{"board": "b2", "id": "p0", "score": -65}
]
END
}

check_seed() {
    same '{"players":[{"id":"p3","name":"Böb","score":70,"position":1,"rank":1},{"id":"00121e51-aea2-4038-b793-e9c0a89da413","name":"Al \\ \"}{","score":65,"position":2,"rank":2},{"id":"p1","name":"p1","score":65,"position":3,"rank":2},{"id":"p0","name":"p0","score":-65,"position":4,"rank":4}]}' \
        "$("$LBCTL" --json board-get b2)" "the board, $1"
    same '{"players":[{"id":"p2","name":"p2","score":3,"position":1,"rank":1}]}' \
        "$("$LBCTL" --json board-get 7b9fae85-4b07-43f7-b977-84b631fe8243)" "the other board, $1"
}

test_boards() {
    seed
    cat boards.json players.json >both
    "$LBCTL" import-boards - <both >"$DIR/out"
    same 'imported 5 players to their boards: 5 changed, 0 unchanged' "$(<"$DIR/out")" 'the summary'
    check_seed 'as exported'
    check 0 '"players":0' '' --json board-info empty
    same '{"players":5,"changed":5,"unchanged":0}' "$("$LBCTL" --json import-boards players.json)" 'once more'
    check_seed 'once more'
}

# However the rows are laid out.
test_boards_layouts() {
    local layout
    need jq
    seed
    for layout in '-c .' '-c .[]' '.' '.[]' '--tab .'; do
        rm -f leaderboard.db*
        jq $layout players.json | sed 's/$/\r/' >rows
        ok import-boards rows
        check_seed "jq $layout"
    done
}

# bad_rows PATTERN TEXT
bad_rows() {
    printf '%b' "$2" >rows
    check 1 '' "^lbctl: rows,? ?$1.*; nothing was written\$" import-boards rows
    [ ! -e leaderboard.db ] || fail "something was created for $2"
}

test_boards_bad_rows() {
    local long
    bad_rows 'line 2 lacks "board"' '[\n{"id":"a","score":1}]'
    bad_rows 'line 3 lacks "score"' '[{"id":"a"},\n\n{"id":"a","board":"b"}]'
    bad_rows 'line 1 lacks "id"' '[{}]'
    bad_rows 'line 1 has a bad "id": a board id' '{"id":"a b"}'
    bad_rows 'line 1 has a bad "board": a board id' '{"id":"a","score":1,"board":"a b"}'
    bad_rows 'line 1 has a number for "board"' '{"id":"a","score":1,"board":7}'
    bad_rows 'line 1 has a bad "score": .*1.5' '{"id":"a","score":1.5,"board":"b"}'
    bad_rows 'line 1 has null for "score"' '{"id":"a","score":null,"board":"b"}'
    bad_rows 'line 1 has a bad "name"' '{"id":"a","score":1,"board":"b","name":"\\n"}'
    bad_rows 'line 2 is not valid JSON' '{"id":"a"}\n{"id":"b",}'
    bad_rows 'line 1 is not a JSON object' '7'
    bad_rows 'line 1 is not a JSON object' '\xef\xbb\xbf[{"id":"a"}]'
    bad_rows 'line 1 is not valid JSON: a bracket' '[{"id":"a"},,{"id":"b"}]'
    bad_rows 'line 1 is not valid JSON: a bracket' '[,{"id":"b"}]'
    bad_rows 'line 2 is not valid JSON: a bracket' '[{"id":"b"},\n]'
    bad_rows 'line 1 is not valid JSON: a bracket' '{"id":"b"}]'
    bad_rows 'line 1 is not valid JSON: a bracket' '{"id":"a"},{"id":"b"}'
    bad_rows 'line 1 is not valid JSON: a bracket' '[[{"id":"a"}]]'
    bad_rows 'line 2 is not valid JSON: a comma is missing' '[{"id":"a"}\n{"id":"b"}]'
    bad_rows 'line 1 is of a file of lbctl export' '{"format":"leaderboard","version":1,"board":"b","ascending":false}'
    bad_rows 'has no players in it' '[]'
    bad_rows 'has no players in it' ' \n'
    printf -v long '%65536s' x
    bad_rows 'line 1 is longer than 65536 bytes' "{\"id\":\"c\",\"score\":1,\"board\":\"$long\"}"
    bad_rows 'line 1 is longer than 65536 bytes' "{\"id\":\"c$long$long$long"
}

# Cut off anywhere within a list it is refused.
test_boards_cut_short() {
    local size
    seed
    for size in $(seq 1 "$CUT_STEP" $(($(wc -c <players.json) - 3))); do
        head -c "$size" players.json >rows
        check 1 '' '^lbctl: rows.*; nothing was written$' import-boards rows
    done
    check_no_database
}

check_no_database() {
    [ ! -e leaderboard.db ] || fail 'a database was created'
}

# A file of rows that say which board they are of is not poured onto one.
test_rows_of_another_board() {
    printf '{"id":"a","score":1,"board":"demo"}\n{"id":"b","score":2,"board":7}\n' >rows
    ok import demo rows
    check 1 '' "^lbctl: rows, line 1 is of board 'demo': import-boards puts each row on its own; nothing was written$" \
        import other rows
    check 3 '' . board-info other
}

# What waited in a pipe is kept in a temporary file; a large one goes through in bounded memory.
test_boards_large() {
    seq 30000 | awk '{ printf "{\"id\":\"p%d\",\"score\":%d,\"board\":\"b%d\"}\n", $1, $1, $1 % 10 }' >rows
    "$LBCTL" --json import-boards - < <(cat rows) >"$DIR/out"
    same '{"players":30000,"changed":30000,"unchanged":0}' "$(<"$DIR/out")" 'the summary'
    ok --json board-info b7
    [[ $out == *'"players":3000'* ]] || fail 'not a tenth' "$out"
}

# Interrupted at any moment it can be done again, and ends as if it had not been.
test_kill_9() {
    local pid i killed=0
    ok board-create demo
    fill demo 20000
    ok export demo demo.ndjson
    for i in 1 2 3 4 5 6; do
        "$LBCTL" --database sqlite:copy.db import copy demo.ndjson >out 2>&1 &
        pid=$!
        # Somewhere in the middle: when so many rows are there.
        until [ "$(sqlite3 -cmd '.timeout 10000' copy.db 'SELECT count(*) FROM players' 2>/dev/null || echo 0)" -gt $((i * 2500)) ]; do
            kill -0 $pid 2>/dev/null || break
        done
        kill -9 $pid 2>/dev/null
        wait $pid 2>/dev/null || killed=$((killed + 1))
    done
    ((killed > 0)) || fail 'it was never interrupted'
    lb --database sqlite:copy.db --json import copy demo.ndjson
    [[ $out =~ \"changed\":([0-9]+),\"unchanged\":([0-9]+) ]] || fail 'no summary' "$out" "$err"
    same 20000 $((BASH_REMATCH[1] + BASH_REMATCH[2])) 'changed and unchanged'
    ((BASH_REMATCH[2] > 0)) || fail 'it has begun anew'
    same "$(order leaderboard.db demo)" "$(order copy.db copy)" 'the order'
    same ok "$(sqlite3 copy.db 'PRAGMA integrity_check')" 'the integrity check'
}

# Another program holds the write lock: it gives up in time, and says how far it has come.
test_locked() {
    need sqlite3
    ok board-create demo
    seq 3000 | sed 's/.*/{"id":"p&","score":&}/' >rows
    coproc SHELL { sqlite3 leaderboard.db 2>&1; }
    echo "BEGIN IMMEDIATE; SELECT 'locked';" >&"${SHELL[1]}"
    IFS= read -r -t "$DEADLINE" -u "${SHELL[0]}" line || fail 'the shell does not answer'
    check 1 '' '^lbctl: ' --timeout 0.3 import demo rows
    echo 'COMMIT;' >&"${SHELL[1]}"
    ok import demo rows
    ok import demo rows
}

test_deleted_meanwhile() {
    need sqlite3
    ok board-create demo
    ok score-add demo x 1
    sql "CREATE TRIGGER stop AFTER INSERT ON players WHEN NEW.id = 'p1500' BEGIN DELETE FROM boards WHERE id = 'demo'; END"
    seq 3000 | sed 's/.*/{"id":"p&","score":&}/' >rows
    check 3 '' "^lbctl: rows, line [0-9]+: no board 'demo'; [0-9]+ of 3000 players are written, do it again" import demo rows
}

test_progress_on_a_terminal() {
    need script
    seq 200000 | sed 's/.*/{"id":"p&","score":&}/' >rows
    script -qec "'$LBCTL' import demo rows" /dev/null >seen
    grep -q 'importing \[#* *\] *[0-9]* % [0-9]* rows, [0-9]*/s' seen || fail 'no progress' "$(tail -c 300 seen)"
    grep -q 'imported 200000 players' seen || fail 'no summary'
}

run_tests
