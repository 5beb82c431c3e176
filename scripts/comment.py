#!/usr/bin/env python3
"""Writes what `blowup check --json` has found as Markdown, for a comment on a pull request.

    comment.py CHECK_JSON

The cells of the grid (trials that differ in their seed alone) whose outcomes have changed come
first, then the findings of the gate.
"""

import json
import sys
from collections import Counter

MARK = "<!-- blowup check -->"
# The most rows of a table; a comment may have 65,536 characters.
LISTED = 50


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: comment.py CHECK_JSON")
    with open(sys.argv[1], encoding="utf-8") as file:
        found = json.load(file)
    if (found["format"], found["kind"]) != (1, "check"):
        sys.exit(f"error: `{sys.argv[1]}` is no document of `blowup check --json`\nhint: docs/json.md describes them")
    print("\n".join(text(found)))


def text(found):
    """The lines of the comment."""
    failed = [case for case in found["cases"] if case["finding"]]
    verdict = "passed" if found["passed"] else f"**failed**: {len(failed)} of {len(found['cases'])} checks"
    yield MARK
    yield f"### blowup: the gate {verdict}"
    yield ""
    if found["baseline"]:
        yield from compared(found["baseline"])
    if failed:
        yield "| finding | |"
        yield "|---|---|"
        for case in failed[:LISTED]:
            yield f"| `{case['finding']['code']}` | {cell(case['name'] + ': ' + case['finding']['message'])} |"
        yield from more(len(failed))


def compared(baseline):
    """The cells that have changed against the baseline."""
    changed = Counter()
    for trial in baseline["changed"]:
        axes = " ".join(f"{name}={value}" for name, value in trial["axes"].items() if name != "seed")
        changed[axes or "all", trial["before"], trial["now"]] += 1
    pairs, trials = baseline["pairs"], len(baseline["changed"])
    if not trials:
        yield f"No outcome of {pairs} trials has changed against the base."
        yield ""
        return
    yield f"The outcomes of {trials} of {pairs} trials have changed against the base:"
    yield ""
    yield "| cell | before | now | trials |"
    yield "|---|---|---|---|"
    for (axes, before, now), count in list(changed.items())[:LISTED]:
        yield f"| {cell(axes)} | {before} | {now} | {count} |"
    yield from more(len(changed))


def more(rows):
    """What stands below a table that lists a part of its rows."""
    if rows > LISTED:
        yield ""
        yield f"and {rows - LISTED} more"
    yield ""


def cell(text):
    """A text as it can stand in a cell of a table, whatever is in it."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").replace("@", "&#64;")
    return " ".join(escaped.split())


if __name__ == "__main__":
    main()
