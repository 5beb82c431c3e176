#!/usr/bin/env python3
"""Trains the trials of traces again in plain PyTorch and compares how they blow up.

usage: blowups.py TRACES... folders of folders that `blowup replay RUN_DIR TRIAL --trace DIR` wrote

A verdict is an outcome, the first non-finite step, the tensor in which it began and the NaN step.
Each trial is trained in PyTorch several times more, from initial weights that are off by one unit
in the last place: a part of the verdict that one of these runs changes is PyTorch's own chance and
is not compared, every other must be the same. `EXPLAINED` names what differs all the same, and why.

Exit status 1 if another part differs, if fewer than 300 float32 trials were trained, or if a value
of `REQUIRED` was in none of those compared.
"""

import multiprocessing
import os
import sys
from collections import Counter, defaultdict
from pathlib import Path

import torch

from training import Run, Trace, values

PERTURBATIONS = 4
# As many more where a trial differs: one verdict in ten is easily missed by four.
SECOND_LOOK = 40
FEWEST_TRIALS = 300
PARTS = {
    "outcome": ["outcome"],
    "first non-finite step": ["step_nonfinite"],
    "where it began": ["nonfinite_site", "nonfinite_layer", "nonfinite_time"],
    "NaN step": ["step_nan"],
}

# Of float32.
REQUIRED = {
    "network": ["mlp", "rnn", "lstm", "gru"],
    "norm": ["none", "batch before", "batch after", "layer before", "layer after", "rms before", "rms after"],
    "activation": ["linear", "relu", "leaky_relu", "tanh", "sigmoid", "gelu", "selu", "silu"],
    "loss": ["mse", "cross_entropy"],
    "optimizer": ["sgd", "sgd momentum", "sgd nesterov", "adam", "adamw", "rmsprop", "rmsprop momentum"],
    "clip": ["none", "norm", "value"],
    "outcome": ["nonfinite"],
}

# Why a trial may differ: a class of trials, by their axes, and the reason.
EXPLAINED = []


def compare(folder):
    """Name and values of a trial, and of each part of its verdict what both say: None where
    PyTorch's own verdict hangs on the last place."""
    torch.set_num_threads(1)
    # As blowup's workers do.
    torch.set_flush_denormal(True)
    trace = Trace(Path(folder))
    verdict = Run(trace, measures=False).verdict()
    others = [Run(trace, seed, measures=False).verdict() for seed in range(PERTURBATIONS)]
    parts = {}
    for part, columns in PARTS.items():
        told, found = [trace.measured.get(c) for c in columns], [verdict[c] for c in columns]
        if told != found and len(others) == PERTURBATIONS:
            others += [Run(trace, seed, measures=False).verdict() for seed in range(PERTURBATIONS, SECOND_LOOK)]
        steady = all(other[c] == verdict[c] for other in others for c in columns)
        parts[part] = (told, found) if steady else None
    return f"{trace.about['trial']} {trace.about['label']}", values(trace), trace.axes, parts


def main():
    folders = [str(path.parent) for traces in sys.argv[1:] for path in sorted(Path(traces).glob("*/trace.toml"))]
    with multiprocessing.Pool(os.cpu_count()) as pool:
        results = pool.map(compare, folders, chunksize=4)
    wrong = 0
    dtypes = defaultdict(list)
    for name, words, axes, parts in results:
        differs = [part for part, pair in parts.items() if pair and pair[0] != pair[1]]
        reason = next((name for name, applies, _ in EXPLAINED if differs and applies(axes)), None)
        if differs and not reason:
            wrong += 1
            print(
                f"DIFFERS {name}: "
                + "; ".join(f"{p}: {told(parts[p][0])} in blowup, {told(parts[p][1])} in PyTorch" for p in differs)
            )
        dtypes[axes["dtype"]].append((words, parts, differs, reason))
    failed = [report(dtype, trials) for dtype, trials in sorted(dtypes.items(), key=lambda item: item[0] != "float32")]
    print(
        f"\nverdicts of {len(results)} trials that blow up, with PyTorch {torch.__version__}: "
        + (f"{wrong} DIFFER" if wrong else "all agree or are explained")
    )
    return 1 if wrong or any(failed) else 0


def told(values):
    return " ".join("none" if value is None else str(value) for value in values)


def report(dtype, trials):
    """Prints how many were compared and agree; whether too few were."""
    share = lambda n, of: f"{n:>4} of {of:>4} ({100 * n / of:.1f}%)" if of else "none"
    whole = [t for t in trials if all(t[1].values())]
    print(f"\n{dtype}: {len(trials)} trials trained in both")
    print(
        f"  {'the whole verdict':<24} compared {share(len(whole), len(trials))}, agree {share(sum(not t[2] for t in whole), len(whole))}"
    )
    for part in PARTS:
        compared = [t for t in trials if t[1][part]]
        agree = sum(part not in t[2] for t in compared)
        print(f"  {part:<24} compared {share(len(compared), len(trials))}, agree {share(agree, len(compared))}")
    for name, _, why in EXPLAINED:
        count = sum(t[3] == name for t in trials)
        if count:
            print(f"  explained: {count} trials, {name}: {why}")
    if dtype != "float32":
        return False
    seen = Counter((axis, value) for words, *_ in whole for axis, value in words.items())
    for axis, wanted in REQUIRED.items():
        print(f"  {axis:<16} " + ", ".join(f"{value} {seen[axis, value]}" for value in wanted))
    missing = [f"{axis} {value}" for axis, wanted in REQUIRED.items() for value in wanted if not seen[axis, value]]
    if missing:
        print("NOT COVERED: " + ", ".join(missing))
    if len(trials) < FEWEST_TRIALS:
        print(f"TOO FEW: {len(trials)} float32 trials, {FEWEST_TRIALS} are wanted")
    return bool(missing) or len(trials) < FEWEST_TRIALS


if __name__ == "__main__":
    sys.exit(main())
