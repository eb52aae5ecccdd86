#!/usr/bin/env python3
"""The lint scripts find what is planted for them. Usage: lint_test.py"""

import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent

# name: (script, {path: text}, what the output must contain; None: no complaint)
CLEAN = {
    "include/leaderboard.h": "int x;\n",
    "src/base/error.h": '#include "leaderboard.h"\n',
    "src/base/map.h": "#include <uthash.h>\n",
    "src/os/clock.h": "#include <time.h>\n",
    "src/os/digest.c": '#include "base/error.h"\n#include <mbedtls/sha256.h>\n',
    "src/os/digest.h": "",
    "src/os/random.h": "",
    "src/http/sse.c": '#include "os/digest.h"\n#include <leaderboard.h>\n',
    "src/store/sqlite_db.h": "#include <sqlite3.h>\n",
    "src/store/sqlite.c": '#include "store/sqlite_db.h"\n#include "os/clock.h"\n',
    "tools/lbctl.h": "#include <leaderboard.h>\n",
    "tools/lbctl.c": '#include "lbctl.h"\n#include <stdio.h>\n',
}
CASES = {
    "includes_of_a_clean_tree": ("check_includes.py", {}, None),
    "upward": ("check_includes.py", {"src/base/str.c": '#include "os/clock.h"\n'}, 'base may not include "os/clock.h"'),
    "sideways": ("check_includes.py", {"src/index/tree.c": '#include "os/clock.h"\n'}, "index may not include"),
    "http_below_the_header": ("check_includes.py", {"src/http/a.c": '#include "store/sqlite_db.h"\n'}, "http may not include"),
    "http_beyond_digests": ("check_includes.py", {"src/http/a.c": '#include "os/random.h"\n'}, "http may not include"),
    "without_its_layer": ("check_includes.py", {"src/base/a.c": '#include "error.h"\n'}, "is neither"),
    "third_party": ("check_includes.py", {"src/store/a.c": "#include <sqlite3.h>\n"}, "<sqlite3.h> belongs to store/sqlite_db.h"),
    "third_party_indented": ("check_includes.py", {"src/base/a.c": "\n#  include  <uthash.h>\n"}, "a.c:2: <uthash.h>"),
    "third_party_quoted": ("check_includes.py", {"src/base/a.c": '#include "cJSON.h"\n'}, "a.c:1:"),
    "mbedtls_outside_os": ("check_includes.py", {"src/reql/a.c": "#include <mbedtls/md.h>\n"}, "belongs to os/"),
    "epoll_outside_os": ("check_includes.py", {"src/client/a.c": "#include <sys/epoll.h>\n"}, "belongs to os/"),
    "no_layer": ("check_includes.py", {"src/misc/a.c": ""}, "misc is no layer"),
    "tool_reaches_inside": ("check_includes.py", {"tools/a.c": '#include "base/error.h"\n'}, "is not the public header"),
    "tool_reaches_around": ("check_includes.py", {"tools/a.c": '#include "../src/base/error.h"\n'}, "is not the public header"),
    "tool_reaches_by_angle": ("check_includes.py", {"examples/a.c": "#include <base/error.h>\n"}, "is not the public header"),
    "in_a_comment": ("check_includes.py", {"src/base/a.c": '/*\n#include "os/clock.h"\n*/\n'}, None),
    "size_of_a_clean_tree": ("check_size.py", {}, None),
    "long_file": ("check_size.py", {"src/base/a.c": "\n" * 801}, "a.c: 801 lines"),
    "longest_file": ("check_size.py", {"src/base/a.c": "\n" * 800}, None),
    "long_function": ("check_size.py", {"src/base/a.c": "static int f(int a,\n    int b)\n{\n" + "\n" * 79 + "}\n"}, "f has 81 lines"),
    "longest_function": ("check_size.py", {"src/base/a.c": "int f(void)\n{\n" + "\n" * 78 + "}\n"}, None),
    "stale_program": ("check_readme.py", {"README.md": "<!-- tools/lbctl.c -->\n```c\nold\n```\n"}, "lbctl.c has changed"),
    "fresh_program": ("check_readme.py", {"README.md": "<!-- tools/lbctl.h -->\n```c\n#include <leaderboard.h>\n```\n"}, None),
    "missing_program": ("check_readme.py", {"README.md": "<!-- no.c -->\n```c\n```\n"}, "there is no no.c"),
}


def problem_with(script, planted, expected):
    with tempfile.TemporaryDirectory() as top:
        for name, text in {**CLEAN, **planted}.items():
            path = pathlib.Path(top, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        done = subprocess.run([sys.executable, HERE / script, top], capture_output=True, text=True, check=False)
    if done.returncode != (0 if expected is None else 1):
        return f"exit status {done.returncode}: {done.stdout}{done.stderr}"
    if expected is not None and expected not in done.stdout:
        return f"does not say {expected!r}: {done.stdout}"
    return None


def main():
    failed = False
    for name, case in CASES.items():
        problem = problem_with(*case)
        failed = failed or problem is not None
        print(f"FAIL lint/test/{name}: {problem.strip()}" if problem else f"ok lint/test/{name}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
