"""The optimizers and schedules of a trace, as PyTorch has them.

What torch.optim lacks is written here from its publication: Lion, and weight decay that is not
multiplied by the learning rate. torch.optim.Muon is PyTorch's own; only its iteration stays in the
dtype of the trial, where PyTorch rounds to bfloat16.
"""

import math
from unittest import mock

import torch
from torch.optim import lr_scheduler


class Lion(torch.optim.Optimizer):
    """Chen 2023, arXiv 2302.06675, algorithm 2."""

    def __init__(self, groups, lr, betas, weight_decay):
        super().__init__(groups, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                mean = self.state[p].setdefault("mean", torch.zeros_like(p))
                direction = torch.sign(beta1 * mean + (1 - beta1) * p.grad)
                p.sub_(group["lr"] * (direction + group["weight_decay"] * p))
                mean.copy_(beta2 * mean + (1 - beta2) * p.grad)


class Muon(torch.optim.Muon):
    """Muon without the rounding to bfloat16 at the start of its iteration."""

    def step(self):
        with mock.patch.object(torch.Tensor, "bfloat16", lambda tensor: tensor.clone()):
            super().step()


class Together:
    """Several optimizers, or the schedules of several, as one."""

    def __init__(self, parts):
        self.parts = parts

    def zero_grad(self):
        for part in self.parts:
            part.zero_grad()

    def step(self):
        for part in self.parts:
            part.step()


def optimizers(trace, model):
    """The optimizers of the model, which are one but for Muon's."""
    a = trace.axes
    matrices = model.hidden_matrices() if a["optimizer"] == "muon" else []
    among = lambda p, all: any(p is one for one in all)
    hidden = model.hidden()
    output = [p for p in model.parameters() if not among(p, hidden)]
    others = [p for p in hidden if not among(p, matrices)]
    independent = a.get("weight_decay_mode") == "independent"

    def group(parameters, lr, factor=1.0):
        # The product of this and the learning rate of a step is the weight decay times the factor
        # of the schedule, and without `independent` times the learning rate before mup's factor.
        decay = a["weight_decay"] / (lr * factor if independent else factor)
        return {"params": parameters, "lr": lr * factor, "weight_decay": decay}

    groups = [group(others, a["lr"]), group(output, a["lr_output"])]
    if a["parametrization"] == "mup":
        rates = [(p, a["lr"]) for p in others] + [(p, a["lr_output"]) for p in output]
        groups = [group([p], lr, model.mup_rate(p)) for p, lr in rates]
    elif a["clip"] == "update":
        # The rate of each tensor is its own.
        groups = [{**group, "params": [p]} for group in groups for p in group["params"]]
    groups = [group for group in groups if group["params"]]
    first = rule(a, groups)
    if not matrices:
        return [first]
    muon = Muon(
        [group(matrices, a["lr"])], momentum=a["momentum"], nesterov=a["nesterov"], adjust_lr_fn=a["adjust_lr_fn"]
    )
    return [first, muon]


def rule(a, groups):
    betas = (a.get("beta1"), a.get("beta2"))
    match a["optimizer"]:
        case "sgd":
            return torch.optim.SGD(groups, lr=a["lr"], momentum=a["momentum"], nesterov=a["nesterov"])
        case "adam":
            return torch.optim.Adam(groups, lr=a["lr"], betas=betas, eps=a["eps"], amsgrad=a["amsgrad"])
        case "adamw":
            return torch.optim.AdamW(groups, lr=a["lr"], betas=betas, eps=a["eps"], amsgrad=a["amsgrad"])
        case "muon":
            return torch.optim.AdamW(groups, lr=a["lr"], betas=betas, eps=a["eps"])
        case "rmsprop":
            return torch.optim.RMSprop(groups, lr=a["lr"], alpha=a["alpha"], eps=a["eps"], momentum=a["momentum"])
        case "nadam":
            return torch.optim.NAdam(groups, lr=a["lr"], betas=betas, eps=a["eps"], momentum_decay=a["momentum_decay"])
        case "radam":
            return torch.optim.RAdam(groups, lr=a["lr"], betas=betas, eps=a["eps"])
        case "adagrad":
            start = a["initial_accumulator_value"]
            return torch.optim.Adagrad(
                groups, lr=a["lr"], lr_decay=a["lr_decay"], eps=a["eps"], initial_accumulator_value=start
            )
        case "lion":
            return Lion(groups, lr=a["lr"], betas=betas, weight_decay=0.0)


def schedule(trace, rule):
    """PyTorch's own scheduler where it has the formula, and the formula where it has not."""
    a, total = trace.axes, trace.steps
    kind, warmup, lowest = a["schedule"], a.get("warmup", 0), a.get("lr_min", 0.0)
    match kind:
        case "linear":
            return lr_scheduler.LinearLR(rule, start_factor=1.0, end_factor=lowest, total_iters=total)
        case "polynomial" if lowest == 0:
            return lr_scheduler.PolynomialLR(rule, total_iters=total, power=a["power"])
        case "polynomial":
            left = lambda t: max(0.0, 1 - t / total) ** a["power"]
            return lr_scheduler.LambdaLR(rule, lambda t: lowest + (1 - lowest) * left(t))
        case "wsd":
            rise = lr_scheduler.LinearLR(rule, start_factor=1 / warmup, end_factor=1.0, total_iters=warmup - 1)
            stable = lr_scheduler.ConstantLR(rule, factor=1.0, total_iters=1)
            fall = lr_scheduler.LinearLR(rule, start_factor=1.0, end_factor=lowest, total_iters=a["cooldown"])
            return lr_scheduler.SequentialLR(rule, [rise, stable, fall], [warmup - 1, total - a["cooldown"]])
        case "one_cycle":
            peaks = [group["lr"] for group in rule.param_groups]
            return lr_scheduler.OneCycleLR(
                rule, max_lr=peaks, total_steps=total, final_div_factor=1 / (25 * lowest), cycle_momentum=False
            )
        case "cosine" if a["lr_output"] == a["lr"] and a["parametrization"] != "mup":
            return lr_scheduler.CosineAnnealingLR(rule, total, eta_min=lowest * a["lr"])

    def factor(t):
        rise = min(1.0, (t + 1) / warmup) if warmup else 1.0
        if "cosine" not in kind or t < warmup or t >= total:
            return rise
        return lowest + (1 - lowest) * (1 + math.cos(math.pi * (t - warmup) / (total - warmup))) / 2

    return lr_scheduler.LambdaLR(rule, factor)
