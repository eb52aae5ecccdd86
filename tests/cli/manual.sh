#!/bin/bash
# The man page and the completion name exactly what lbctl --help does.
# Words are split on purpose, and the tests are called by name.
# shellcheck disable=SC2034,SC2046,SC2317
# shellcheck source-path=SCRIPTDIR source=../support/cli.sh
. "$(dirname "$0")/../support/cli.sh"

ROOT=$(cd "$(dirname "$0")/../.." && pwd)

commands() {
    "$LBCTL" --help | sed -n '/^Commands;/,/^$/s/^  \([a-z-]*\) .*/\1/p'
}

# The options that a help text explains: "--limit N", without what is said about them.
options() {
    "$LBCTL" "$@" --help | sed -n 's/^  \(--[a-z].*\)/\1/p'
}

# The options of a command beside those of every command.
own_options() {
    "$LBCTL" "$1" --help | sed -n '/^Options:/,/^$/s/^  \(--[a-z-]*\).*/\1/p'
}

# A part of the man page, with plain dashes.
section() {
    sed 's/\\-/-/g' "$ROOT/man/lbctl.1" | sed -n "/^\.SH $1/,/^\.SH/p"
}

test_man_commands() {
    wanted=$(for command in $(commands); do
        "$LBCTL" "$command" --help | sed -n 's/^usage: lbctl //p'
    done)
    [ "$(wc -l <<<"$wanted")" -ge 15 ] || fail 'the help lists too little' "$wanted"
    same "$wanted" "$(section COMMANDS | sed -n 's/^\.SS "*\([^"]*\)"*/\1/p')" 'the commands of the man page'
}

test_man_options() {
    wanted=$({
        options
        for command in $(commands); do options "$command"; done
    } | sort -u)
    same "$wanted" "$(section OPTIONS | grep -A1 '^\.TP' | sed -n 's/^\.BI* \(--.*\)/\1/p' | tr -d '"' | tr -s ' ' | sort)" \
        'the options of the man page'
}

# Exit statuses and environment are in both, too.
test_man_statuses() {
    same "$("$LBCTL" --help | sed -n '/^Exit status:/,/^Errors/s/^  \([0-9]\) .*/\1/p')" \
        "$(section 'EXIT STATUS' | sed -n 's/^\.B \([0-9]\)$/\1/p')" 'the statuses'
    section ENVIRONMENT | grep -q '^\.B DATABASE_URL' || fail 'no DATABASE_URL'
}

test_man_is_clean() {
    need groff
    same '' "$(groff -man -ww -z -Tutf8 "$ROOT/man/lbctl.1" 2>&1)" 'warnings'
}

# complete WORD...: what the completion offers for the last word.
complete_words() {
    bash -c '
        PATH=$(dirname "$1"):$PATH
        . "$2"
        COMP_WORDS=("${@:3}") COMP_CWORD=$(($# - 3))
        _lbctl
        [ ${#COMPREPLY[@]} -eq 0 ] || printf "%s\n" "${COMPREPLY[@]}"' - "$LBCTL" "$ROOT/completions/lbctl.bash" "$@"
}

test_completion_of_commands() {
    same "$(commands)" "$(complete_words lbctl '')" 'the commands'
    same "$(commands | grep ^score)" "$(complete_words lbctl --json --timeout 3 score)" 'behind options'
}

test_completion_of_options() {
    global=$("$LBCTL" --help | sed -n '/^Options/,/^$/s/^  \(--[a-z-]*\).*/\1/p')
    same "$(sort <<<"$global")" "$(complete_words lbctl -- | sort)" 'the options of every command'
    for command in $(commands); do
        same "$(printf '%s\n' "$global" $(own_options "$command") | sort)" \
            "$(complete_words lbctl "$command" -- | sort)" "the options of $command"
    done
    same '' "$(complete_words lbctl watch demo --limit '')" 'the value of an option'
}

test_completion_of_boards() {
    same '' "$(complete_words lbctl watch '')" 'without a database'
    check_nothing_created
    ok board-create demo
    ok board-create derby
    ok board-create other
    same $'demo\nderby' "$(complete_words lbctl watch d)" 'the boards'
    same $'demo\nderby\nother' "$(complete_words lbctl --json score-add --key 7 '')" 'behind options'
    same '' "$(complete_words lbctl score-add demo '')" 'a player'
    ok --database sqlite:else.db board-create elsewhere
    same elsewhere "$(complete_words lbctl --database sqlite:else.db board-get '')" 'of another database'
    : >'a file'
    same 'a file' "$(complete_words lbctl import demo a)" 'a file'
}

run_tests
