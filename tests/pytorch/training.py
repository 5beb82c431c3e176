"""A trace that `blowup replay --trace` wrote, and the same trial trained in plain PyTorch
(torch.optim, autograd)."""

import csv
import math
import tomllib

import torch
from safetensors.torch import load_file

from guards import Clip, Guard
from models import build, norm
from rules import Together, optimizers, schedule

# What layers.csv has of a layer.
QUANTITIES = ("activation_rms", "backprop_norm", "weight_grad_norm", "weight_norm", "activation_change")


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
                for quantity in QUANTITIES:
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
            classes = get(f"{name}.classes")
            # A text has a class at every token.
            return inputs, classes.view(*classes.shape[:-1], inputs.shape[-2], -1) if self.about[
                "task"
            ] == "text" else classes
        return inputs, get(f"{name}.targets").to(self.dtype)

    def batches(self, step):
        """The batches of an update: `accumulate` of them, or those of the epoch that are left."""
        epoch, within = divmod(step, self.epoch_steps)
        inputs, targets = self.data("data", epoch)
        size, count = self.axes["batch"], self.axes["accumulate"]
        of_epoch = -(-self.about["samples"] // size)
        for at in range(within * count, min((within + 1) * count, of_epoch)):
            part = slice(at * size, (at + 1) * size)
            index = part if "order" not in self.tensors else self.tensors["order"][epoch][part]
            yield take(self, inputs, index), targets[index]

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


class CrossEntropy(torch.nn.Module):
    """nn.CrossEntropyLoss over all targets, and the z-loss (Chowdhery 2022)."""

    def __init__(self, z_loss):
        super().__init__()
        self.z_loss = z_loss

    def forward(self, output, targets):
        loss = torch.nn.functional.cross_entropy(output, targets.flatten())
        return loss + self.z_loss * output.logsumexp(-1).square().mean() if self.z_loss else loss


class Run:
    """One training run in PyTorch: what it measured, step by step; without `measures` only what its
    verdict takes."""

    def __init__(self, trace, perturbation=None, measures=True):
        self.trace, self.measures = trace, measures
        self.losses, self.gradients, self.updates, self.clipped, self.layers = [], [], [], [], {}
        self.coefficients, self.skipped, self.bad = [], [], None
        self.step_nonfinite = self.step_nan = self.step_diverged = self.site = None
        self.epoch_losses, self.loss_final = [], math.nan
        self.model = build(trace, perturbation)
        self.criterion = torch.nn.MSELoss() if trace.axes["loss"] == "mse" else CrossEntropy(trace.axes["z_loss"])
        self.whole = trace.axes["batch"] == trace.about["samples"] and not trace.about["fresh"]
        self.model.compares = self.whole
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
        clip, guard = Clip(trace, model, rules[0]), Guard(trace)
        epoch = []
        for step in range(trace.steps + 1):
            last = step == trace.steps
            batches = [trace.evaluation()[0]] if last and step > 0 else list(trace.batches(step))
            rule.zero_grad()
            value = self.passes(step, batches)
            gradient = norm(p.grad for p in parameters)
            if last:
                self.loss_final = value if self.whole else self.evaluate()
                self.observe(step, self.loss_final, gradient)
                return
            self.losses.append(value)
            self.gradients.append(gradient)
            epoch.append((value, sum(len(targets) for _, targets in batches)))
            self.observe(step, value, gradient)
            if math.isnan(value):
                self.epoch_losses.append(math.nan)
                return
            before = [p.detach().clone() for p in parameters] if self.measures else []
            skips = guard.skips(value, gradient)
            self.skipped.append(skips)
            coefficient = None if skips else clip()
            self.clipped.append(None if clip.kind == "none" else coefficient is not None and coefficient < 1)
            self.coefficients += [coefficient] if self.clipped[-1] else []
            if not skips:
                rule.step()
                clip.after()
            rates.step()
            self.updates.append(norm(p.detach() - b for p, b in zip(parameters, before)) if self.measures else None)
            if (step + 1) % trace.epoch_steps == 0 or step + 1 == trace.steps:
                self.epoch_losses.append(sum(x * n for x, n in epoch) / sum(n for _, n in epoch))
                epoch = []

    def passes(self, step, batches):
        """Runs forward and backward over the batches of an update, whose mean loss it returns. What
        is looked at in the layers is that of the first batch."""
        value, rows, self.bad = 0.0, {}, None
        for number, (inputs, targets) in enumerate(batches):
            loss = self.criterion(self.model(inputs), targets)
            (loss / len(batches)).backward()
            value += loss.item() / len(batches)
            if self.measures and number == 0:
                rows = self.model.layer_norms()
            if self.bad is None and not (
                math.isfinite(loss.item()) and math.isfinite(norm(p.grad for p in self.model.parameters()))
            ):
                self.bad = self.model.first_bad(loss)
        if self.measures:
            now = self.model.layer_norms()
            for place, x in rows.items():
                # The loss was divided before its derivative was taken.
                found = {"weight_grad_norm": now[place], "backprop_norm": x * len(batches)}
                self.layers[step, *place] = found.get(place[-1], x)
        return value

    def observe(self, step, value, gradient):
        finite = math.isfinite(value) and math.isfinite(gradient)
        if self.step_diverged is None and (value > self.threshold or not math.isfinite(value)):
            self.step_diverged = step
        if self.step_nonfinite is None and not finite:
            self.step_nonfinite, self.site = step, self.bad
        if self.step_nan is None and math.isnan(value):
            self.step_nan = step

    def outcome(self):
        return outcome(
            self.trace,
            self.epoch_losses,
            self.loss_initial,
            self.loss_final,
            self.step_nan is not None,
            self.trace.measured["loss_trivial"],
            self.trace.about["loss_ratio"],
        )

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
            "first_skip": self.skipped.index(True) if True in self.skipped else None,
        }


