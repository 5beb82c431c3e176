#!/usr/bin/env python3
"""Trains the same trials on the CPU and on another device and compares what came out.

usage: compare.py DEVICE [BLOWUP] cuda, cuda:K, or cpu:plain (what a GPU does, done by the CPU); the
program to run

The trials are those of tests/pytorch/trials.toml, which cover every network, initializer,
activation, norm, optimizer, clipping, schedule, loss, sampling and task, in each of the four
dtypes, and those of experiments/smoke.toml. Two devices round differently, and training amplifies
that where it is chaotic; so what is measured before the first update must agree closely (START),
and of what comes later the verdicts must (CHANGED). In 16 bits a single rounding is 0.4% (bfloat16)
or 0.05% (float16) of a number, and how many of them differ depends on what each device's kernels
round; there both are held against the same trials in float64, and the device may not be farther
from them than the CPU is (FARTHER). Standard library only.
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

# Chosen from what two sets of kernels for one CPU differ in (MKL and libtorch with AVX-512, and
# with SSE2 alone; cpu:plain): numbers before the first update by 1e-14 (f64), 5e-5 (f32); no
# outcome of the first 233 trials in any dtype, 3 of the 448 in smoke.toml, where steps of 1000 are
# chaotic.

# The largest relative difference of a number that is measured before the first update.
START = {"float64": 1e-9, "float32": 1e-3}
# In 16 bits: how much farther from float64 than the CPU a device may be, at these quantiles of all
# numbers. (The farthest are sensitive nets, 77% off on a CPU too, and say nothing.)
FARTHER = {0.5: 1.2, 0.9: 1.2, 0.99: 1.5}
AT_START = [
    "loss_initial",
    "grad_norm_initial",
    "weight_norm_initial",
    "backprop_ratio",
    "activation_ratio",
    "sharpness_initial",
]
OF_LAYERS = ["activation_rms", "backprop_norm", "weight_grad_norm", "weight_norm"]

# The largest share of trials with another outcome, or with another step in which a number stopped
# being finite.
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
        good, exact = [], None
        for name, dtype in specs(scratch):
            passed, start = compare(name, dtype, device, blowup, scratch, exact)
            exact = exact or start
            good.append(passed)
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


def compare(name, dtype, device, blowup, scratch, exact):
    """Whether the two devices agree, and what the CPU measured before the first update. `exact`:
    that of float64, the first of the specs."""
    # The device first: what it lacks is said at once.
    (found, their_layers), (expected, layers) = (sweep(name, where, blowup, scratch) for where in (device, "cpu"))
    if expected.keys() != found.keys():
        sys.exit(f"error: {name}: the two sweeps have not the same trials")
    pairs = [(row, found[trial]) for trial, row in expected.items()]
    outcomes = [(a, b) for a, b in pairs if a["outcome"] != b["outcome"]]
    steps = [(a, b) for a, b in pairs if any(a[column] != b[column] for column in STEPS)]
    ours, theirs = (numbers(rows, of_layers) for rows, of_layers in ((expected, layers), (found, their_layers)))
    if dtype in START:
        distance, place = max((apart(value, theirs[place]), place) for place, value in ours.items())
        starts_well = distance <= START[dtype]
        start = f"{distance:.1e} apart ({place[-1]}), at most {START[dtype]:.0e}"
    else:
        starts_well, start = as_near(exact, ours, theirs)
    ended = [apart(a["loss_final"], b["loss_final"]) for a, b in pairs if a["outcome"] == b["outcome"] == "converged"]
    ended = sorted(ended)[len(ended) // 2] if ended else 0.0
    most_outcomes, most_steps = CHANGED[dtype]
    checks = [len(outcomes) <= most_outcomes * len(pairs), len(steps) <= most_steps * len(pairs), starts_well]
    counts = ", ".join(f"{n} {outcome}" for outcome, n in sorted(Counter(a["outcome"] for a, _ in pairs).items()))
    print(f"{'ok  ' if all(checks) else 'FAIL'} {name}: {len(pairs)} trials ({counts})")
    print(f"       another outcome            {len(outcomes):4}       at most {most_outcomes:.0%}")
    print(f"       another step or tensor     {len(steps):4}       at most {most_steps:.0%}")
    print(f"       before the first update {start}")
    print(f"       final loss of the converged, median {ended:.1e} apart")
    for a, b in outcomes[:SHOWN]:
        print(f"       {a['trial']} ({a['label']}): {a['outcome']} on the CPU, {b['outcome']} here")
    return all(checks), ours


def numbers(rows, layers):
    """What is measured before the first update: (number of the trial, layer, time, column) -> cell.
    The same keys in every dtype."""
    number = {trial: i for i, trial in enumerate(rows)}
    start = {(number[trial], column): row[column] for trial, row in rows.items() for column in AT_START}
    of_layers = {
        (number[trial], *place, column): row[column] for (trial, *place), row in layers.items() for column in OF_LAYERS
    }
    return start | of_layers


def as_near(exact, ours, theirs):
    """Whether a device is as near to float64 as the CPU is, and how near both are. What is not
    finite in one of them is left out: where 16 bits overflow is compared by the steps."""
    pairs = [(apart(exact[place], ours[place]), apart(exact[place], theirs[place])) for place in exact]
    pairs = [pair for pair in pairs if all(map(math.isfinite, pair))]
    ours, theirs = (sorted(distances) for distances in zip(*pairs))
    near, told = True, []
    for share, factor in FARTHER.items():
        at = int(share * (len(pairs) - 1))
        near &= theirs[at] <= factor * ours[at]
        told.append(f"{theirs[at]:.1e} (at most {factor} x {ours[at]:.1e})")
    return near, f"{', '.join(told)} from float64, half, 90% and 99% of {len(pairs)} numbers"


def sweep(name, device, blowup, scratch):
    """Trial -> row of runs.csv; (trial, layer, time) -> row of layers.csv before the first
    update."""
    out = scratch / f"{name}-{device.replace(':', '-')}"
    command = [blowup, "sweep", scratch / f"{name}.toml", "--quiet", "--device", device, "--out", out]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
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
    """The relative difference of two cells; infinite where one is absent or not finite and the
    other is a number. Whether an overflow reads inf or NaN depends on the order of summation."""
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
