#!/usr/bin/env python3
"""Trains the same trials on the CPU and on another device and compares what came out.

usage: compare.py DEVICE [BLOWUP]        cuda, cuda:K, or cpu:plain (what a GPU does, done by the CPU); the program to run

The trials are those of tests/pytorch/trials.toml, which cover every network, initializer, activation, norm, optimizer, clipping, schedule,
loss, sampling and task, in each of the four dtypes, and those of experiments/smoke.toml. Two devices round differently, and training
amplifies that where it is chaotic; so what is measured before the first update must agree closely (START), and of what comes later the
verdicts must (CHANGED). Standard library only.
"""

import csv
import math
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DTYPES = ["float64", "float32", "bfloat16", "float16"]

# Chosen from what two sets of kernels for one CPU differ in (MKL and libtorch with AVX-512, and with SSE2 alone; cpu:plain): numbers before the
# first update by 1e-14 (f64), 5e-5 (f32), 6e-5 (16 bits); no outcome of the first 233 trials in any dtype, 3 of the 448 in smoke.toml, where
# steps of 1000 are chaotic.

# The largest relative difference of a number that is measured before the first update.
START = {"float64": 1e-9, "float32": 1e-3, "bfloat16": 1e-2, "float16": 1e-2}
AT_START = ["loss_initial", "grad_norm_initial", "weight_norm_initial", "backprop_ratio", "activation_ratio", "sharpness_initial"]
OF_LAYERS = ["activation_rms", "backprop_norm", "weight_grad_norm", "weight_norm"]

# The largest share of trials with another outcome, or with another step in which a number stopped being finite.
CHANGED = {"float64": (0.0, 0.01), "float32": (0.02, 0.02), "bfloat16": (0.02, 0.05), "float16": (0.02, 0.05)}
# Not step_nan: whether an overflow reads inf or NaN depends on the order of summation.
STEPS = ["step_diverged", "step_nonfinite", "nonfinite_site", "nonfinite_layer"]

# Everything that a pass can be asked for is asked for; sharpness, which is slow, once.
RECORD = '\n[record]\nepochs = true\nlayers = "all"\nsteps = 3\nsharpness = {}\n'
SHOWN = 10


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    device, blowup = sys.argv[1], Path(sys.argv[2] if len(sys.argv) == 3 else ROOT / "target/release/blowup")
    scratch = Path(tempfile.mkdtemp(prefix="blowup-devices-"))
    try:
        good = [compare(name, dtype, device, blowup, scratch) for name, dtype in specs(scratch)]
    finally:
        shutil.rmtree(scratch)
    if not all(good):
        sys.exit(1)
    print(f"the CPU and `{device}` agree within the tolerances that {Path(__file__).name} states")


def specs(scratch):
    """Writes the specs; their names and dtypes."""
    folder = ROOT / "tests/pytorch"
    for file in folder.glob("*.csv"):
        shutil.copy(file, scratch)
    every = (folder / "trials.toml").read_text()
    for dtype in DTYPES:
        text = re.sub(r'(?m)^dtype *= *".*"', f'dtype = "{dtype}"', every)
        (scratch / f"{dtype}.toml").write_text(text + RECORD.format(str(dtype == "float64").lower()))
        yield dtype, dtype
    shutil.copy(ROOT / "experiments/smoke.toml", scratch)
    yield "smoke", "float32"


def compare(name, dtype, device, blowup, scratch):
    # The device first: what it lacks is said at once.
    (found, their_layers), (expected, layers) = (sweep(name, where, blowup, scratch) for where in (device, "cpu"))
    if expected.keys() != found.keys():
        sys.exit(f"error: {name}: the two sweeps have not the same trials")
    pairs = [(row, found[trial]) for trial, row in expected.items()]
    outcomes = [(a, b) for a, b in pairs if a["outcome"] != b["outcome"]]
    steps = [(a, b) for a, b in pairs if any(a[column] != b[column] for column in STEPS)]
    start = [(apart(a[column], b[column]), column) for a, b in pairs for column in AT_START]
    start += [(apart(row[column], their_layers[place][column]), column) for place, row in layers.items() for column in OF_LAYERS]
    start, column = max(start)
    ended = [apart(a["loss_final"], b["loss_final"]) for a, b in pairs if a["outcome"] == b["outcome"] == "converged"]
    ended = sorted(ended)[len(ended) // 2] if ended else 0.0
    most_outcomes, most_steps = CHANGED[dtype]
    checks = [len(outcomes) <= most_outcomes * len(pairs), len(steps) <= most_steps * len(pairs), start <= START[dtype]]
    counts = ", ".join(f"{n} {outcome}" for outcome, n in sorted(Counter(a["outcome"] for a, _ in pairs).items()))
    print(f"{'ok  ' if all(checks) else 'FAIL'} {name}: {len(pairs)} trials ({counts})")
    print(f"       another outcome            {len(outcomes):4}       at most {most_outcomes:.0%}")
    print(f"       another step or tensor     {len(steps):4}       at most {most_steps:.0%}")
    print(f"       before the first update {start:.1e} apart ({column}), at most {START[dtype]:.0e}")
    print(f"       final loss of the converged, median {ended:.1e} apart")
    for a, b in outcomes[:SHOWN]:
        print(f"       {a['trial']} ({a['label']}): {a['outcome']} on the CPU, {b['outcome']} here")
    return all(checks)


def sweep(name, device, blowup, scratch):
    """Trial -> row of runs.csv; (trial, layer, time) -> row of layers.csv before the first update."""
    out = scratch / f"{name}-{device.replace(':', '-')}"
    command = [blowup, "sweep", scratch / f"{name}.toml", "--quiet", "--device", device, "--out", out]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr.strip() or f"error: `{' '.join(map(str, command))}` ended with {done.returncode}")
    with open(out / "manifest.toml", "rb") as manifest:
        where = tomllib.load(manifest)["device"]
    if where != {"cuda": "cuda:0"}.get(device, device):
        sys.exit(f"error: {out} was computed on `{where}`, not on `{device}`")
    rows = lambda file: csv.DictReader((out / file).read_text().splitlines()) if (out / file).exists() else []
    layers = {(row["trial"], row["layer"], row["time"]): row for row in rows("layers.csv") if row["epoch"] == "0"}
    return {row["trial"]: row for row in rows("runs.csv")}, layers


def apart(a, b):
    """The relative difference of two cells; infinite where one is absent or not finite and the other is a number. Whether an overflow reads inf or
    NaN depends on the order of summation."""
    if a == b:
        return 0.0
    if not (a and b):
        return math.inf
    a, b = float(a), float(b)
    if not (math.isfinite(a) or math.isfinite(b)):
        return 0.0
    return abs(a - b) / max(abs(a), abs(b)) if math.isfinite(a) and math.isfinite(b) else math.inf


if __name__ == "__main__":
    main()
