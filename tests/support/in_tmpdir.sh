#!/bin/sh
# Runs a program in an empty directory and removes the directory afterwards; prints its output only if it fails.
# usage: in_tmpdir.sh PROGRAM [ARG...]
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
unset DATABASE_URL
name=examples/$(basename "$1" | sed 's/^example_//')
program=$(realpath "$1") || exit 1
shift
cd "$dir" || exit 1
if "$program" "$@" >output 2>&1 </dev/null; then
    echo "ok $name"
else
    status=$?
    echo "FAIL $name: exit status $status"
    sed 's/^/    | /' output
    exit 1
fi
