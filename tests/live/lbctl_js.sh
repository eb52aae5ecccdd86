#!/bin/bash
# RethinkDB's own JavaScript driver beside lbctl: what one writes the other sees at once.
# The tests are called by name.
# shellcheck disable=SC2317
# shellcheck source-path=SCRIPTDIR source=../support/cli.sh
. "$(dirname "$0")/../support/cli.sh"
# shellcheck source-path=SCRIPTDIR source=../support/rethinkdb.sh
. "$(dirname "$0")/../support/rethinkdb.sh"

ASK_JS=$(cd "$(dirname "$0")/../support" && pwd)/rethinkdb.js
# Beside the program that is tested: in the build directory.
MODULES=$(dirname "$LBCTL")/../tests/js

need_driver() {
    local program
    for program in node npm; do
        command -v $program >/dev/null || { echo "SKIP $SUITE: no $program on PATH"; exit 77; }
    done
    mkdir -p "$MODULES"
    [ -d "$MODULES/node_modules/rethinkdb" ] ||
        timeout 60 npm install --prefix "$MODULES" --silent --no-fund --no-audit --no-save rethinkdb@2.4.2 \
            >/dev/null 2>&1 || { echo "SKIP $SUITE: npm cannot install the driver"; exit 77; }
}

begin() {
    DATABASE_URL=$(rethinkdb_url "${NAME##*/}")
    export DATABASE_URL
}

# js EXPRESSION: what the driver answers.
js() {
    NODE_PATH=$MODULES/node_modules node "$ASK_JS" "$RETHINKDB_PORT" "${NAME##*/}" "$1" 2>&1 || fail "$1"
}

# Times are not known, but that there are some.
times() {
    sed -E 's/"(at|created)":[1-9][0-9]{12}000\b/"\1":T/g'
}

