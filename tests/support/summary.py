#!/usr/bin/env python3
"""Adds up test results. Usage: summary.py LOG...

A LOG is meson's testlog.json or, if it is not .json, plain output. Every line `ok …`, `FAIL …` or `SKIP …` in it is
a test. A program that ends badly without a FAIL line counts as one failure, one that prints no such line as one test.
Failures are repeated, with what belongs to them; the last line is the sum. Exit status 1 on any failure, and when
nothing ran.
"""

import json
import pathlib
import re
import sys

VERDICT = re.compile(r"(ok|FAIL|SKIP) (.*)")
MAX_LINES = 200  # of one program's output


class Sum:
    def __init__(self):
        self.count = {"ok": 0, "FAIL": 0, "SKIP": 0}
        self.failures = []

    def take(self, where, text):
        """Counts the verdicts in a program's output."""
        seen = dict.fromkeys(self.count, 0)
        failing = False
        for line in text.splitlines():
            match = VERDICT.fullmatch(line)
            if match:
                seen[match[1]] += 1
                failing = match[1] == "FAIL"
                if failing:
                    self.failures.append(f"{where}{line}")
                elif match[1] == "SKIP":
                    print(f"{where}{line}")
            elif failing and line.startswith("    | "):
                self.failures.append(line)
            else:
                failing = False
        for verdict, n in seen.items():
            self.count[verdict] += n
        return seen

    def take_program(self, where, test):
        output = test.get("stdout", "")
        seen = self.take(where, output)
        result = test["result"]
        if result in ("OK", "SKIP"):
            if not any(seen.values()):
                self.count["ok" if result == "OK" else "SKIP"] += 1
        elif seen["FAIL"] == 0:
            self.count["FAIL"] += 1
            self.failures.append(f"{where}FAIL {test['name']}: {result}, status {test.get('returncode')}")
            lines = (output + test.get("stderr", "")).splitlines()
            self.failures += [f"    | {line}" for line in lines[-MAX_LINES:]]


def main():
    total = Sum()
    for name in sys.argv[1:]:
        path = pathlib.Path(name)
        if not path.is_file():
            total.count["FAIL"] += 1
            total.failures.append(f"FAIL {name}: no such log; the tests did not run")
        elif path.suffix == ".json":
            where = f"[{path.parts[-3]}] "
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                total.take_program(where, json.loads(line))
        else:
            total.take("", path.read_text(encoding="utf-8", errors="replace"))

    if total.failures:
        print("\nFailures:")
        print("\n".join(total.failures))
    passed, failed, skipped = total.count.values()
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 0 if failed == 0 and passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
