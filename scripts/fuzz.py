#!/usr/bin/env python3
"""Builds the readers of fuzz/ under libFuzzer and gives each of them a number of inputs, from the
corpus in fuzz/corpus/.

    scripts/fuzz.py [--runs N] [--jobs N] [READER...]

Prints a table: how many inputs, how much of the code they reached before and after, the largest
memory, what was found. An input that breaks a reader is left in target/fuzz/found/ with the command
that shows it again. Exit status 1 if there is one. Stable Rust is enough: the coverage comes from
LLVM's own pass, not from a sanitizer.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FUZZ = ROOT / "fuzz"
TARGET = ROOT / "target" / "fuzz"
HOST = "x86_64-unknown-linux-gnu"
READERS = re.findall(r'^    \("(\w+)", \w+\),$', (FUZZ / "harness.rs").read_text(), re.M)

# What cargo-fuzz passes too. With --target, build scripts and macros are not instrumented.
COVERAGE = ["--cfg=fuzzing", "-Ccodegen-units=1", "-Cpasses=sancov-module"] + [
    f"-Cllvm-args=-sanitizer-coverage-{option}"
    for option in ("level=4", "inline-8bit-counters", "pc-table", "trace-compares")
]

# An input may take 10 s and a reader 512 MB.
LIMITS = ["-timeout=10", "-rss_limit_mb=512", "-max_len=4096"]


def build():
    environment = dict(os.environ, RUSTFLAGS=" ".join(COVERAGE))
    command = ["cargo", "build", "--release", "--locked", "--target", HOST, "--target-dir", TARGET]
    subprocess.run(command, cwd=FUZZ, env=environment, check=True)
    return TARGET / HOST / "release" / "fuzz"


def fuzz(program, reader, runs):
    grown, found = TARGET / "grown" / reader, TARGET / "found" / reader
    for folder in (grown, found):
        folder.mkdir(parents=True, exist_ok=True)
    command = [program, grown, FUZZ / "corpus" / reader, f"-dict={FUZZ / 'words.dict'}", f"-runs={runs}"]
    command += [*LIMITS, "-print_final_stats=1", f"-artifact_prefix={found}/"]
    ended = subprocess.run(
        command, check=False, env=dict(os.environ, FUZZ=reader), capture_output=True, text=True, errors="replace"
    )
    (found / "log").write_text(ended.stderr)
    return ended.returncode, ended.stderr


def row(reader, status, log):
    def last(pattern, default="0"):
        return (re.findall(pattern, log) or [default])[-1]

    first = (re.findall(r"INITED cov: (\d+)", log) or ["0"])[0]
    inputs = int(last(r"stat::number_of_executed_units: *(\d+)"))
    speed = last(r"stat::average_exec_per_sec: *(\d+)")
    edges = first + " -> " + last(r" cov: (\d+)")
    memory = last(r"stat::peak_rss_mb: *(\d+)")
    finding = (
        "none" if status == 0 else last(r"panicked at ([^\n]*):\n", "") or last(r"ERROR: libFuzzer: ([^\n(]*)", "?")
    )
    return [reader, f"{inputs:,}", speed, edges, f"{memory} MB", finding]


def main():
    parser = argparse.ArgumentParser(description="Gives the readers of fuzz/ a number of inputs each.")
    parser.add_argument("readers", nargs="*", metavar="READER", help="of " + ", ".join(READERS) + " (all)")
    parser.add_argument("--runs", type=int, default=1_000_000, help="inputs for each reader (1,000,000)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="readers at the same time (one per core)")
    arguments = parser.parse_args()
    if unknown := set(arguments.readers) - set(READERS):
        parser.error(f"no reader {', '.join(sorted(unknown))}: there are {', '.join(READERS)}")
    program, readers = build(), arguments.readers or READERS
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        ended = list(pool.map(lambda reader: fuzz(program, reader, arguments.runs), readers))
    print("| reader | inputs | a second | edges reached | memory | found |\n|---|---|---|---|---|---|")
    for reader, (status, log) in zip(readers, ended):
        print("| " + " | ".join(row(reader, status, log)) + " |")
    broken = [reader for reader, (status, _) in zip(readers, ended) if status != 0]
    for reader in broken:
        for artifact in sorted((TARGET / "found" / reader).glob("*-*")):
            print(
                f"shows it again: FUZZ={reader} {program.relative_to(ROOT)} {artifact.relative_to(ROOT)}",
                file=sys.stderr,
            )
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
