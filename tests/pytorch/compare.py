#!/usr/bin/env python3
"""Trains the trials of traces again in plain PyTorch (torch.nn modules, torch.optim optimizers,
autograd) and compares every step.

usage: compare.py TRACES [LABEL]   TRACES is a folder of folders that
                                   `blowup replay RUN_DIR TRIAL --trace DIR` wrote. With LABEL only
                                   the trials are compared whose label begins with it, whatever they
                                   cover.

Two correct programs part ways where the dynamics are chaotic. So each trial is trained in PyTorch
several times more, from initial weights that are off by one unit in the last place (3 times, 40
times where something differs): growth is by how much that has grown in a quantity, in units of the
last place. Losses and gradient norms must agree to 1e-9 (f64) while growth x 1e-15 stays below
1e-9, and likewise, up to the first non-finite step, the lengths of the updates and the norms of
every layer (whether an overflow reads inf or NaN depends on the order of summation). Verdict, steps
of divergence and of the first non-finite number, and the first bad tensor must agree where that
holds for all steps. Exit status 1 if anything differs, if fewer than 60 f64 trials were compared,
or if a value of `REQUIRED` was in none of them.
"""

import math
import multiprocessing
import os
import statistics
import sys
from collections import Counter, defaultdict
from pathlib import Path

import torch

from training import QUANTITIES, Run, Trace, values
from transformer import is_encoder

# What growth is multiplied with, and how far apart results may be: about 4.5 units in the last
# place, and a million times as much in f64.
RULES = {"float64": (1e-15, 1e-9), "float32": (5e-7, 1e-3)}
PERTURBATIONS = 3
SECOND_LOOK = 40
FEWEST_TRIALS = 60
*NORMS, CHANGE = QUANTITIES
# The quantities that are compared.
KINDS = (
    "loss and gradient norm",
    "update norm",
    "norms of layers",
    "change of activations",
    "initial and final loss",
)

REQUIRED = {
    "network": ["mlp", "rnn", "lstm", "gru", "transformer"],
    "depth": ["0", "1", "2 to 9", "10 and more"],
    "residual": ["true", "false"],
    "residual_scale": ["1", "another"],
    "rezero": ["true", "false"],
    "init": [
        "normal",
        "uniform",
        "xavier",
        "xavier_uniform",
        "he",
        "he_uniform",
        "lecun",
        "orthogonal",
        "scaled",
        "constant",
        "pytorch",
    ],
    "recurrent_init": ["its own"],
    "forget_bias": ["0", "another"],
    "activation": ["linear", "relu", "leaky_relu", "tanh", "sigmoid", "gelu", "selu", "silu"],
    "bias": ["none", "learned"],
    "norm": ["none", "batch before", "batch after", "layer before", "layer after", "rms before", "rms after"],
    "block norm": [
        "none",
        "layer pre",
        "layer post",
        "layer sandwich",
        "layer deepnorm",
        "rms pre",
        "rms post",
        "rms sandwich",
        "rms deepnorm",
    ],
    "attention": ["causal", "full"],
    "qk_norm": ["true", "false"],
    "logit_softcap": ["none", "a number"],
    "position": ["learned", "none", "rope"],
    "tied": ["true", "false"],
    "embedding_init_scale": ["1", "another"],
    "residual_init_scale": ["1", "0", "another"],
    "mlp_ratio": ["0", "above 0"],
    "z_loss": ["0", "above 0"],
    "encoder layer": ["pre", "post"],
    "parametrization": ["standard", "ntk", "mean_field", "mup"],
    "mup": [
        "mlp sgd 0",
        "mlp sgd sgd",
        "mlp sgd momentum sgd",
        "mlp adam adam",
        "mlp adamw adamw",
        "mlp adamw adamw independent",
        "mlp lion lion",
        "rnn sgd momentum 0",
        "rnn adam 0",
        "lstm adamw adamw",
        "gru sgd 0",
        "transformer sgd 0",
        "transformer sgd momentum sgd",
        "transformer adam 0",
        "transformer adamw adamw",
    ],
    "loss": ["mse", "cross_entropy"],
    "optimizer": [
        "sgd",
        "sgd momentum",
        "sgd nesterov",
        "adam",
        "adam amsgrad",
        "adamw",
        "adamw amsgrad",
        "rmsprop",
        "rmsprop momentum",
        "nadam",
        "radam",
        "adagrad",
        "lion",
        "muon original",
        "muon momentum original",
        "muon nesterov original",
        "muon nesterov match_rms_adamw",
    ],
    "weight_decay": [
        "0",
        "sgd",
        "adam",
        "adamw",
        "adamw independent",
        "rmsprop",
        "nadam",
        "radam",
        "adagrad",
        "lion",
        "lion independent",
        "muon",
        "muon independent",
    ],
    "lr_output": ["its own"],
    "schedule": [
        "constant",
        "warmup",
        "cosine",
        "cosine to lr_min",
        "warmup_cosine",
        "warmup_cosine to lr_min",
        "linear",
        "linear to lr_min",
        "polynomial",
        "polynomial to lr_min",
        "wsd",
        "wsd to lr_min",
        "one_cycle",
    ],
    "clip": ["none", "norm", "value", "per_layer", "agc", "autoclip", "zclip", "update"],
    "skip": ["none", "norm", "zscore"],
    "accumulate": ["1", "more"],
    "batch": ["all", "shuffle", "replacement"],
    "task": [
        "teacher",
        "noise",
        "fresh-noise",
        "scalar",
        "csv",
        "adding",
        "noise-sequence",
        "digits",
        "copy",
        "temporal-order",
        "text",
    ],
    "data_seed": ["its own"],
    "outcome": ["untrained", "converged", "stalled", "unsettled", "ruined", "diverged", "nonfinite"],
}


