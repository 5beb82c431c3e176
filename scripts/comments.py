#!/usr/bin/env python3
"""Fails where a comment or a line of prose is wider than 100 columns, and says where. Formatters
keep the code itself at their own widths and leave comments as they are.

It reads the comments of Rust, Python, shell, TOML and Makefiles, and the prose of Markdown: not its
tables, code and pictures, not what a program writes, and no word that is wider by itself, such as a
link."""

import io
import re
import subprocess
import sys
import tokenize
from pathlib import Path

WIDTH = 100
ROOT = Path(__file__).resolve().parent.parent
# A comment, or what may hold something that looks like one: a raw string, a string, a character.
RUST = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/) | \br(?P<fence>\#*)".*?"(?P=fence)"""
    r""" | "(?:\\.|[^"\\])*" | '(?:\\[^\n']+|[^\\\n'])'""",
    re.DOTALL | re.VERBOSE,
)
TOML = re.compile(
    r"""(?P<comment>\#[^\n]*) | \"{3}.*?\"{3} | '{3}.*?'{3} | "(?:\\.|[^"\\\n])*" | '[^'\n]*'""",
    re.DOTALL | re.VERBOSE,
)
# In shell and Makefiles a comment begins a line or a word. Strings of several lines are not looked
# into.
SHELL = re.compile(r"""(?P<comment>(?<![^\s;])\#[^\n]*) | "(?:\\.|[^"\\\n])*" | '[^'\n]*'""", re.VERBOSE)


def commented(pattern, text):
    """The numbers of the lines that have a comment, from 1."""
    found = set()
    for piece in pattern.finditer(text):
        if piece["comment"]:
            first = text.count("\n", 0, piece.start()) + 1
            found |= set(range(first, first + piece["comment"].count("\n") + 1))
    return found


def python(text):
    """The numbers of the lines that have a comment or a part of a docstring."""
    found, at_start = set(), True
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT or (token.type == tokenize.STRING and at_start):
            found |= set(range(token.start[0], token.end[0] + 1))
        if token.type not in (tokenize.COMMENT, tokenize.NL):
            at_start = token.type in (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING)
    return found


def prose(text):
    """The numbers of the lines of Markdown that can be broken."""
    found, fence, written, in_list, before = set(), False, False, False, ""
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.lstrip()
        if stripped.startswith("```"):
            fence = not fence
        elif re.match(r"<!-- .*: written by ", stripped):
            written = True
        elif stripped.startswith("<!-- /"):
            written = False
        is_item = re.match(r"([-*]|\d+\.) ", stripped) is not None
        if stripped and not line.startswith(" "):
            in_list = is_item
        is_code = line.startswith("    ") and not in_list and not before.strip()
        if is_code:
            stripped = ""
        elif not (fence or written or stripped.startswith(("|", "!["))) and stripped.count(" ") > (1 if is_item else 0):
            found.add(number)
        # The lines of a block of code follow each other.
        before = "" if is_code else line
    return found


# What reads the files of a suffix or a name.
READERS = {
    ".rs": lambda text: commented(RUST, text),
    ".toml": lambda text: commented(TOML, text),
    ".sh": lambda text: commented(SHELL, text),
    "Makefile": lambda text: commented(SHELL, text),
    ".py": python,
    ".md": prose,
}


def listed(*command):
    done = subprocess.run(["git", *command], cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def generated(files):
    """The files that programs write, by .gitattributes."""
    told = listed("check-attr", "linguist-generated", "--", *files)
    return {line.split(": ")[0] for line in told if line.endswith(": set")}


def main():
    files = [file for file in listed("ls-files") if (ROOT / file).is_file()]
    files = [file for file in files if Path(file).suffix in READERS or Path(file).name in READERS]
    skipped, count = generated(files), 0
    for file in files:
        if file in skipped:
            continue
        text = (ROOT / file).read_text()
        lines = text.split("\n")
        reader = READERS.get(Path(file).suffix) or READERS[Path(file).name]
        for line in sorted(reader(text)):
            if len(lines[line - 1]) > WIDTH:
                print(f"{file}:{line}: a comment or a line of prose is wider than {WIDTH} columns")
                count += 1
    sys.exit(1 if count else 0)


if __name__ == "__main__":
    main()
