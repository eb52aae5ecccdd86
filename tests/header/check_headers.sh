#!/bin/bash
# Every public header compiles alone, as C99, C11 and C++17, by gcc and clang, without a warning.
# usage: check_headers.sh INCLUDE_DIR
dir=$1
flags=(-pedantic -Wall -Wextra -Wconversion -Wshadow -Werror -fsyntax-only -I "$dir")
status=0

check() { # HEADER COMPILER LANGUAGE STANDARD
    local name="header/$1/$2/$4" output
    if ! command -v "$2" >/dev/null; then
        echo "SKIP $name: no $2 here"
    # Twice, for the include guard; and a declaration, since ISO C has no empty translation unit.
    elif output=$(printf '#include <%s>\n#include <%s>\nint declaration;\n' "$1" "$1" |
        "$2" "${flags[@]}" -x "$3" "-std=$4" - 2>&1); then
        echo "ok $name"
    else
        echo "FAIL $name: does not compile alone"
        printf '%s\n' "$output" | sed 's/^/    | /'
        status=1
    fi
}

for path in "$dir"/*.h; do
    header=$(basename "$path")
    for compiler in gcc clang; do
        check "$header" "$compiler" c c99
        check "$header" "$compiler" c c11
    done
    for compiler in g++ clang++; do
        check "$header" "$compiler" c++ c++17
    done
done
exit "$status"
