#!/bin/bash
# lbctl relay: its arguments, what it publishes, and how it ends. The proxy is a few lines of Python.
# The tests are called by name.
# shellcheck disable=SC2317
# shellcheck source-path=SCRIPTDIR source=../support/cli.sh
. "$(dirname "$0")/../support/cli.sh"

unset GRIP_URL GRIP_PREFIX http_proxy all_proxy

# relay_says STATUS PATTERN ARG...: lbctl relay ARG... ends with this status and one line of lbctl-relay's.
relay_says() {
    local want=$1 pattern=$2
    shift 2
    lb relay "$@"
    [ "$status" -eq "$want" ] || fail "lbctl relay $*: status $status, not $want" "$err"
    [[ $err =~ ^lbctl-relay:\ [^$'\n']+$ ]] || fail "lbctl relay $*: not one line" "$err"
    matches "$err" "$pattern" || fail "lbctl relay $*: said, not matching '$pattern'" "$err"
}

test_arguments() {
    relay_says 2 'GRIP_URL'
    relay_says 2 'neither http' --grip-url ftp://h
    relay_says 2 'interval' --grip-url http://h --interval 0
    relay_says 2 'prefix' --grip-url http://h --prefix 'a;b'
    relay_says 2 'key' --grip-url 'http://h?iss=i&key=base64:SECRET!'
    relay_says 2 'URL 2 of several' --grip-url 'http://h?key=my key'
    [[ $err != *SECRET* ]] || fail 'it tells the key' "$err"
    check_nothing_created
}

# start_proxy: prints the bodies it gets, a line each, to descriptor $PROXY, and listens at $PORT.
start_proxy() {
    need python3
    mkfifo "$DIR/proxy"
    python3 -u - >"$DIR/proxy" <<'PYTHON' &
import http.server

class Proxy(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
        print(self.path, self.headers["Authorization"], body.decode())

    def log_message(self, *args):
        pass

server = http.server.HTTPServer(("127.0.0.1", 0), Proxy)
print(server.server_port)
server.serve_forever()
PYTHON
    exec {PROXY}<"$DIR/proxy"
    IFS= read -r -t "$DEADLINE" -u "$PROXY" PORT || fail 'the proxy does not start'
}

# wait_published PATTERN: reads what the proxy gets until a line matches.
wait_published() {
    while IFS= read -r -t "$DEADLINE" -u "$PROXY" line; do
        matches "$line" "$1" && return
    done
    fail "nothing was published that matches '$1'" "the last one: $line"
}

test_publishes() {
    start_proxy
    ok board-create demo
    export GRIP_URL="http://127.0.0.1:$PORT/?key=changeme" GRIP_PREFIX=leaderboard-
    follow relay --interval 10
    wait_published '^/publish/ Bearer changeme .*"channel":"leaderboard-demo".*"action":"hint"'
    ok score-add demo alice 3
    wait_published '"channel":"leaderboard-demo","id":"[0-9a-f]{32}","prev-id":"[0-9a-f]{32}".*alice.*3'
    kill -TERM "$WATCH_PID"
    wait_end 0 'active'
}

# wait_said PATTERN: reads what it says until a line matches.
wait_said() {
    while IFS= read -r -t "$DEADLINE" -u "$WATCH_ERR" line; do
        matches "$line" "$1" && return
    done
    fail "it does not say anything that matches '$1'" "the last line: $line"
}

# It can do nothing yet, and says so; another one stands by, and says so.
test_says_what_it_is() {
    local first
    start_proxy
    export GRIP_URL="http://127.0.0.1:$PORT/"
    follow relay
    wait_said 'cannot ask the database .*no database at'
    check_nothing_created
    ok board-create demo
    wait_said 'is the active one now'
    first=$WATCH_PID
    follow relay
    wait_said 'stands by'
    kill -TERM "$first"
    wait_said 'is the active one now'
    kill -TERM "$WATCH_PID"
    wait_end 0 ''
}

# What could not be published within ten seconds is told by the status.
test_ends_without_a_proxy() {
    ok board-create demo
    follow relay --grip-url http://127.0.0.1:1/
    wait_said 'cannot be reached'
    kill -TERM "$WATCH_PID"
    wait_end 1 'not published'
}

run_tests