def apart(a, b):
    """Relative distance; 0 where both are NaN or the same infinity, inf where one is and the other
    is not."""
    if a == b or (math.isnan(a) and math.isnan(b)):
        return 0.0
    if not (math.isfinite(a) and math.isfinite(b)):
        return math.inf
    return abs(a - b) / max(abs(a), abs(b))


class Series:
    """One kind of quantity, a list of numbers per step, in the trace, in PyTorch and in the
    perturbed runs. What is recorded is held `against` PyTorch where nothing else is given."""

    def __init__(self, trace, recorded, run, others, against=None):
        against = run if against is None else against
        ulp, (unit, self.tolerance) = torch.finfo(trace.dtype).eps, RULES[trace.axes["dtype"]]
        self.total, self.worst, self.where = len(run), 0.0, None
        self.covered, self.growth = 0, 0.0
        if len(recorded) != len(run):
            # A step that one has and the other has not: it counts where all before it were
            # compared.
            self.total = min(len(recorded), len(run))
        for step in range(self.total):
            here = lambda series, step=step: series[step] if step < len(series) else None
            self.growth = max([self.growth] + [distance(run[step], here(other)) / ulp for other in others])
            if not self.growth * unit < self.tolerance:
                return
            self.covered += 1
            found = distance(recorded[step], against[step])
            if not found <= self.worst:
                self.worst, self.where = found, step
        self.complete = len(recorded) == len(run)

    complete = False

    def agrees(self):
        return self.worst <= self.tolerance


def distance(a, b):
    if b is None or len(a) != len(b):
        return math.inf
    return max(map(apart, a, b), default=0.0)


def layer_series(rows, *quantities):
    steps = defaultdict(dict)
    for (step, *place), value in rows.items():
        if place[-1] in quantities:
            steps[step][tuple(place)] = value
    return [[value for _, value in sorted(steps[step].items())] for step in sorted(steps)]


def compare(trace, perturbations=PERTURBATIONS):
    """Findings (lines of text, none if all is well) and what was covered. Where something differs,
    many perturbed runs are asked before it is called a finding: a few can all miss a growth that
    others have."""
    run = Run(trace)
    others = [Run(trace, seed) for seed in range(perturbations)]
    number = lambda row, name: float(row[name]) if row[name] else math.nan
    recorded = trace.step_rows()
    updated = [row for row in recorded if row["update_norm"]]
    ends = lambda r: [[r.loss_initial, r.loss_final]]
    finite = slice(run.step_nonfinite)
    of_layers = lambda *quantities: Series(
        trace,
        layer_series(trace.layer_rows(), *quantities)[finite],
        layer_series(run.layers, *quantities)[finite],
        [layer_series(other.layers, *quantities) for other in others],
    )
    series = {
        "loss and gradient norm": Series(
            trace,
            [[number(row, "loss"), number(row, "grad_norm")] for row in recorded],
            list(zip(run.losses, run.gradients)),
            [list(zip(other.losses, other.gradients)) for other in others],
        ),
        "update norm": Series(
            trace,
            [[number(row, "update_norm")] for row in updated][finite],
            [[x] for x in run.updates][finite],
            [[[x] for x in other.updates] for other in others],
        ),
        "norms of layers": of_layers(*NORMS),
        # A change is small beside the activations, so that its last places are less certain.
        "change of activations": of_layers(CHANGE),
        "initial and final loss": Series(
            trace,
            [[trace.measured["loss_initial"], trace.measured["loss_final"]]],
            ends(run),
            [ends(other) for other in others],
        ),
    }
    findings = [f"{name}: {s.worst:.2e} apart in step {s.where}" for name, s in series.items() if not s.agrees()]
    main = series["loss and gradient norm"]
    if trace.steps > 0:
        flags = {"true": True, "false": False, "": None}
        for step in range(min(main.covered, len(run.clipped))):
            if flags[recorded[step]["clipped"]] != run.clipped[step]:
                findings.append(f"clipped: {recorded[step]['clipped']} against {run.clipped[step]} in step {step}")
                break
    judged = main.covered == len(run.losses) and main.growth < math.inf
    if judged:
        for column, found in run.verdict().items():
            told = trace.measured.get(column)
            if told != found:
                findings.append(f"{column}: {told} in the trace, {found} in PyTorch")
        skipped = sum(run.skipped) / len(run.skipped) if run.skipped and trace.axes["skip"] != "none" else None
        silenced = statistics.median(run.coefficients) if run.coefficients else None
        for column, found in ("skipped_fraction", skipped), ("clip_silenced", silenced):
            told = trace.measured.get(column)
            same = told is found is None or (None not in (told, found) and apart(told, found) <= main.tolerance)
            if not same:
                findings.append(f"{column}: {told} in the trace, {found} in PyTorch")
        if not main.complete:
            findings.append(f"{len(recorded)} steps in the trace, {len(run.losses)} in PyTorch")
    if findings and perturbations < SECOND_LOOK:
        return compare(trace, SECOND_LOOK)
    return findings + run.model.initial_findings, series, judged


