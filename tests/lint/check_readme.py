#!/usr/bin/env python3
"""Programs shown in the documentation are the ones that are compiled. Usage: check_readme.py [--fix] [ROOT]

A block that follows a line `<!-- FILE -->` in a Markdown file must be that file, word for word; --fix makes it so.
"""

import pathlib
import re
import sys

BLOCK = re.compile(r"^<!-- (?P<file>[\w./-]+) -->\n```(?P<language>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)


def main():
    arguments = [a for a in sys.argv[1:] if a != "--fix"]
    fix = "--fix" in sys.argv
    root = pathlib.Path(arguments[0] if arguments else pathlib.Path(__file__).parents[2]).resolve()
    problems = []

    for page in [*root.glob("*.md"), *root.glob("docs/**/*.md")]:
        def replacement(match):
            source = root / match["file"]
            text = source.read_text(encoding="utf-8") if source.is_file() else None
            if text is None:
                problems.append(f"{page.name}: there is no {match['file']}")
                return match.group()
            if text != match["text"] and not fix:
                problems.append(f"{page.name}: {match['file']} has changed; tools/dev format copies it")
            return f"<!-- {match['file']} -->\n```{match['language']}\n{text}```"

        before = page.read_text(encoding="utf-8")
        after = BLOCK.sub(replacement, before)
        if fix and after != before:
            page.write_text(after, encoding="utf-8")

    print("FAIL lint/readme: a program shown is not the one compiled" if problems else "ok lint/readme")
    for problem in problems:
        print(f"    | {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
