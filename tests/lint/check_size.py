#!/usr/bin/env python3
"""No file over 800 lines, no function over 80. Usage: check_size.py [ROOT]

Functions are found by their layout, which clang-format sees to: the body's braces stand alone in the first column.
"""

import pathlib
import re
import sys

MAX_FILE = 800
MAX_FUNCTION = 80
TOPS = ["include", "src", "tools", "examples", "tests"]


def function_problems(lines):
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line.startswith("}") and start is not None:
            length = number - start + 1
            if length > MAX_FUNCTION:
                # The name is before the first bracket of the signature, which may take several lines.
                names = re.findall(r"^[^\s#/*].*?(\w+)\(", "\n".join(lines[max(0, start - 6):start - 1]), re.MULTILINE)
                yield start, f"{names[-1] if names else 'a function'} has {length} lines, at most {MAX_FUNCTION} are allowed"
            start = None


def check(root):
    for top in TOPS:
        for path in sorted((root / top).rglob("*")):
            if path.suffix not in (".c", ".h", ".py", ".sh") or not path.is_file() or "node_modules" in path.parts:
                continue
            lines = path.read_text(encoding="utf-8").splitlines()
            name = path.relative_to(root)
            if len(lines) > MAX_FILE:
                yield f"{name}: {len(lines)} lines, at most {MAX_FILE} are allowed"
            if path.suffix in (".c", ".h"):
                for line, problem in function_problems(lines):
                    yield f"{name}:{line}: {problem}"


def main():
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2]
    problems = list(check(root.resolve()))
    print("FAIL lint/size: too long to read" if problems else "ok lint/size")
    for problem in problems:
        print(f"    | {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
