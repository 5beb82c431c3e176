#!/usr/bin/env python3
"""Writes docs/literature.md from results/literature/: the JUnit files of `blowup check` and the
rows of the library tests.

Nothing in the table is typed by hand. The source of a spec's rows is the first line of the spec.
Exits with 1 if a result is missing or does not hold."""

import csv
import math
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "results" / "literature"
LAST = 31

HEAD = """# Known results, measured

Here are published and exactly derivable results on exploding and vanishing gradients, as this
program measures them. `make literature` runs the specs of
[experiments/literature](../experiments/literature) and the library tests that measure what no sweep
can. It holds every row against its expectation and writes this page. The header of each spec says
what it reproduces and how.

G_l is the squared norm of dLoss/dh_l, and `ratio` is its change per layer towards the input (or per
time step towards the start). n is the width, L the number of layers, and s2 the variance of a
weight times fan_in.
"""


def number(text):
    """Four digits, as short as they get."""
    try:
        return f"{float(text):.4g}"
    except ValueError:
        return text


def from_specs():
    for spec in sorted((ROOT / "experiments" / "literature").glob("*.toml")):
        if spec.name.startswith("fractal-"):
            continue  # A map has no expectations.
        # The first paragraph of the comment at the top names the source.
        lines = re.match(r"(?:# .*\n)+", spec.read_text(encoding="utf-8"))[0].splitlines()
        source = " ".join(line.removeprefix("# ") for line in lines).removesuffix(".")
        path = RESULTS / spec.stem / "junit.xml"
        if not path.exists():
            yield dict(result=f"{spec.stem}: did not run", source=source, expected="", measured="", holds=False)
            continue
        for case in ElementTree.parse(path).iter("testcase"):
            properties = {p.get("name"): p.get("value") for p in case.iter("property")}
            if not case.get("classname", "").endswith("expectations"):
                continue
            holds = case.find("failure") is None and case.find("error") is None
            yield dict(
                result=case.get("name"),
                source=source,
                expected=properties.get("expect.expected", ""),
                measured=number(properties.get("expect.measured", "")),
                holds=holds,
            )


def from_library():
    path = RESULTS / "library.tsv"
    if not path.exists():
        return
    with open(path, newline="", encoding="utf-8") as file:
        for result, source, expected, tolerance, measured in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            holds = abs(float(measured) - float(expected)) <= float(tolerance)
            bound = f"{number(expected)} +- {number(tolerance)}"
            yield dict(result=result, source=source, expected=bound, measured=number(measured), holds=holds)


def order(row):
    found = re.match(r"([ACD])(\d+)", row["result"])
    if not found:
        return math.inf
    return int(found[2]) + LAST * "ACD".index(found[1])


def table(rows):
    lines = ["| result | source | expected | measured | |", "|---|---|---|---|---|"]
    for row in rows:
        cells = [row[key].replace("|", "\\|") for key in ("result", "source", "expected", "measured")]
        lines.append("| " + " | ".join(cells) + " | " + ("reproduced" if row["holds"] else "**not reproduced**") + " |")
    return "\n".join(lines) + "\n"


def main():
    if not RESULTS.is_dir():
        sys.exit(
            f"error: there is no {RESULTS.relative_to(ROOT)}, so docs/literature.md is left as it is\nhint: `make literature` measures it"
        )
    rows = sorted([*from_specs(), *from_library()], key=order)
    published = [row for row in rows if "at other values" not in row["result"]]
    others = [row for row in rows if "at other values" in row["result"]]
    missing = sorted(set(range(1, LAST + 1)) - {order(row) for row in published})
    parts = [HEAD, table(published)]
    if others:
        parts += ["## The same laws at other values\n", table(others)]
    if missing:
        parts.append("Not measured: " + ", ".join(f"A{n}" for n in missing) + ".\n")
    target = ROOT / "docs" / "literature.md"
    target.parent.mkdir(exist_ok=True)
    target.write_text("\n".join(parts), encoding="utf-8")
    broken = [row for row in rows if not row["holds"]]
    print(f"{target.relative_to(ROOT)}: {len(rows)} rows, {len(broken)} not reproduced, {len(missing)} missing")
    for row in broken:
        print(f"  {row['result']}: {row['measured']} for {row['expected']}")
    return 1 if broken or missing else 0


if __name__ == "__main__":
    sys.exit(main())
