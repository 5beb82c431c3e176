"""A trace that `blowup replay --trace` wrote, and the same trial trained in plain PyTorch
(torch.optim, autograd)."""

import csv
import math
import tomllib

import torch
from safetensors.torch import load_file

from models import Model, norm
from rules import Together, optimizers, schedule


class Trace:
    def __init__(self, folder):
        self.folder = folder
        self.about = tomllib.loads((folder / "trace.toml").read_text())
        self.axes, self.measured = self.about["axes"], self.about["measured"]
        self.dtype = getattr(torch, self.axes["dtype"])
        self.tensors = load_file(folder / "tensors.safetensors")
        self.steps, self.epoch_steps = self.about["steps"], self.about["steps_per_epoch"]

    def step_rows(self):
        with open(self.folder / "steps.csv") as file:
            return list(csv.DictReader(file))

    def layer_rows(self):
        rows = {}
        with open(self.folder / "layers.csv") as file:
            for row in csv.DictReader(file):
                place = int(row["layer"]), int(row["time"] or 0)
                for quantity in ("activation_rms", "backprop_norm", "weight_grad_norm", "weight_norm"):
                    if row[quantity]:
                        rows[int(row["step"]), *place, quantity] = float(row[quantity])
        return rows

    def data(self, name, epoch=0):
        """Inputs and targets in the trial's dtype; the epoch's own where every epoch has its
        own."""
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
        return [
            (take(self, inputs, slice(at, at + size)), targets[at : at + size]) for at in range(0, len(targets), size)
        ]


def take(trace, inputs, index):
    """Sequences are [time, sample, inputs]."""
    return inputs[:, index] if "sequence_length" in trace.axes else inputs[index]


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
    """One training run in PyTorch: what it measured, step by step; without `measures` only what its
    verdict takes."""

    def __init__(self, trace, perturbation=None, measures=True):
        self.trace, self.measures = trace, measures
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
        rules = optimizers(trace, model)
        rule, rates = Together(rules), Together([schedule(trace, rule) for rule in rules])
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
            if self.measures:
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
            before = [p.detach().clone() for p in parameters] if self.measures else []
            self.clipped.append(clip(trace, parameters))
            rule.step()
            rates.step()
            self.updates.append(norm(p.detach() - b for p, b in zip(parameters, before)) if self.measures else None)
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
        if math.isfinite(self.loss_initial) and abs(self.loss_final - self.loss_initial) <= 1e-3 * abs(
            self.loss_initial
        ):
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


def values(trace):
    """The values of a trial in the words of `REQUIRED`."""
    a, about = trace.axes, trace.about
    decay = a["optimizer"] if a["weight_decay"] else "0"
    if a.get("weight_decay_mode") == "independent":
        decay += " independent"
    depth = a["depth"]
    kind = a["optimizer"]
    if a.get("momentum"):
        kind += " nesterov" if a.get("nesterov") else " momentum"
    if a.get("amsgrad"):
        kind += " amsgrad"
    if a["optimizer"] == "muon":
        kind += f" {a['adjust_lr_fn']}"
    falls = " to lr_min" if a.get("lr_min") and a["schedule"] != "one_cycle" else ""
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
        "schedule": a["schedule"] + falls,
        "clip": a["clip"],
        "batch": a.get("sampling", "all"),
        "task": about["task"],
        "data_seed": own("data_seed", "seed"),
        "dtype": a["dtype"],
        "outcome": trace.measured["outcome"],
    }
