#!/bin/bash
# The command line itself: commands, options, help.
# Words are split on purpose ("board-get demo" is two), and the tests are called by name.
# shellcheck disable=SC2086,SC2317
# shellcheck source-path=SCRIPTDIR source=../support/cli.sh
. "$(dirname "$0")/../support/cli.sh"

COMMANDS='board-create board-list board-info board-get board-delete player-put player-get player-around
    player-remove score-add score-set watch changes import import-boards export relay doctor'

test_help() {
    check 0 '^usage: lbctl ' '' --help
    for command in $COMMANDS; do
        [[ $out == *$'\n'"  $command "* ]] || fail "lbctl --help does not list $command"
    done
    for word in --database --json --timeout DATABASE_URL sqlite:leaderboard.db 'Exit status:' Examples:; do
        [[ $out == *"$word"* ]] || fail "lbctl --help does not tell of $word"
    done
    check_nothing_created
}

test_help_of_each_command() {
    for command in $COMMANDS; do
        check 0 "^usage: lbctl $command" '' "$command" --help
        for word in Examples: 'Exit status:' --database --json "lbctl $command"; do
            [[ $out == *"$word"* ]] || fail "lbctl $command --help does not tell of $word"
        done
        same "$out" "$("$LBCTL" --help "$command")" "--help before $command"
    done
    check 0 '--limit N'$'\n.*1 to 1000. Default 5' '' board-get --help
    check 0 '--offset N'$'\n.*0 to 10000. Default 0' '' board-get --help
    check_nothing_created
}

test_help_lists_only_what_exists() {
    listed=$("$LBCTL" --help | sed -n 's/^  \([a-z]*-*[a-z]*\)  .*/\1/p' | grep -v '^$')
    same "$(echo $COMMANDS | tr ' ' '\n')" "$listed" "the list of commands"
}

# Option names in --help are options of the command, and the other way round.
test_help_tells_the_options() {
    check 0 '\[--limit N\] \[--offset N\] \[--after CURSOR\]' '' board-get --help
    check 0 '\[--name NAME\] \[--create\]' '' player-put --help
    check 0 '\[--existing\] \[--key KEY\]' '' score-add --help
    check 0 '\[--create\] \[--best\] \[--key KEY\]' '' score-set --help
}

test_version() {
    check 0 '^lbctl [0-9]+\.[0-9]+\.[0-9]+$' '' --version
    check 0 '^lbctl [0-9]' '' board-list --version
}

test_commands() {
    check 2 '' 'no command is given; see: lbctl --help'
    check 2 '' "unknown command 'board-gte', did you mean board-get\?" board-gte demo
    check 2 '' "unknown command 'scoreadd', did you mean score-add\?" scoreadd demo
    check 2 '' "unknown command 'frobnicate'; see: lbctl --help" frobnicate
    check 2 '' "unknown command ''" ''
    check 2 '' "unknown command 'board-get-the-whole-board-and-everything-on-it'" \
        board-get-the-whole-board-and-everything-on-it
    check 2 '' "unknown command 'bogus'" bogus --help
    check_nothing_created
}

test_operands() {
    check 2 '' '^lbctl: BOARD is missing; usage: lbctl board-get BOARD' board-get
    check 2 '' '^lbctl: PLAYER is missing' score-add demo
    check 2 '' '^lbctl: SCORE is missing' score-set demo alice
    check 2 '' "^lbctl: surplus argument 'x'; usage: lbctl board-list$" board-list x
    check 2 '' "^lbctl: surplus argument 'y'" board-info x y
    check 2 '' "^lbctl: surplus argument '3'" score-add demo alice 1 3
    check 2 '' "^lbctl: surplus argument '3'" score-add demo alice 1 3 4
    check_nothing_created
}

test_options() {
    check 2 '' '^lbctl: unknown option --frob; see: lbctl --help$' --frob board-list
    check 2 '' '^lbctl: unknown option --frob; see: lbctl board-list --help$' board-list --frob
    check 2 '' '^lbctl: unknown option --lim' board-get demo --lim 3
    check 2 '' '^lbctl: unknown option -x; .*put --' score-add demo -x
    check 2 '' '^lbctl: unknown option -h; see: lbctl --help' -h
    check 2 '' '^lbctl: board-get takes no option --best; usage: ' board-get demo --best
    check 2 '' '^lbctl: option --limit needs a value: --limit N$' board-get demo --limit
    check 2 '' '^lbctl: option --json takes no value$' --json=yes board-list
    check_nothing_created
}

test_numbers() {
    for value in 0 1001 -1 abc '' 1.5 1e2 ' 5' +5 05 99999999999999999999; do
        check 2 '' '^lbctl: --limit takes a whole number from 1 to 1000, not' board-get demo --limit "$value"
        check 2 '' '^lbctl: --limit takes a whole number from 1 to 1000, not' watch demo "--limit=$value"
        check 2 '' '^lbctl: --count takes a whole number from 1 to 1000' player-around demo a --count "$value"
    done
    for value in 10001 -1 abc ''; do
        check 2 '' '^lbctl: --offset takes a whole number from 0 to 10000' board-get demo --offset "$value"
    done
    check_nothing_created
}

test_timeout() {
    for value in 0 -1 abc '' 3600.5 3601 1e2 inf nan 0x10 ' 5' +5 . 1.2.3; do
        check 2 '' '^lbctl: --timeout takes seconds, more than 0 and at most 3600' board-list --timeout "$value"
    done
    check_nothing_created
    ok board-create demo
    for value in 3600 0.5 .5 5. 2; do
        ok --timeout "$value" board-list
    done
}

test_options_before_and_after() {
    ok score-add demo alice 10
    for args in '--json board-get demo' 'board-get --json demo' 'board-get demo --json'; do
        check 0 '^\{"players":\[' '' $args
    done
    check 0 '^\{"players":\[' '' --json --limit=1 board-get demo
    check 0 'alice' '' board-get --limit 3 --limit 1 demo
}

test_dashes() {
    check 0 'bob +-5 ' '' score-add demo bob -5
    check 0 'bob +-10 ' '' score-add demo bob -- -5
    check 0 'bob +-7 ' '' score-set demo bob -7
    check 0 '-x +1 ' '' score-add demo -- -x
    check 0 '--json +1 ' '' score-add -- demo --json
    check 0 '"id":"-x"' '' --json player-get demo -- -x
    check 0 'board|-b ' '' board-create -- -b
    check 0 '-b ' '' board-list
}

test_database_url() {
    DATABASE_URL=sqlite:env.db ok board-create demo
    [ -f env.db ] || fail 'DATABASE_URL is not heeded'
    DATABASE_URL=sqlite:env.db ok --database sqlite:option.db board-create demo
    [ -f option.db ] || fail '--database is not heeded'
    [ ! -e leaderboard.db ] || fail 'leaderboard.db was created'
    DATABASE_URL='' ok board-create demo
    [ -f leaderboard.db ] || fail 'an empty DATABASE_URL is not the default'
    check 2 '' '.' --database '' board-list
}

test_bad_url() {
    for url in nonsense '' 'mysql://host/db' 'sqlite' 'leaderboard.db' 'sqlite:'; do
        check 2 '' '^lbctl: .*sqlite:' --database "$url" board-list
        [ -z "$url" ] || DATABASE_URL=$url check 2 '' '^lbctl: .*sqlite:' score-add demo alice 1
    done
    check 2 '' '.' --database 'db://user:hunter2@host/' board-list
    [[ $err != *hunter2* ]] || fail 'the password is repeated' "$err"
    check_nothing_created
}

run_tests
