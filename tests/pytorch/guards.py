"""Clipping and skipping in plain PyTorch, each rule from its paper."""

import math

import numpy
import torch


class Clip:
    """Clips as the axes of a trial say."""

    def __init__(self, trace, model, rule):
        self.kind, self.threshold = trace.axes["clip"], trace.axes["clip_threshold"]
        self.parameters, self.hidden, self.rule = list(model.parameters()), model.hidden(), rule
        self.norms, self.mean, self.variance, self.rates = [], None, None, []

    def __call__(self):
        """Clips; what it multiplied the gradient with, or the smallest of several factors."""
        return 1.0 if self.kind == "none" else getattr(self, self.kind)()

    def norm_to(self, parameters, threshold):
        total = torch.nn.utils.clip_grad_norm_(parameters, threshold)
        return min((threshold / (total + 1e-6)).item(), 1.0), total.item()

    def total(self):
        return torch.nn.utils.get_total_norm([p.grad for p in self.parameters]).item()

    def norm(self):
        return self.norm_to(self.parameters, self.threshold)[0]

    def value(self):
        largest = max(p.grad.abs().max().item() for p in self.parameters)
        torch.nn.utils.clip_grad_value_(self.parameters, self.threshold)
        return min(self.threshold / largest, 1.0) if largest else 1.0

    def per_layer(self):
        return min(self.norm_to([p], self.threshold)[0] for p in self.parameters)

    def agc(self):
        """Brock et al. 2021, equation 3: a unit is a row of a matrix, or a vector."""
        least = 1.0
        for p in self.hidden:
            unit = lambda x: x.norm(dim=tuple(range(1, x.dim())), keepdim=True) if x.dim() > 1 else x.norm()
            weight, gradient = unit(p.detach()).clamp(min=1e-3), unit(p.grad)
            clips = gradient / weight >= self.threshold
            factor = torch.where(clips, self.threshold * weight / gradient, torch.ones_like(gradient))
            p.grad *= factor
            least = min(least, factor.min().item())
        return least

    def autoclip(self):
        """Seetharaman et al. 2020, algorithm 1."""
        self.norms.append(self.total())
        return self.norm_to(self.parameters, float(numpy.percentile(self.norms, self.threshold)))[0]

    def zclip(self):
        """Kumar et al. 2025, algorithm 1."""
        g = self.total()
        if self.mean is None:
            self.norms.append(g)
            if len(self.norms) == 25:
                self.mean, self.variance = numpy.mean(self.norms), numpy.var(self.norms)
            return 1.0
        deviation = math.sqrt(self.variance)
        z = (g - self.mean) / (deviation + 1e-6)
        coefficient = 1.0
        if z > self.threshold:
            clipped = self.mean + self.threshold**2 / z * deviation
            coefficient, _ = self.norm_to(self.parameters, clipped)
            g = clipped
        self.mean = 0.97 * self.mean + 0.03 * g
        self.variance = 0.97 * self.variance + 0.03 * (g - self.mean) ** 2
        return coefficient

    def update(self):
        """Wortsman et al. 2023, algorithm 2: PyTorch's own Adam at the rates of this step."""
        least = 1.0
        for group in self.rule.param_groups:
            (p,), beta2, state = group["params"], group["betas"][1], self.rule.state
            decoupled = isinstance(self.rule, torch.optim.AdamW)
            g = p.grad if decoupled else p.grad + group["weight_decay"] * p.detach()
            square, steps = (
                (state[p]["exp_avg_sq"], state[p]["step"].item()) if p in state else (torch.zeros_like(g), 0)
            )
            square = (beta2 * square + (1 - beta2) * g * g) / (1 - beta2 ** (steps + 1))
            rms = (g * g / square.clamp(min=group["eps"] ** 2)).mean().sqrt().item()
            self.rates.append(group["lr"])
            group["lr"] /= max(1.0, rms / self.threshold)
            least = min(least, 1.0 / max(1.0, rms / self.threshold))
        return least

    def after(self):
        """To be called after the update."""
        if self.rates:
            for group, rate in zip(self.rule.param_groups, self.rates, strict=True):
                group["lr"] = rate
            self.rates = []


class Guard:
    """Skips as the axes of a trial say."""

    def __init__(self, trace):
        self.kind, self.threshold = trace.axes["skip"], trace.axes.get("skip_threshold")
        self.losses, self.norms = [], []

    def skips(self, loss, norm):
        if self.kind == "norm":
            return not math.isfinite(norm) or norm > self.threshold
        if self.kind == "none":
            return False
        judged = len(self.losses) + 1 >= 64
        out = judged and any(self.stands_out(past[-128:], x) for past, x in ((self.losses, loss), (self.norms, norm)))
        self.losses.append(loss)
        self.norms.append(norm)
        return out

    def stands_out(self, past, x):
        std, mean = torch.std_mean(torch.tensor([x for x in past if math.isfinite(x)], dtype=torch.float64))
        return not (math.isfinite(x) and x - mean.item() <= self.threshold * std.item())
