#!/usr/bin/env python3
"""Compares blowup with other ways to do the same, in one go; `make bench` builds blowup and calls
it.

A whole run writes benches/RESULTS.md, benches/results.json and the table of README.md. With --quick
(tiny sizes) or --only it writes to target/bench/ alone.
"""

import argparse
import json
import sys

sys.dont_write_bytecode = True

from comparison import gpu, growth, maps, overhead, own, peers, raw, real, report, transformers
from comparison.measure import ROOT, SCRATCH, say

SECTIONS = {
    "real": real,
    "raw": raw,
    "transformers": transformers,
    "own": own,
    "maps": maps,
    "overhead": overhead,
    "growth": growth,
    "gpu": gpu,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, one round: does everything work?")
    parser.add_argument("--only", choices=SECTIONS, action="append", help="one part; may be given again")
    parser.add_argument("--rounds", type=int, help="most runs of each program [default: 5; --quick: 1]")
    options = parser.parse_args()
    rounds = options.rounds or (1 if options.quick else 5)
    whole = not options.quick and not options.only

    SCRATCH.mkdir(parents=True, exist_ok=True)
    wanted = options.only or list(SECTIONS)
    if wanted != ["gpu"]:
        peers.set_up()
    results = {"quick": options.quick, "machine": peers.machine()}
    for name in (name for name in SECTIONS if name in wanted):
        measured = SECTIONS[name].compare(options.quick, rounds, results["machine"]["peers"])
        if measured is not None:
            results[name] = measured
        # What is measured is kept whatever happens to the sections that follow.
        write(SCRATCH, results)
    if whole:
        write(ROOT / "benches", results)
        report.into_readme(results)
    say("done")
    print(report.markdown(results))


def write(folder, results):
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (folder / "RESULTS.md").write_text(report.markdown(results))


if __name__ == "__main__":
    main()
