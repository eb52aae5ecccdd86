#!/bin/sh
# Runs harness_cases and compares the verdicts with the right ones. usage: harness_test.sh PROGRAM
out=$("$1")
status=$?
failed=

expect() {
    printf '%s\n' "$out" | grep -qxF -- "$1" || failed="$failed
    | no such line: $1"
}

expect 'FAIL cases/check: harness_cases.c:13: not so: 1 > 2'
expect 'FAIL cases/check_eq: harness_cases.c:18: 2 + 2 == 5: 4 and 5'
expect 'FAIL cases/check_str: harness_cases.c:23: "one" == NULL: "one" and "(null)"'
expect 'FAIL cases/check_mem: harness_cases.c:28: "abcd" == "abxd": differ at byte 2 of 4: 63 64 and 78 64 '
expect 'FAIL cases/check_ok: harness_cases.c:33: -7: -7 (?)'
expect 'FAIL cases/leaks_descriptor: left descriptor 3 open (/dev/null)'
expect 'FAIL cases/closes_descriptor: closed descriptor 2, which it had not opened'
expect 'FAIL cases/hangs: still running after 1 s'
expect 'FAIL cases/is_killed: killed by signal 9 (Killed)'
expect '    | this is its output'
expect 'FAIL cases/exits_with_3: exit status 3, see its output'
expect 'FAIL cases/child_fails: harness_cases.c:68: in the child'
expect 'SKIP cases/skips: no thing here'
[ "$status" -eq 1 ] || failed="$failed
    | exit status $status"

if [ -z "$failed" ]; then
    echo 'ok support/harness/verdicts'
    exit 0
fi
echo "FAIL support/harness/verdicts: wrong$failed"
printf '%s\n' "$out" | sed 's/^/    | /'
exit 1
