#!/usr/bin/env python3
"""The trials of traces once more, as bundles: each configuration is exported from its plain PyTorch
model (models.py), with the weights and the data of its trace, and the engine trains that.

usage: twins.py export TRACES FOLDER   bundles, and spec.toml, which trains each as its trace was;
                                       twins.json has the label of each trial in it
       twins.py compare TRACES FOLDER RUN_DIR   what RUN_DIR, a sweep of that spec, has of them

A bundle takes its batches in the order in which the built-in net of the same seed does. So the
losses and gradient norms of every step are held against those of the built-in net, by the rule of
compare.py: to 1e-9 (f64) while what PyTorch itself makes of a change in the last place stays below
that. Where all steps are compared the verdict has to be the same. The outcome and the step of
divergence of a bundle are measured against its initial loss, as nobody knows its trivial one: so
theirs are judged anew from the losses of the built-in net. A trial that no bundle can be is counted
with the reason. Exit status 1 if anything differs, or if fewer than 200 twins were compared.
"""

import csv
import hashlib
import json
import math
import multiprocessing
import os
import sys
from collections import Counter, defaultdict
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "python"))

import blowup
from blowup._bundle import Bundle

from compare import PERTURBATIONS, RULES, SECOND_LOOK, Series
from models import Model
from training import Run, Trace, outcome, reference

FEWEST_TWINS = 200
# The time steps beyond which no twin is made.
LONGEST = 100
# What decides the graph of a step, and what a spec says of a bundle's training.
STRUCTURE = [
    *("network", "depth", "width", "activation", "negative_slope", "bias", "norm", "norm_position", "residual"),
    *("residual_scale", "rezero", "parametrization", "loss", "batch", "sequence_length", "dtype"),
]
TRAINING = [
    *("optimizer", "momentum", "nesterov", "beta1", "beta2", "eps", "alpha", "lr", "schedule", "warmup", "clip"),
    *("clip_threshold", "weight_decay", "sampling", "amsgrad", "momentum_decay", "lr_decay"),
    *("initial_accumulator_value", "cooldown", "power", "lr_min", "weight_decay_mode", "skip", "skip_threshold"),
    "accumulate",
]
# The multiple of the reference above which the loss of a bundle diverges.
RATIO = 1e6


def all_traces(folder):
    return [Trace(path.parent) for path in sorted(Path(folder).glob("*/trace.toml"))]


def reason(trace):
    """Why no bundle is the same trial; None where one is."""
    if trace.about["fresh"]:
        return "every epoch has data of its own, and the data of a bundle are fixed"
    if trace.axes.get("lr_output", trace.axes["lr"]) != trace.axes["lr"]:
        return "a learning rate of the output layer, of which a bundle knows nothing"
    if trace.axes["parametrization"] == "mup":
        return "mup, whose learning rates go with the width of each parameter, of which a bundle knows nothing"
    if trace.axes["clip"] == "agc":
        return "adaptive clipping, which leaves out the output layer where it knows which one that is"
    if trace.axes["optimizer"] == "muon":
        return "Muon, which leaves the first and the last layer to AdamW where it knows which these are"
    if trace.axes["network"] == "transformer":
        return "a transformer, whose model keeps what it watches"
    if trace.axes.get("sequence_length", 0) > LONGEST:
        return f"more than {LONGEST} time steps, each of them some thirty calls of the graph: minutes to export"
    return None


def data(trace):
    """All inputs and targets, with the samples in front."""
    inputs, targets = trace.data("data")
    return (inputs.transpose(0, 1).contiguous() if is_sequence(trace) else inputs), targets


def is_sequence(trace):
    return "sequence_length" in trace.axes


def loss_of(trace):
    criterion = torch.nn.MSELoss() if trace.axes["loss"] == "mse" else torch.nn.CrossEntropyLoss()
    sequence = is_sequence(trace)

    def loss(model, batch):
        inputs, targets = batch
        return criterion(model(inputs.transpose(0, 1) if sequence else inputs), targets)

    return loss


def calm(trace):
    """The model with small weights. An export trains for two steps to check itself, and the weights
    of some traces do not survive that."""
    model = Model(trace, watched=False)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return model


