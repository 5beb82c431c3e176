#!/usr/bin/env python3
"""Trains the trials of traces again in plain PyTorch (torch.nn modules, torch.optim optimizers, autograd) and compares every step.

usage: compare.py TRACES        a folder of folders that `blowup replay RUN_DIR TRIAL --trace DIR` wrote

Two correct programs part ways where the dynamics are chaotic. So each trial is trained in PyTorch several times more, from initial weights
that are off by one unit in the last place: growth is by how much that has grown in a quantity, in units of the last place. Losses and
gradient norms must agree to 1e-9 (f64) while growth x 1e-15 stays below 1e-9, and likewise, up to the first non-finite step, the lengths of
the updates and the norms of every layer (whether an overflow reads inf or NaN depends on the order of summation). Verdict, steps of divergence and of the first non-finite number, and the first bad tensor must agree where that holds for all
steps. Exit status 1 if anything differs, if fewer than 60 f64 trials were compared, or if a value of `REQUIRED` was in none of them.
"""

import csv
import math
import sys
import tomllib
from collections import Counter, defaultdict
from pathlib import Path

import torch
from models import Model, norm
from safetensors.torch import load_file

# What growth is multiplied with, and how far apart results may be: about 4.5 units in the last place, and a million times as much in f64.
RULES = {"float64": (1e-15, 1e-9), "float32": (5e-7, 1e-3)}
PERTURBATIONS = 3
FEWEST_TRIALS = 60

REQUIRED = {
    "network": ["mlp", "rnn", "lstm", "gru"],
    "depth": ["0", "1", "2 to 9", "10 and more"],
    "residual": ["true", "false"],
    "init": [
        "normal", "uniform", "xavier", "xavier_uniform", "he", "he_uniform", "lecun", "orthogonal", "scaled", "constant", "pytorch",
    ],
    "recurrent_init": ["its own"],
    "forget_bias": ["0", "another"],
    "activation": ["linear", "relu", "leaky_relu", "tanh", "sigmoid", "gelu", "selu", "silu"],
    "bias": ["none", "learned"],
    "norm": ["none", "batch before", "batch after", "layer before", "layer after", "rms before", "rms after"],
    "parametrization": ["standard", "ntk", "mean_field"],
    "loss": ["mse", "cross_entropy"],
    "optimizer": ["sgd", "sgd momentum", "sgd nesterov", "adam", "adamw", "rmsprop", "rmsprop momentum"],
    "weight_decay": ["0", "sgd", "adam", "adamw", "rmsprop"],
    "lr_output": ["its own"],
    "schedule": ["constant", "warmup", "cosine", "warmup_cosine"],
    "clip": ["none", "norm", "value"],
    "batch": ["all", "shuffle", "replacement"],
    "task": ["teacher", "noise", "fresh-noise", "scalar", "csv", "adding", "noise-sequence", "digits", "copy", "temporal-order"],
    "data_seed": ["its own"],
    "outcome": ["converged", "stalled", "unsettled", "diverged", "nonfinite"],
}

# In the contract, but beyond the rule: in 16 bits, after a few steps the last place is all that is left.
LEFT_OUT = {
    "dtype": ["bfloat16", "float16"],
}


class Trace:
    def __init__(self, folder):
        self.folder = folder
        self.about = tomllib.loads((folder / "trace.toml").read_text())
        self.axes, self.measured = self.about["axes"], self.about["measured"]
        self.dtype = getattr(torch, self.axes["dtype"])
        self.tensors = load_file(folder / "tensors.safetensors")
        self.steps, self.epoch_steps = self.about["steps"], self.about["steps_per_epoch"]
        with open(folder / "steps.csv") as file:
            self.step_rows = list(csv.DictReader(file))
        self.layer_rows = {}
        with open(folder / "layers.csv") as file:
            for row in csv.DictReader(file):
                place = int(row["layer"]), int(row["time"] or 0)
                for quantity in ("activation_rms", "backprop_norm", "weight_grad_norm", "weight_norm"):
                    if row[quantity]:
                        self.layer_rows[int(row["step"]), *place, quantity] = float(row[quantity])

    def data(self, name, epoch=0):
        """Inputs and targets in the trial's dtype; the epoch's own where every epoch has its own."""
        fresh = self.about["fresh"] and name == "data"
        get = lambda key: self.tensors[key][epoch] if fresh else self.tensors[key]
        inputs = get(f"{name}.inputs").to(self.dtype)
        if f"{name}.classes" in self.tensors:
            return inputs, get(f"{name}.classes")
        return inputs, get(f"{name}.targets").to(self.dtype)

    def batch(self, step):
        epoch, within = divmod(step, self.epoch_steps)
        inputs, targets = self.data("data", epoch)
        size = self.axes["batch"]
        part = slice(within * size, (within + 1) * size)
        if "order" not in self.tensors:
            return take(self, inputs, part), targets[part]
        index = self.tensors["order"][epoch][part]
        return take(self, inputs, index), targets[index]

    def evaluation(self):
        """The batches that initial and final loss are measured on, in the order of the samples."""
        inputs, targets = self.data("evaluation" if self.about["fresh"] else "data")
        size = self.axes["batch"]
        return [(take(self, inputs, slice(at, at + size)), targets[at : at + size]) for at in range(0, len(targets), size)]


