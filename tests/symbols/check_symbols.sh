#!/bin/bash
# The shared library exports lb_* and nothing else, and every lb_* function that its public headers declare; the static
# library, where everything non-static is visible to whoever links it, has only names that start with lb_ or lbi_.
# usage: check_symbols.sh NAME SHARED STATIC HEADER...
name=$1 shared=$2 static=$3
shift 3
status=0

verdict() { # NAME PROBLEMS
    if [ -z "$2" ]; then
        echo "ok $name/$1"
    else
        echo "FAIL $name/$1: $(printf '%s' "$2" | tr '\n' ' ')"
        status=1
    fi
}

exported=$(nm -D --defined-only "$shared" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort)
[ -n "$exported" ] || exported='(nothing is exported)'
verdict exports_only_lb "$(printf '%s\n' "$exported" | grep -v '^lb_')"

# __asan_* and the like are the instrumentation's.
verdict archive_prefixes "$(nm --defined-only --extern-only "$static" 2>/dev/null |
    awk 'NF == 3 { print $3 }' | grep -vE '^(lbi?_|__(odr_)?(asan|ubsan|tsan|sanitizer|start|stop)|_?_?DW\.ref)' | sort -u)"

# `LB_API … lb_name(` : the name is the last word before the first bracket; a declaration may span lines.
declared=$(cat "$@" | tr '\n' ' ' | grep -oE 'LB_API[^;(]*\(' |
    sed -nE 's/.*[ *](lb_[a-z0-9_]+) *\($/\1/p' | sort -u)
[ -n "$declared" ] || declared='(no declarations found)'
verdict exports_all_declared "$(comm -23 <(printf '%s\n' "$declared") <(printf '%s\n' "$exported"))"

exit "$status"