test_documents() {
    begin
    ok score-add demo alice 10
    ok player-put demo bob --name 'Böb "B"'
    ok board-create laps --ascending
    ok score-set laps x 61250 --create
    same '[{"at":T,"board":"demo","id":"alice","key":["demo","alice"],"name":"alice","score":10},{"at":T,"board":"demo","id":"bob","key":["demo","bob"],"name":"Böb \"B\"","score":0},{"asc":true,"at":T,"board":"laps","id":"x","key":["laps","x"],"name":"x","score":61250}]' \
        "$(js 'db.table("players").orderBy({index: "key"})' | times)" 'the players'
    same '[{"created":T,"id":"demo"},{"asc":true,"created":T,"id":"laps"}]' \
        "$(js 'db.table("boards").orderBy({index: "id"})' | times)" 'the boards'
    same '[["demo",-10],["demo",0],["laps",61250]]' \
        "$(js 'db.table("players").orderBy({index: "rank"}).map(p => [p("board"), p("asc").default(false).branch(p("score"), r.sub(0, p("score")))])')" \
        'the order of the index'
    [[ $("$LBCTL" --json player-get demo alice) =~ \"reached_us\":([0-9]+) ]] || fail 'no time'
    same "${BASH_REMATCH[1]}" "$(js 'db.table("players").get(["demo", "alice"])("at")')" 'the time'
}

# wait_top PATTERN: the next event but those that were superseded.
wait_top() {
    wait_line "^data: .*$1"
}

test_watch() {
    begin
    ok score-add demo alice 10
    ok score-add demo bob 20
    start_watch demo
    wait_top '"id":"bob".*"score":20,"position":1.*"id":"alice".*"score":10,"position":2'
    js 'db.table("players").get(["demo", "alice"]).update({score: 30})' >/dev/null
    wait_top '"id":"alice".*"score":30,"position":1.*"id":"bob"'
    # Of a row that is put there from outside nothing but key and score is needed.
    js 'db.table("players").insert({key: ["demo", "carol"], score: 25})' >/dev/null
    wait_top '"alice".*"id":"carol","name":"carol","score":25,"position":2.*"bob"'
    js 'db.table("players").getAll(["demo", "bob"]).update({name: "Bob B.", score: r.row("score").add(5)})' >/dev/null
    wait_top '"id":"bob","name":"Bob B.","score":25,.*"rank":2'
    js 'db.table("players").get(["demo", "alice"]).delete()' >/dev/null
    wait_top '"players":\[\{"id":"carol"[^{]*\{"id":"bob"[^{]*\]'
    # A score that is none stays out of the order, and the others stay in it.
    js 'db.table("players").get(["demo", "bob"]).update({score: "many"})' >/dev/null
    wait_top '"players":\[\{"id":"carol"[^{]*\]'
    ok score-add demo dave 99
    wait_top '"id":"dave".*"id":"carol"'
    js 'db.table("boards").get("demo").delete()' >/dev/null
    wait_end 3 "board 'demo' was deleted"
}

test_changes() {
    begin
    ok score-add demo alice 10
    follow changes
    wait_line '"ready"'
    js 'db.table("players").get(["demo", "alice"]).update({score: 30})' >/dev/null
    wait_line .
    matches "$line" '"type":"change","board":"demo","old":\{"id":"alice","name":"alice","score":10,.*"new":\{"id":"alice","name":"alice","score":30,' ||
        fail 'another line' "$line"
    kill "$WATCH_PID"
    wait_end 0 ''
}

# And the other way round: a changefeed of the driver hears lbctl.
test_heard_by_the_driver() {
    begin
    ok score-add demo alice 10
    mkfifo feed
    NODE_PATH=$MODULES/node_modules node -e '
        const r = require("rethinkdb");
        (async () => {
            const c = await r.connect({host: "127.0.0.1", port: Number(process.argv[1])});
            const feed = await r.db(process.argv[2]).table("players").changes({includeStates: true}).run(c);
            feed.each((error, change) => console.log(error ? error.message : JSON.stringify(change)));
        })();' "$RETHINKDB_PORT" "${NAME##*/}" >feed 2>&1 &
    exec {FEED}<feed
    IFS= read -r -t "$DEADLINE" -u "$FEED" line
    same '{"state":"ready"}' "$line" 'the feed'
    ok score-add demo alice 5
    IFS= read -r -t "$DEADLINE" -u "$FEED" line
    [[ $line == *'"score":15'* ]] || fail 'not the change' "$line"
}

# A database of the article's shape, made as its program makes it: refused with a sentence that says what to do, and
# that is then done. Its rows are written into files as `rethinkdb export` writes them.
test_seed() {
    local board
    begin
    js 'r.dbCreate("article")' >/dev/null
    js 'r.db("article").tableCreate("boards")' >/dev/null
    js 'r.db("article").tableCreate("players")' >/dev/null
    js 'r.db("article").table("boards").insert([{}, {}, {}])' >/dev/null
    js 'r.db("article").table("boards").limit(2).coerceTo("array").do(bs => r.db("article").table("players").insert(
        r.range(300).coerceTo("array").map(i => ({board: bs.nth(i.mod(2))("id"), score: i.mul(7919).mod(97),
            name: r.branch(i.mod(7).eq(0), "", r.add("Pl\u00e4yer ", i.coerceTo("string")))}))))' >/dev/null
    for command in board-list 'score-add b p' 'watch b' 'export b'; do
        # shellcheck disable=SC2086
        check 1 '' "^lbctl: .*'article' holds a table 'players' of another program.*lbctl import-boards takes" \
            --database "$(rethinkdb_url article)" $command
    done
    for table in boards players; do
        js "r.db('article').table('$table').orderBy({index: 'id'})" | sed 's/^\[/[\n/; s/},{/},\n{/g; s/\]$/\n]/' >"$table.json"
    done
    cat boards.json players.json | "$LBCTL" import-boards - >"$DIR/out" || fail 'import-boards'
    same 'imported 300 players to their boards: 300 changed, 0 unchanged' "$(<"$DIR/out")" 'the summary'
    same 3 "$("$LBCTL" --json board-list | grep -o '"id"' | wc -l)" 'the boards'
    for board in $("$LBCTL" --json board-list | grep -o '"id":"[^"]*"' | cut -d '"' -f 4); do
        # The order of its own query; which of two equal scores comes first is not said there, but is the file's here.
        same "$(js "r.db('article').table('players').orderBy(r.desc('score')).filter({board: '$board'})('score')" |
            tr -d '[]' | tr , '\n')" \
            "$("$LBCTL" --json board-get "$board" --limit 1000 | grep -o '"score":[0-9]*' | cut -d : -f 2)" 'the scores'
        same "$(grep "\"board\":\"$board\"" players.json | sed -E 's/.*"id":"([^"]*)".*"score":([0-9]*).*/\2 \1/' | LC_ALL=C sort -k1,1nr -k2,2 | cut -d ' ' -f 2)" \
            "$("$LBCTL" --json board-get "$board" --limit 1000 | grep -o '"id":"[^"]*"' | cut -d '"' -f 4)" 'the order'
    done
}