def export_all(job):
    """Traces of one structure and seed: the graph is traced once, and every trace gets a bundle of
    it with its own weights and data."""
    folder, traces = job
    torch.set_num_threads(1)
    first, size = traces[0], traces[0].axes["batch"]
    own = data(first)
    blowup.export(
        path(folder, first),
        model=lambda: calm(first),
        loss=loss_of(first),
        batch=tuple(x[:size] for x in own),
        data=own,
        seeds=[first.axes["seed"]],
    )
    bundle = Bundle.load(path(folder, first))
    for trace in traces:
        weights = dict(Model(trace, watched=False).named_parameters())
        for of in bundle.program["parameters"]:
            bundle.tensors[of["initial"]] = weights[of["name"]].detach()[None]
        for leaf, values in zip(bundle.program["batch"], data(trace), strict=True):
            bundle.tensors[leaf["data"]] = values
        bundle.save(path(folder, trace))


def path(folder, trace):
    return Path(folder) / f"{trace.about['trial']}.blowup"


def block(trace):
    """The part of a spec that trains a twin, but for what it trains."""
    given = {axis: trace.axes[axis] for axis in TRAINING if axis in trace.axes}
    for rule, threshold in (("clip", "clip_threshold"), ("skip", "skip_threshold")):
        if given[rule] == "none":
            given.pop(threshold, None)
    budget = f"steps = {trace.steps}" if trace.steps else "epochs = 0"
    lines = [f"{axis} = {str(x).lower() if isinstance(x, bool) else repr(x)}" for axis, x in given.items()]
    return "\n".join([f"seeds = [{trace.axes['seed']}]", budget, *lines])


def export(traces, folder):
    Path(folder).mkdir()
    shapes = defaultdict(list)
    for trace in traces:
        if not reason(trace):
            sizes = tuple(x.shape for x in data(trace))
            key = (*(trace.axes.get(axis) for axis in STRUCTURE), trace.axes["seed"], trace.about["outputs"], sizes)
            shapes[key].append(trace)
    jobs = sorted(
        ((folder, group) for group in shapes.values()), key=lambda job: -job[1][0].axes.get("sequence_length", 0)
    )
    with multiprocessing.Pool(os.cpu_count()) as pool:
        pool.map(export_all, jobs, chunksize=1)
    steps = max(trace.steps for trace in traces)
    head = f'name = "twins"\n[record]\nsteps = {steps}\n'
    # Two initializers can draw the same weights (he, scaled(2.0)): then two trials have one twin.
    labels, blocks = {}, {}
    for trace in traces:
        if not reason(trace):
            name, file = trace.about["trial"], path(folder, trace)
            twin = (hashlib.sha256(file.read_bytes()).hexdigest(), block(trace))
            labels[name] = blocks.setdefault(twin, name)
    grid = [
        f'[[grid]]\nlabel = "{name}"\nnetwork = {{ file = "{name}.blowup" }}\n{training}'
        for (_, training), name in blocks.items()
    ]
    (Path(folder) / "spec.toml").write_text("\n\n".join([head, *grid]) + "\n")
    (Path(folder) / "twins.json").write_text(json.dumps(labels))
    print(f"{len(jobs)} exports are the bundles of {len(labels)} trials, of which {len(blocks)} differ as bundles")
    return 0


def number(text):
    return float(text) if text else math.nan


def rows_of(run_dir):
    """By the label of a trial of the sweep: its row, and its rows of steps.csv."""
    with open(Path(run_dir) / "runs.csv") as file:
        runs = {row["trial"]: row for row in csv.DictReader(file)}
    steps = defaultdict(list)
    with open(Path(run_dir) / "steps.csv") as file:
        for row in csv.DictReader(file):
            steps[row["trial"]].append(row)
    return {row["label"]: (row, steps[trial]) for trial, row in runs.items()}


def judged(trace, steps, trivial, ratio):
    """Outcome and step of divergence of the built-in net, by its own losses, if `trivial` is the
    loss of the best constant prediction and a loss diverges above `ratio` times the reference."""
    losses, within, total = [number(row["loss"]) for row in steps], trace.epoch_steps, trace.about["samples"]
    size, measured = trace.axes["batch"] * trace.axes.get("accumulate", 1), trace.measured
    served = reference(measured["loss_initial"], trivial)
    sizes = [min(size, total - step % within * size) for step in range(len(losses))]
    epochs = []
    for at in range(0, len(losses), within):
        part = slice(at, at + within)
        epochs.append(sum(x * n for x, n in zip(losses[part], sizes[part])) / sum(sizes[part]))
    final = measured["loss_final"]
    nan = any(math.isnan(loss) for loss in losses)
    exceeds = lambda loss: not math.isfinite(loss) or loss > ratio * served
    # The last check, behind the last update, counts where no step did.
    crossed = [step for step, loss in enumerate(losses) if exceeds(loss)]
    crossed += [trace.steps] if not nan and exceeds(final) else []
    return outcome(trace, epochs, measured["loss_initial"], final, nan, trivial, ratio), (crossed or [None])[0]


