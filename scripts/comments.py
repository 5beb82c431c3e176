#!/usr/bin/env python3
"""Fails where a comment of a Rust file is wider than 100 columns, and says where. rustfmt keeps the
code itself at 120 and leaves comments as they are."""

import re
import subprocess
import sys
from pathlib import Path

WIDTH = 100
ROOT = Path(__file__).resolve().parent.parent
# A comment, or what may hold something that looks like one: a raw string, a string, a character.
PIECE = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/) | \br(?P<fence>\#*)".*?"(?P=fence)"""
    r""" | "(?:\\.|[^"\\])*" | '(?:\\[^\n']+|[^\\\n'])'""",
    re.DOTALL | re.VERBOSE,
)


def wide(text):
    """The numbers of the lines in which a comment goes too far."""
    lines = text.split("\n")
    found = set()
    for piece in PIECE.finditer(text):
        if piece["comment"]:
            first = text.count("\n", 0, piece.start())
            last = first + piece["comment"].count("\n")
            found |= {n + 1 for n in range(first, last + 1) if len(lines[n]) > WIDTH}
    return sorted(found)


def main():
    listed = subprocess.run(["git", "ls-files", "*.rs"], cwd=ROOT, check=True, capture_output=True, text=True)
    count = 0
    for file in listed.stdout.splitlines():
        for line in wide((ROOT / file).read_text()):
            print(f"{file}:{line}: a comment is wider than {WIDTH} columns")
            count += 1
    sys.exit(1 if count else 0)


if __name__ == "__main__":
    main()