def take(trace, inputs, index):
    """Sequences are [time, sample, inputs]."""
    return inputs[:, index] if "sequence_length" in trace.axes else inputs[index]


def optimizer(trace, model):
    a = trace.axes
    groups = [{"params": model.hidden()}, {"params": model.output.parameters(), "lr": a["lr_output"]}]
    groups = [{**group, "params": list(group["params"])} for group in groups]
    groups = [group for group in groups if group["params"]]
    common = {"lr": a["lr"], "weight_decay": a["weight_decay"]}
    match a["optimizer"]:
        case "sgd":
            return torch.optim.SGD(groups, momentum=a["momentum"], nesterov=a["nesterov"], **common)
        case "adam":
            return torch.optim.Adam(groups, betas=(a["beta1"], a["beta2"]), eps=a["eps"], **common)
        case "adamw":
            return torch.optim.AdamW(groups, betas=(a["beta1"], a["beta2"]), eps=a["eps"], **common)
        case "rmsprop":
            return torch.optim.RMSprop(groups, alpha=a["alpha"], eps=a["eps"], momentum=a["momentum"], **common)


def schedule(trace, rule):
    kind, warmup, total = trace.axes["schedule"], trace.axes.get("warmup", 0), trace.steps

    def factor(t):
        rise = min(1.0, (t + 1) / warmup) if warmup else 1.0
        if "cosine" not in kind or t < warmup or t >= total:
            return rise
        return rise * (1 + math.cos(math.pi * (t - warmup) / (total - warmup))) / 2

    return torch.optim.lr_scheduler.LambdaLR(rule, factor)


def clip(trace, parameters):
    """Clips as the axes say; whether it changed anything."""
    kind, threshold = trace.axes["clip"], trace.axes["clip_threshold"]
    if kind == "norm":
        total = torch.nn.utils.clip_grad_norm_(parameters, threshold)
        return (threshold / (total + 1e-6)).item() < 1
    if kind == "value":
        largest = max(p.grad.abs().max().item() for p in parameters)
        torch.nn.utils.clip_grad_value_(parameters, threshold)
        return largest > threshold
    return None


