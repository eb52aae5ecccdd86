#!/usr/bin/env python3
"""The layer rule: which folder may include what. Usage: check_includes.py [ROOT]

Folders under src/ are layers. A file includes its own layer and the layers that LAYERS gives it, written as
"layer/file.h"; every layer may include "leaderboard.h" for its types. A third-party or system header named in ONLY
may be included by the files given there and by no others, so that each dependency has one door.
"""

import pathlib
import re
import sys

LAYERS = {
    "base": [],
    "os": ["base"],
    "index": ["base"],
    "reql": ["base", "os"],
    "store": ["base", "os", "index", "reql"],
    "client": ["base", "os", "index", "reql", "store"],
    # Ordinary users of the public header. What the proxies of push say to an origin is the handler's, too.
    "http": ["base", "os/clock.h", "os/digest.h", "push/grip_hold.h", "push/grip_url.h"],
    "push": ["base", "os/clock.h", "os/digest.h", "os/ecdsa.h", "os/poller.h", "os/random.h"],
}

# header (a regular expression): the files that may include it (prefixes of paths under src/)
ONLY = [
    (r"c?[jJ][sS][oO][nN](/cJSON)?\.h|cjson/.*", ["base/json."]),
    (r"uthash\.h", ["base/map."]),
    (r"utlist\.h", ["base/list."]),
    (r"ut[a-z]+\.h", []),  # the rest of the uthash family
    (r"mbedtls/.*|psa/.*", ["os/"]),
    (r"sqlite3(ext)?\.h", ["store/sqlite_db.h"]),
    (r"curl/.*", ["push/sender.c"]),
    (r"ares[a-z_]*\.h", ["os/resolve.c"]),
    (r"sys/(epoll|inotify|eventfd|timerfd|signalfd|random|socket|un)\.h|poll\.h|netdb\.h|netinet/.*|arpa/.*", ["os/"]),
]

PUBLIC = ["leaderboard.h", "leaderboard-http.h", "leaderboard-push.h"]

# Programs written against the public header: everything of ours that they may see.
OUTSIDE = ["tools", "examples"]

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


def includes_of(path):
    # A comment becomes as many newlines as it had, so that the line numbers stay right.
    text = COMMENT.sub(lambda m: "\n" * m.group().count("\n"), path.read_text(encoding="utf-8"))
    for match in INCLUDE.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match.group(1), match.group(2)


def door_problem(header, path):
    for pattern, doors in ONLY:
        if re.fullmatch(pattern, header):
            if any(path.startswith(door) for door in doors):
                return None
            return f"<{header}> belongs to {', '.join(doors) or 'nobody'}"
    return None


def layer_problem(header, layer, root):
    if header in PUBLIC:
        return None
    target = header.split("/")[0]
    if target not in LAYERS or not (root / "src" / header).is_file():
        return f'"{header}" is neither "layer/file.h" under src/ nor the public header'
    if target == layer or target in LAYERS[layer] or header in LAYERS[layer]:
        return None
    return f'{layer} may not include "{header}"'


def check_library_file(path, root):
    inside = path.relative_to(root / "src").as_posix()
    layer = inside.split("/")[0]
    if layer not in LAYERS:
        yield 1, f"{layer} is no layer"
        return
    for line, quoted, angled in includes_of(path):
        problem = layer_problem(quoted, layer, root) if quoted else None
        problem = problem or door_problem(quoted or angled, inside)
        if problem:
            yield line, problem


def check_outside_file(path, root, top):
    for line, quoted, angled in includes_of(path):
        header = quoted or angled
        if header in PUBLIC:
            continue
        # Their own files beside them ("lbctl.h"), and what the system has; nothing of the library's inside.
        own = (path.parent / quoted).resolve() if quoted else None
        if quoted and not (own.is_file() and (root / top) in own.parents):
            yield line, f'"{quoted}" is not the public header'
        elif angled and (root / "src" / angled).is_file():
            yield line, f"<{angled}> is not the public header"


def check(root):
    root = root.resolve()
    for path in sorted((root / "src").rglob("*.[ch]")):
        for line, problem in check_library_file(path, root):
            yield f"{path.relative_to(root)}:{line}: {problem}"
    for top in OUTSIDE:
        for path in sorted((root / top).rglob("*.[ch]")):
            for line, problem in check_outside_file(path, root, top):
                yield f"{path.relative_to(root)}:{line}: {problem}"


def main():
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2]
    problems = list(check(root))
    print("FAIL lint/includes: a file includes what its layer may not" if problems else "ok lint/includes")
    for problem in problems:
        print(f"    | {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
