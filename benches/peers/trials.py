"""What the peers of the real grid share: the trials, their data and initial weights in NumPy, and
the verdict. No framework.

Every peer is called as PEER.py TRIALS OUT PROCESSES: TRIALS is a JSON list of the axes of runs.csv,
OUT gets `trial,outcome` rows.
"""

import csv
import json
import multiprocessing
import os
import sys
from collections import defaultdict
from functools import cache
from itertools import pairwise

import numpy as np


def arguments():
    source, out, processes = sys.argv[1:]
    with open(source) as file:
        return json.load(file), out, int(processes)


def write(out, outcomes):
    with open(out, "w", newline="") as file:
        csv.writer(file).writerows([("trial", "outcome"), *outcomes])


def shapes(trials):
    """The trials of one shape train together; the largest first."""
    groups = defaultdict(list)
    for t in trials:
        groups[t["network"], t["depth"], t["width"], t["activation"], t["sequence_length"], t["epochs"]].append(t)
    return sorted(groups.values(), key=lambda group: -len(group) * group[0]["depth"])


def spread(train, groups, processes):
    """The outcomes of all groups, from one process or from several with a core each."""
    if processes == 1:
        return [outcome for group in groups for outcome in train(group)]
    context = multiprocessing.get_context("spawn")
    cores = context.Queue()
    for core in sorted(os.sched_getaffinity(0))[:processes]:
        cores.put(core)
    with context.Pool(processes, take_a_core, (cores,)) as pool:
        return [outcome for outcomes in pool.imap_unordered(train, groups) for outcome in outcomes]


def take_a_core(cores):
    os.sched_setaffinity(0, {cores.get()})


@cache
def teacher(seed, samples, inputs):
    """`x` [sample, inputs] and the standardized output of a random tanh network of 64, `y` [sample,
    1]."""
    rng = np.random.default_rng([seed, 1])
    x = rng.standard_normal((samples, inputs))
    hidden, output = rng.standard_normal((inputs, 64)) / inputs**0.5, rng.standard_normal((64, 1)) / 8
    y = np.tanh(x @ hidden) @ output
    return x.astype("f4"), ((y - y.mean()) / y.std()).astype("f4")


@cache
def adding(seed, samples, times):
    """The adding problem: `x` [time, sample, 2], values and marks, one mark in each half; `y`
    [sample, 1], the sum of the marked."""
    rng = np.random.default_rng([seed, 1])
    values, marks = rng.random((times, samples)), np.zeros((times, samples))
    marks[rng.integers(0, times // 2, samples), range(samples)] = 1
    marks[rng.integers(times // 2, times, samples), range(samples)] = 1
    return np.stack([values, marks], 2).astype("f4"), (values * marks).sum(0)[:, None].astype("f4")


def data(t):
    if t["network"] == "rnn":
        return adding(t["seed"], t["samples"], t["sequence_length"])
    return teacher(t["seed"], t["samples"], t["inputs"])


def orders(t):
    """The samples of every step, `[epoch, step, batch]`: shuffled, unless a batch is all of
    them."""
    rng = np.random.default_rng([t["seed"], 2])
    n = t["samples"]
    order = lambda: np.arange(n) if t["batch"] == n else rng.permutation(n)
    return np.stack([order() for _ in range(t["epochs"])]).reshape(t["epochs"], -1, t["batch"])


def matrices(t):
    """Initial weights: name -> [in, out] or, of biases, [out]."""
    rng = np.random.default_rng([t["seed"], 3])

    def matrix(rows, columns):
        std = {"normal": t["init_scale"], "xavier": (2 / (rows + columns)) ** 0.5, "he": (2 / rows) ** 0.5}[t["init"]]
        return (rng.standard_normal((rows, columns)) * std).astype("f4")

    zeros = lambda n: np.zeros(n, "f4")
    width = t["width"]
    if t["network"] == "rnn":
        weights = {"w": matrix(t["inputs"], width), "b": zeros(width), "r": matrix(width, width), "c": zeros(width)}
        return weights | {"out.w": matrix(width, 1), "out.b": zeros(1)}
    sizes = [t["inputs"], *[width] * t["depth"]]
    weights = {}
    for layer, (rows, columns) in enumerate(pairwise(sizes)):
        weights |= {f"{layer}.w": matrix(rows, columns), f"{layer}.b": zeros(columns)}
    return weights | {"out.w": matrix(width, 1), "out.b": zeros(1)}


def threshold(t):
    return t["clip_threshold"] if t["clip"] == "norm" else np.inf


def outcome(t, losses, initial, final):
    """`losses` of all steps up to the first NaN, `initial` and `final` over all data: blowup's
    rules for nonfinite and diverged."""
    losses = np.asarray(losses, "f8")
    steps = t["epochs"] * (t["samples"] // t["batch"])
    if np.isnan(losses).any() or not np.isfinite(final):
        return "nonfinite"
    last = losses[-max(-(-t["epochs"] // 10) * steps // t["epochs"], 1) :].mean()
    if not np.isfinite(last):
        return "nonfinite"
    reference = min(loss for loss in (initial, data(t)[1].var()) if 0 < loss < np.inf)
    return "diverged" if last > 1e6 * reference else "finite"