class Run:
    """One training run in PyTorch: what it measured, step by step."""

    def __init__(self, trace, perturbation=None):
        self.trace = trace
        self.losses, self.gradients, self.updates, self.clipped, self.layers = [], [], [], [], {}
        self.step_nonfinite = self.step_nan = self.step_diverged = self.site = None
        self.epoch_losses, self.loss_final = [], math.nan
        self.model = Model(trace, perturbation)
        self.criterion = torch.nn.MSELoss() if trace.axes["loss"] == "mse" else torch.nn.CrossEntropyLoss()
        self.whole = trace.axes["batch"] == trace.about["samples"] and not trace.about["fresh"]
        self.loss_initial = self.evaluate()
        self.threshold = trace.about["loss_ratio"] * reference(self.loss_initial, trace.measured["loss_trivial"])
        self.train()

    def evaluate(self):
        total = count = 0
        with torch.no_grad():
            for inputs, targets in self.trace.evaluation():
                total += self.criterion(self.model(inputs), targets).item() * len(targets)
                count += len(targets)
        return total / count

    def train(self):
        trace, model = self.trace, self.model
        rule = optimizer(trace, model)
        rates = schedule(trace, rule)
        parameters = list(model.parameters())
        epoch = []
        for step in range(trace.steps + 1):
            last = step == trace.steps
            if last and step > 0:
                inputs, targets = trace.evaluation()[0]
            else:
                inputs, targets = trace.batch(step)
            rule.zero_grad()
            loss = self.criterion(model(inputs), targets)
            loss.backward()
            value, gradient = loss.item(), norm(p.grad for p in parameters)
            self.layers |= {(step, *place): x for place, x in model.layer_norms().items()}
            if last:
                self.loss_final = value if self.whole else self.evaluate()
                self.observe(step, self.loss_final, gradient, loss)
                return
            self.losses.append(value)
            self.gradients.append(gradient)
            epoch.append((value, len(targets)))
            self.observe(step, value, gradient, loss)
            if math.isnan(value):
                self.epoch_losses.append(math.nan)
                return
            before = [p.detach().clone() for p in parameters]
            self.clipped.append(clip(trace, parameters))
            rule.step()
            rates.step()
            self.updates.append(norm(p.detach() - b for p, b in zip(parameters, before)))
            if (step + 1) % trace.epoch_steps == 0 or step + 1 == trace.steps:
                self.epoch_losses.append(sum(x * n for x, n in epoch) / sum(n for _, n in epoch))
                epoch = []

    def observe(self, step, value, gradient, loss):
        finite = math.isfinite(value) and math.isfinite(gradient)
        if self.step_diverged is None and (value > self.threshold or not math.isfinite(value)):
            self.step_diverged = step
        if self.step_nonfinite is None and not finite:
            self.step_nonfinite, self.site = step, self.model.first_bad(loss)
        if self.step_nan is None and math.isnan(value):
            self.step_nan = step

    def outcome(self):
        tail = self.epoch_losses[len(self.epoch_losses) - -(-len(self.epoch_losses) // 10) :]
        late = sum(tail) / len(tail) if tail else self.loss_final
        if self.step_nan is not None or not math.isfinite(self.loss_final) or not math.isfinite(late):
            return "nonfinite"
        if late > self.threshold:
            return "diverged"
        if math.isfinite(self.loss_initial) and abs(self.loss_final - self.loss_initial) <= 1e-3 * abs(self.loss_initial):
            return "stalled"
        if self.loss_final < 0.9 * reference(self.loss_initial, self.trace.measured["loss_trivial"]):
            return "converged"
        return "unsettled"

    def verdict(self):
        site, layer, time = self.site or (None, None, None)
        return {
            "outcome": self.outcome(),
            "step_diverged": self.step_diverged,
            "step_nonfinite": self.step_nonfinite,
            "step_nan": self.step_nan,
            "nonfinite_site": site,
            "nonfinite_layer": layer,
            "nonfinite_time": time,
            "steps_run": len(self.updates),
        }


def reference(initial, trivial):
    serving = [x for x in (initial, trivial) if math.isfinite(x) and x > 0]
    return min(serving, default=math.nan)


def apart(a, b):
    """Relative distance; 0 where both are NaN or the same infinity, inf where one is and the other is not."""
    if a == b or (math.isnan(a) and math.isnan(b)):
        return 0.0
    if not (math.isfinite(a) and math.isfinite(b)):
        return math.inf
    return abs(a - b) / max(abs(a), abs(b))


class Series:
    """One kind of quantity, a list of numbers per step, in the trace, in PyTorch and in the perturbed runs."""

    def __init__(self, trace, recorded, run, others):
        ulp, (unit, self.tolerance) = torch.finfo(trace.dtype).eps, RULES[trace.axes["dtype"]]
        self.total, self.worst, self.where = len(run), 0.0, None
        self.covered, self.growth = 0, 0.0
        if len(recorded) != len(run):
            # A step that one has and the other has not: it counts where all before it were compared.
            self.total = min(len(recorded), len(run))
        for step in range(self.total):
            here = lambda series: series[step] if step < len(series) else None
            self.growth = max([self.growth] + [distance(run[step], here(other)) / ulp for other in others])
            if not self.growth * unit < self.tolerance:
                return
            self.covered += 1
            found = distance(recorded[step], run[step])
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


def layer_series(rows):
    steps = defaultdict(dict)
    for (step, *place), value in rows.items():
        steps[step][tuple(place)] = value
    return [[value for _, value in sorted(steps[step].items())] for step in sorted(steps)]


def compare(trace):
    """Findings (lines of text, none if all is well) and what was covered."""
    run = Run(trace)
    others = [Run(trace, seed) for seed in range(PERTURBATIONS)]
    number = lambda row, name: float(row[name]) if row[name] else math.nan
    recorded = trace.step_rows
    updated = [row for row in recorded if row["update_norm"]]
    ends = lambda r: [[r.loss_initial, r.loss_final]]
    finite = slice(run.step_nonfinite)
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
        "norms of layers": Series(
            trace,
            layer_series(trace.layer_rows)[finite],
            layer_series(run.layers)[finite],
            [layer_series(other.layers) for other in others],
        ),
        "initial and final loss": Series(
            trace, [[trace.measured["loss_initial"], trace.measured["loss_final"]]], ends(run), [ends(other) for other in others]
        ),
    }
    findings = [
        f"{name}: {s.worst:.2e} apart in step {s.where}" for name, s in series.items() if not s.agrees()
    ]
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
        if not main.complete:
            findings.append(f"{len(recorded)} steps in the trace, {len(run.losses)} in PyTorch")
    return findings + run.model.initial_findings, series, judged


def values(trace):
    """The values of a trial in the words of `REQUIRED`."""
    a, about = trace.axes, trace.about
    decay = a["optimizer"] if a["weight_decay"] else "0"
    depth = a["depth"]
    kind = a["optimizer"]
    if a.get("momentum"):
        kind += " nesterov" if a.get("nesterov") else " momentum"
    own = lambda axis, other: "its own" if axis in a and a[axis] != a[other] else None
    recurrent = [a.get(f"recurrent_init{x}") != a.get(f"init{x}") for x in ("", "_scale")]
    return {
        "network": a["network"],
        "depth": str(depth) if depth < 2 else "2 to 9" if depth < 10 else "10 and more",
        "residual": str(a["residual"]).lower() if "residual" in a else None,
        "init": a["init"],
        "recurrent_init": "its own" if "recurrent_init" in a and any(recurrent) else None,
        "forget_bias": None if "forget_bias" not in a else "another" if a["forget_bias"] else "0",
        "activation": a.get("activation"),
        "bias": a["bias"],
        "norm": " ".join([a["norm"], *([a["norm_position"]] if "norm_position" in a else [])]) if "norm" in a else None,
        "parametrization": a["parametrization"],
        "loss": a["loss"],
        "optimizer": kind,
        "weight_decay": decay,
        "lr_output": own("lr_output", "lr"),
        "schedule": a["schedule"],
        "clip": a["clip"],
        "batch": a.get("sampling", "all"),
        "task": about["task"],
        "data_seed": own("data_seed", "seed"),
        "dtype": a["dtype"],
        "outcome": trace.measured["outcome"],
    }


def main():
    torch.set_num_threads(1)
    # As blowup's workers do.
    torch.set_flush_denormal(True)
    folders = sorted(path.parent for path in Path(sys.argv[1]).glob("*/trace.toml"))
    seen, counts, wrong, total = Counter(), Counter(), 0, Counter()
    for folder in folders:
        trace = Trace(folder)
        findings, series, judged = compare(trace)
        dtype = trace.axes["dtype"]
        name = f"{trace.about['trial']} {trace.about['label']}"
        for finding in findings:
            print(f"DIFFERS {name}: {finding}")
        wrong += bool(findings)
        main_series = series["loss and gradient norm"]
        counts[dtype, "trials"] += 1
        counts[dtype, "in full"] += judged
        counts[dtype, "in part"] += 0 < main_series.covered and not judged
        counts[dtype, "not at all"] += main_series.covered == 0 and not judged
        for kind, s in series.items():
            total[dtype, kind] += s.covered
            total[dtype, kind, "of"] += s.total
            total[dtype, kind, "worst"] = max(total[dtype, kind, "worst"], s.worst)
        if dtype == "float64" and (main_series.covered > 0 or judged):
            for axis, value in values(trace).items():
                seen[axis, value] += 1
        seen["dtype", dtype] += 1
    return report(seen, counts, total, wrong)


def report(seen, counts, total, wrong):
    for dtype in RULES:
        if not counts[dtype, "trials"]:
            continue
        unit, tolerance = RULES[dtype]
        print(f"\n{dtype}: {counts[dtype, 'trials']} trials, to {tolerance:g} while growth x {unit:g} is below it")
        print(
            f"  compared to the last step, verdict and first bad tensor included: {counts[dtype, 'in full']}; "
            f"to some step: {counts[dtype, 'in part']}; nowhere: {counts[dtype, 'not at all']}"
        )
        for kind in ("loss and gradient norm", "update norm", "norms of layers", "initial and final loss"):
            what = "trials" if kind == "initial and final loss" else "steps"
            covered, of, worst = (total[dtype, kind, *rest] for rest in ((), ("of",), ("worst",)))
            print(f"  {kind:<24} {covered:>6} of {of:>6} {what}, at most {worst:.1e} apart")
    print("\nf64 trials by value:")
    missing = []
    for axis, wanted in REQUIRED.items():
        print(f"  {axis:<16} " + ", ".join(f"{value} {seen[axis, value]}" for value in wanted))
        missing += [f"{axis} {value}" for value in wanted if not seen[axis, value]]
    left_out = [f"{axis} {value}" for axis, values in LEFT_OUT.items() for value in values if not seen[axis, value]]
    print("\nof the contract, left out: " + (", ".join(left_out) or "nothing"))
    compared = counts["float64", "in full"] + counts["float64", "in part"]
    if missing:
        print("NOT COVERED: " + ", ".join(missing))
    if compared < FEWEST_TRIALS:
        print(f"TOO FEW: {compared} f64 trials were compared, {FEWEST_TRIALS} are wanted")
    print(f"\n{compared} f64 trials compared with PyTorch {torch.__version__}: " + (f"{wrong} DIFFER" if wrong else "all agree"))
    return 1 if wrong or missing or compared < FEWEST_TRIALS else 0


if __name__ == "__main__":
    sys.exit(main())