# Who has no Python: what the help says to type at the server's console is typed there.
test_seed_without_files() {
    local board query
    begin
    js 'r.dbCreate("old")' >/dev/null
    js 'r.db("old").tableCreate("boards")' >/dev/null
    js 'r.db("old").tableCreate("players")' >/dev/null
    js 'r.db("old").table("boards").insert([{}, {id: "made"}])' >/dev/null
    js 'r.db("old").table("boards").coerceTo("array").do(bs => r.db("old").table("players").insert(
        r.range(100).coerceTo("array").map(i => ({board: bs.nth(i.mod(2))("id"), score: i.mul(7919).mod(97),
            name: r.branch(i.mod(7).eq(0), "", "Player")}))))' >/dev/null
    ok board-create made
    ok import-boards --help
    grep -c "r.db('NEW')" <<<"$out" | grep -qx 2 || fail 'the help has changed' "$out"
    # The queries of the help, a line each.
    while IFS= read -r query; do
        query=${query//\'NEW\'/\'${NAME##*/}\'}
        js "${query//\'OLD\'/\'old\'}.do(done => done('errors').add(done('inserted')))"
    done < <(sed -n "/r.db('NEW')/,\$p" <<<"$out" | sed '/^[^ ]/,$d; /^$/,$d' | tr -d '\n' | sed "s/  r\.db('NEW')/\nr.db('NEW')/g; s/  */ /g" | sed -n '/r.db/p'; echo) \
        >copied
    same $'2\n100' "$(<copied)" 'the rows that were copied; a board was there already'
    for board in $("$LBCTL" --json board-list | grep -o '"id":"[^"]*"' | cut -d '"' -f 4); do
        same "$(js "r.db('old').table('players').orderBy(r.desc('score'), 'id').filter({board: '$board'})('id')" |
            tr -d '[]"' | tr , '\n')" \
            "$("$LBCTL" --json board-get "$board" --limit 1000 | grep -o '"id":"[^"]*"' | cut -d '"' -f 4)" 'the order'
    done
}

# An index that another program has made, or somebody at the console: doctor says what to do about it, and that works.
test_another_index() {
    begin
    ok score-add demo alice 10
    ok doctor
    js 'db.table("players").indexDrop("rank")' >/dev/null
    js 'db.table("players").indexCreate("rank", r.row("score"))' >/dev/null
    check 1 "problem +it cannot be read: the index 'rank' .*indexDrop\('rank'\).*verdict +does not work" \
        '^lbctl: the database does not work' doctor
    check 1 '' "^lbctl: the index 'rank' of table 'players' in database '${NAME##*/}' is of another program: drop it" \
        board-get demo
    ok score-add demo alice 1
    js 'db.table("players").indexDrop("rank")' >/dev/null
    ok board-get demo
    check 0 'verdict +healthy' '' doctor
}

# Who is no administrator is told less, and that it is less. Nobody is told the password.
test_doctor_of_a_user() {
    begin
    ok score-add demo alice 10
    js 'r.db("rethinkdb").table("users").insert({id: "game", password: "s3cret:@/"})' >/dev/null
    js 'db.grant("game", {read: true, write: true})' >/dev/null
    url=rethinkdb://game:s3cret%3A%40%2F@127.0.0.1:$RETHINKDB_PORT/${NAME##*/}
    check 0 'tables +ready for reads, ready for writes.*servers +this user may not see them.*verdict +healthy' '' \
        --database "$url" doctor
    [[ $out != *s3cret* && $out == *'rethinkdb://game:***@127.0.0.1:'* ]] || fail 'the URL' "$out"
    check 0 '"servers":"this user may not see them".*"healthy":true' '' --database "$url" --json doctor
    [[ $out != *s3cret* ]] || fail 'the password' "$out"
    for command in doctor '--json doctor' board-list 'score-add demo alice'; do
        # shellcheck disable=SC2086
        lb --database "${url/s3cret/s3cert}" $command
        same 1 "$status" "$command with the wrong password"
        [[ $out$err != *s3cert* ]] || fail 'the password' "$out" "$err"
        [[ $out$err == *'wrong user or password'* ]] || fail 'not the reason' "$out" "$err"
    done
}

need_driver
start_rethinkdb
run_tests