def differences(trace, row, steps, perturbations=PERTURBATIONS):
    """What differs between a twin and the built-in net, in words; the series of losses and norms;
    and whether the verdicts were compared."""
    recorded = trace.step_rows()
    pairs = lambda rows: [[number(row["loss"]), number(row["grad_norm"])] for row in rows]
    runs = [Run(trace, seed, measures=False) for seed in (None, *range(perturbations))]
    plain, *others = [list(zip(run.losses, run.gradients)) for run in runs]
    series = Series(trace, pairs(steps), plain, others, against=pairs(recorded))
    found = [] if series.agrees() else [f"{series.worst:.2e} apart in step {series.where}"]
    covers = series.covered == len(plain) and series.growth < math.inf
    if covers:
        measured = trace.measured
        told = judged(trace, recorded, measured["loss_trivial"], trace.about["loss_ratio"])
        if told != (measured["outcome"], measured.get("step_diverged")):
            found.append(f"judged as {told}, which is not what is recorded of the built-in net")
        became, crossed = judged(trace, recorded, math.nan, RATIO)
        expected = {
            "outcome": became,
            "step_diverged": crossed,
            **{name: measured.get(name) for name in ("step_nonfinite", "step_nan", "steps_run")},
        }
        for column, value in expected.items():
            if row[column] != ("" if value is None else str(value)):
                found.append(f"{column}: {row[column] or 'none'} of the twin, {value} of the built-in net")
        if ("nonfinite_site" in measured) != bool(row["nonfinite_site"]):
            found.append(f"it began in {measured.get('nonfinite_site')}, in the twin in {row['nonfinite_site']}")
        if len(steps) != len(recorded):
            found.append(f"{len(steps)} steps of the twin, {len(recorded)} of the built-in net")
    if found and perturbations < SECOND_LOOK:
        return differences(trace, row, steps, SECOND_LOOK)
    return found, series, covers


def compare_one(job):
    torch.set_num_threads(1)
    # As blowup's workers do.
    torch.set_flush_denormal(True)
    folder, row, steps = job
    trace = Trace(Path(folder))
    name = f"{trace.about['trial']} {trace.about['label']}"
    return name, trace.axes["dtype"], trace.measured["outcome"], *differences(trace, row, steps)


def compare(traces, folder, run_dir):
    rows, labels = rows_of(run_dir), json.loads((Path(folder) / "twins.json").read_text())
    twins = [trace for trace in traces if not reason(trace)]
    for why, count in Counter(reason(trace) for trace in traces if reason(trace)).items():
        print(f"no bundle can be {count} of the {len(traces)} trials: {why}")
    assert rows.keys() == set(labels.values()) and len(labels) == len(twins), "every twin has its row"
    jobs = [(str(trace.folder), *rows[labels[trace.about["trial"]]]) for trace in twins]
    with multiprocessing.Pool(os.cpu_count()) as pool:
        results = pool.map(compare_one, jobs, chunksize=4)
    wrong = 0
    for name, _, _, found, _, _ in results:
        wrong += bool(found)
        for finding in found:
            print(f"DIFFERS {name}: {finding}")
    for dtype, (_, tolerance) in RULES.items():
        of = [result for result in results if result[1] == dtype]
        covered, total = sum(s.covered for *_, s, _ in of), sum(s.total for *_, s, _ in of)
        outcomes = Counter(outcome for _, _, outcome, _, _, covers in of if covers)
        print(
            f"{dtype}: {len(of)} twins, losses and gradient norms of {covered} of {total} steps at most "
            f"{max(s.worst for *_, s, _ in of):.1e} apart (allowed: {tolerance:g})\n"
            f"  {sum(outcomes.values())} compared to the last step and by their verdicts: "
            + ", ".join(f"{count} {name}" for name, count in outcomes.most_common())
        )
    compared = sum(covers or s.covered > 0 for *_, s, covers in results)
    print(f"{compared} of {len(twins)} twins compared: " + (f"{wrong} DIFFER" if wrong else "all agree"))
    if compared < FEWEST_TWINS:
        print(f"TOO FEW: {FEWEST_TWINS} are wanted")
    return 1 if wrong or compared < FEWEST_TWINS else 0


if __name__ == "__main__":
    what, traces, *rest = sys.argv[1:]
    sys.exit({"export": export, "compare": compare}[what](all_traces(traces), *rest))
