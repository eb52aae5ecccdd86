# shellcheck shell=bash
# Completion of lbctl for bash. Commands and options are those of `lbctl --help`: tests/cli/manual.sh compares.

# The options of a command, beside those of every command.
_lbctl_options() {
    case $1 in
    board-create | import) echo --ascending ;;
    board-get) echo --limit --offset --after ;;
    player-put) echo --name --create ;;
    player-get) echo --rank ;;
    player-around) echo --count ;;
    score-add) echo --existing --key ;;
    score-set) echo --create --best --key ;;
    watch) echo --limit ;;
    changes) echo --no-rows ;;
    relay) echo --limit --grip-url --prefix --interval ;;
    esac
}

# The boards of the database that the command line names. It is read as it is typed: in quotes perhaps.
_lbctl_boards() {
    local url=()
    [ -z "$1" ] || url=(--database "$1")
    lbctl "${url[@]}" --timeout 1 --json board-list 2>/dev/null | grep -o '"id":"[^"]*"' | cut -d '"' -f 4
}

_lbctl_words() {
    local IFS=$'\n'
    # shellcheck disable=SC2207 # words of ids and options have no blanks
    COMPREPLY=($(compgen -W "$(printf '%s\n' "${@:2}")" -- "$1"))
}

_lbctl_files() {
    local IFS=$'\n'
    compopt -o filenames 2>/dev/null
    # shellcheck disable=SC2207 # file names with line breaks are not completed
    COMPREPLY=($(compgen -f -- "$1"))
}

_lbctl() {
    local commands='board-create board-list board-info board-get board-delete player-put player-get player-around
        player-remove score-add score-set watch changes import import-boards export relay
        doctor'
    local words cword cur prev command='' operands=0 database='' i
    # A colon splits words for readline; sqlite:PATH is one.
    if declare -F _get_comp_words_by_ref >/dev/null; then
        _get_comp_words_by_ref -n := cur prev words cword
    else
        words=("${COMP_WORDS[@]}") cword=$COMP_CWORD
        cur=${words[cword]} prev=${words[cword - 1]}
    fi
    COMPREPLY=()

    for ((i = 1; i < cword; i++)); do
        case ${words[i]} in
        --database) database=${words[++i]:-} ;;
        --database=*) database=${words[i]#*=} ;;
        --timeout | --limit | --offset | --after | --name | --count | --key | --grip-url | --prefix | --interval) i=$((i + 1)) ;;
        -?*) ;;
        *)
            if [ -z "$command" ]; then
                command=${words[i]}
            else
                operands=$((operands + 1))
            fi
            ;;
        esac
    done

    case $prev in
    --database | --timeout | --limit | --offset | --after | --name | --count | --key) return ;;
    esac
    if [[ $cur == -* ]]; then
        # shellcheck disable=SC2046
        _lbctl_words "$cur" $(_lbctl_options "$command") --database --json --timeout --help --version
    elif [ -z "$command" ]; then
        # shellcheck disable=SC2086
        _lbctl_words "$cur" $commands
    elif [[ $operands$command == 1import || $operands$command == 1export || $operands$command == 0import-boards ]]; then
        _lbctl_files "$cur"
    elif [ $operands -eq 0 ] && [[ $command != board-create && $command != board-list && $command != doctor ]]; then
        # shellcheck disable=SC2046
        _lbctl_words "$cur" $(_lbctl_boards "$database")
    fi
}

complete -F _lbctl lbctl