def outcome(trace, epoch_losses, initial, final, nan, trivial, ratio):
    """What became of a run. `nan`: whether a step loss was NaN. `trivial`: the loss of the best
    constant prediction. The loss diverges above `ratio` times the reference."""
    axes = trace.axes
    idle = trace.steps == 0 or axes["lr"] == 0 == axes.get("lr_output", 0)
    # Only then does the best of the epoch losses say something of the weights.
    same_data = not trace.about["fresh"] and axes.get("sampling") != "replacement"
    served = reference(initial, trivial)
    constant = trivial if math.isfinite(trivial) and trivial > 0 else served
    late = late_loss(epoch_losses, final, 0)
    if nan or not math.isfinite(final) or not math.isfinite(late):
        return "nonfinite"
    if idle:
        return "untrained"
    if late > ratio * served:
        return "diverged"
    losses = [*epoch_losses, final]
    best = min(losses)
    end = late_loss(epoch_losses, final, losses.index(best))
    if same_data and best <= 0.9 * served and (end - best) / (served - best) > 0.5:
        return "relapsed"
    if late > 2 * constant:
        return "ruined"
    if math.isfinite(initial) and abs(final - initial) <= 1e-3 * abs(initial):
        return "stalled"
    return "converged" if final < 0.9 * served else "unsettled"


def late_loss(epoch_losses, final, since):
    """The median of the last tenth of the epoch losses, those from the epoch `since` on, and the
    final loss, which counts twice where their number is even."""
    tenth = len(epoch_losses) - -(-len(epoch_losses) // 10)
    late = [*epoch_losses[max(tenth, since) :], final]
    late += [final] * (len(late) % 2 == 0)
    return sorted(late)[len(late) // 2]


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
    transformer = a["network"] == "transformer"
    norms = " ".join([a["norm"], *([a["norm_position"]] if "norm_position" in a else [])]) if "norm" in a else None
    own = lambda axis, other: "its own" if axis in a and a[axis] != a[other] else None
    named_scale = lambda axis: {None: None, 0: "0", 1: "1"}.get(a.get(axis), "another")
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
        "norm": None if transformer else norms,
        "block norm": norms if transformer else None,
        "attention": a.get("attention"),
        "qk_norm": str(a["qk_norm"]).lower() if transformer else None,
        "logit_softcap": ("none" if math.isinf(a["logit_softcap"]) else "a number") if transformer else None,
        "position": a.get("position"),
        "tied": str(a["tied"]).lower() if transformer else None,
        "embedding_init_scale": named_scale("embedding_init_scale"),
        "residual_init_scale": named_scale("residual_init_scale"),
        "mlp_ratio": ("above 0" if a["mlp_ratio"] else "0") if transformer else None,
        "z_loss": ("above 0" if a["z_loss"] else "0") if "z_loss" in a else None,
        "parametrization": a["parametrization"],
        "mup": " ".join([a["network"], kind, decay]) if a["parametrization"] == "mup" else None,
        "loss": a["loss"],
        "optimizer": kind,
        "weight_decay": decay,
        "lr_output": own("lr_output", "lr"),
        "schedule": a["schedule"] + falls,
        "clip": a["clip"],
        "skip": a["skip"],
        "accumulate": "1" if a["accumulate"] == 1 else "more",
        "residual_scale": None if "residual_scale" not in a else "1" if a["residual_scale"] == 1 else "another",
        "rezero": str(a["rezero"]).lower() if "rezero" in a else None,
        "batch": a.get("sampling", "all"),
        "task": about["task"],
        "data_seed": own("data_seed", "seed"),
        "dtype": a["dtype"],
        "outcome": trace.measured["outcome"],
    }