def train(folder):
    torch.set_num_threads(1)
    # As blowup's workers do.
    torch.set_flush_denormal(True)
    trace = Trace(Path(folder))
    # NAdam keeps the product of its momenta in this dtype, whatever the dtype of the weights.
    torch.set_default_dtype(torch.float64 if trace.axes["dtype"] == "float64" else torch.float32)
    name = f"{trace.about['trial']} {trace.about['label']}"
    words = values(trace)
    words["encoder layer"] = trace.axes["norm_position"] if is_encoder(trace) else None
    return name, trace.axes["dtype"], words, *compare(trace)


def main():
    traces, *label = sys.argv[1:]
    folders = sorted(str(path.parent) for path in Path(traces).glob("*/trace.toml"))
    if label:
        folders = [folder for folder in folders if Trace(Path(folder)).about["label"].startswith(label[0])]
    with multiprocessing.Pool(os.cpu_count()) as pool:
        results = pool.map(train, folders, chunksize=4)
    seen, counts, wrong, total = Counter(), Counter(), 0, Counter()
    for name, dtype, words, findings, series, judged in results:
        for finding in findings:
            print(f"DIFFERS {name}: {finding}")
        wrong += bool(findings)
        main_series = series["loss and gradient norm"]
        counts[dtype, "trials"] += 1
        counts[dtype, "in full"] += judged
        counts[dtype, "in part"] += main_series.covered > 0 and not judged
        counts[dtype, "not at all"] += main_series.covered == 0 and not judged
        for kind, s in series.items():
            total[dtype, kind] += s.covered
            total[dtype, kind, "of"] += s.total
            total[dtype, kind, "worst"] = max(total[dtype, kind, "worst"], s.worst)
        if dtype == "float64" and (main_series.covered > 0 or judged):
            for axis, value in words.items():
                seen[axis, value] += 1
    return report(seen, counts, total, wrong, whole=not label)


def report(seen, counts, total, wrong, whole):
    for dtype in RULES:
        if not counts[dtype, "trials"]:
            continue
        unit, tolerance = RULES[dtype]
        print(f"\n{dtype}: {counts[dtype, 'trials']} trials, to {tolerance:g} while growth x {unit:g} is below it")
        print(
            f"  compared to the last step, verdict and first bad tensor included: {counts[dtype, 'in full']}; "
            f"to some step: {counts[dtype, 'in part']}; nowhere: {counts[dtype, 'not at all']}"
        )
        for kind in KINDS:
            what = "trials" if kind == "initial and final loss" else "steps"
            covered, of, worst = (total[dtype, kind, *rest] for rest in ((), ("of",), ("worst",)))
            print(f"  {kind:<24} {covered:>6} of {of:>6} {what}, at most {worst:.1e} apart")
    print("\nf64 trials by value:")
    missing = []
    for axis, wanted in REQUIRED.items():
        print(f"  {axis:<16} " + ", ".join(f"{value} {seen[axis, value]}" for value in wanted))
        missing += [f"{axis} {value}" for value in wanted if not seen[axis, value]]
    compared = counts["float64", "in full"] + counts["float64", "in part"]
    too_few = compared < (FEWEST_TRIALS if whole else 1)
    missing = missing if whole else []
    if missing:
        print("NOT COVERED: " + ", ".join(missing))
    if too_few:
        print(f"TOO FEW: {compared} f64 trials were compared, {FEWEST_TRIALS} are wanted")
    print(
        f"\n{compared} f64 trials compared with PyTorch {torch.__version__}: "
        + (f"{wrong} DIFFER" if wrong else "all agree")
    )
    return 1 if wrong or missing or too_few else 0


if __name__ == "__main__":
    sys.exit(main())
