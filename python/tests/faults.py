"""Models with a planted fault. The line that is to be found ends in `# FAULT`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

Batch = tuple[torch.Tensor, ...]


@dataclass
class Planted:
    """A model, and what makes it fail.

    Attributes:
        model: makes the module.
        loss: takes the module and a batch.
        good: a batch that it is exported with.
        bad: a batch that it fails on; None for the good one.
        spoil: makes the parameters such that it fails.
        module: the module that is to be named.
        derivative: whether the fault is in the backward pass.
    """

    model: Callable[[], nn.Module]
    loss: Callable[[nn.Module, Any], torch.Tensor]
    good: Batch
    bad: Batch | None = None
    spoil: Callable[[dict[str, torch.Tensor]], None] | None = None
    module: str = ""
    derivative: bool = False


class Part(nn.Module):
    """Gives a function of what its layer makes of the input."""

    def __init__(self, function: Callable[..., torch.Tensor], inputs: int = 8, outputs: int = 8) -> None:
        super().__init__()
        self.layer = nn.Linear(inputs, outputs)
        self.function = function

    def forward(self, *x):
        return self.function(*map(self.layer, x))


def mean_square(model, batch):
    return model(*batch).pow(2).mean()


def log_of_relu(h):
    w = torch.relu(h)
    w = w / (w.sum(-1, keepdim=True) + 1)
    return torch.log(w)  # FAULT log


def distance(a, b):
    d = ((a - b) ** 2).sum(-1)
    return torch.sqrt(d)  # FAULT sqrt


def masked_distance(a, b):
    d = ((a - b) ** 2).sum(-1)
    return torch.where(d > 0, torch.sqrt(d), torch.zeros_like(d))  # FAULT where


def unit(h):
    h = torch.relu(h)
    return h / h.norm(dim=-1, keepdim=True)  # FAULT unit


def angle(a, b):
    c = F.cosine_similarity(a, b, dim=-1).clamp(-1, 1)
    return torch.acos(c)  # FAULT angle


def variance(h):
    v = torch.exp(h)  # FAULT exp
    return v.log() + 1 / v


def inverse_softplus(h):
    return torch.log(torch.expm1(h))  # FAULT inverse softplus


def cube_root(h):
    return torch.sign(h) * h.abs().pow(1 / 3)  # FAULT root


def spread(h):
    return (h - h.mean(0)) / h.std(0)  # FAULT std


def spread_gradient(h):
    return h / (1 + h.var(0).sqrt())  # FAULT std gradient


def odds(h):
    p = torch.sigmoid(h)
    return torch.log(p / (1 - p))  # FAULT odds


def reciprocal(h):
    return torch.tanh(h).reciprocal()  # FAULT reciprocal


def double_where(h):
    safe = torch.where(h > 0, h, torch.ones_like(h))
    return torch.where(h > 0, safe.log(), h) * torch.exp(h * h)  # FAULT square


class PaddedAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x, pad):
        scores = self.q(x) @ self.k(x).transpose(1, 2) / math.sqrt(8)  # FAULT scores
        scores = scores.masked_fill(pad[:, None, :] > 0, float("-inf"))
        weights = F.softmax(scores, dim=-1)  # FAULT softmax
        return weights @ self.v(x)


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([PaddedAttention(), PaddedAttention()])

    def forward(self, x, pad):
        for block in self.blocks:
            x = x + block(x, pad)
        return x


class AddedMask(nn.Module):
    """Adds a mask that is a buffer full of infinities."""

    def __init__(self) -> None:
        super().__init__()
        self.qk = nn.Linear(8, 8)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(5))

    def forward(self, x, pad):
        scores = self.qk(x) @ x.transpose(1, 2) + self.mask + torch.where(pad > 0, -math.inf, 0.0)[:, None, :]
        return torch.softmax(scores, dim=-1) @ x  # FAULT added mask


class CausalThenLog(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.head = nn.Linear(8, 24), nn.Linear(8, 5)
        self.register_buffer("causal", torch.ones(6, 6).tril())

    def forward(self, x):
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        scores = (q @ k.transpose(1, 2)).masked_fill(self.causal == 0, float("-inf"))
        return self.head(F.softmax(scores, dim=-1) @ v)


def log_probability(model, batch):
    x, y = batch
    p = F.softmax(model(x), dim=-1)
    return -(torch.log(p) * y).sum(-1).mean()  # FAULT log probability


class Deep(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(6))

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)  # FAULT deep
        return x


def keep(weights: dict[str, torch.Tensor]) -> None:
    weights["layer.weight"].copy_(torch.eye(8))
    weights["layer.bias"].zero_()


def certain(weights: dict[str, torch.Tensor]) -> None:
    weights["head.bias"].copy_(torch.tensor([2000.0, 0, 0, 0, 0]))


def explode(weights: dict[str, torch.Tensor]) -> None:
    for name, weight in weights.items():
        if name.endswith("weight"):
            weight.mul_(1e9)


def grow(*names: str, by: float = 1e25) -> Callable[[dict[str, torch.Tensor]], None]:
    def spoil(weights: dict[str, torch.Tensor]) -> None:
        for name in names:
            weights[name].mul_(by)

    return spoil


def fill(name: str, value: float) -> Callable[[dict[str, torch.Tensor]], None]:
    def spoil(weights: dict[str, torch.Tensor]) -> None:
        weights[name].fill_(value)

    return spoil


def start_at(name: str, value: float) -> Callable[[Callable[..., torch.Tensor]], Callable[[], nn.Module]]:
    def make(function: Callable[..., torch.Tensor]) -> Callable[[], nn.Module]:
        def model() -> nn.Module:
            part = Part(function)
            nn.init.constant_(dict(part.named_parameters())[name], value)
            return part

        return model

    return make


def cross_entropy_by_hand(model, batch):
    x, y = batch
    logits = model(x)
    exponentials = torch.exp(logits)  # FAULT hand softmax
    return -(torch.log(exponentials / exponentials.sum(-1, keepdim=True)) * y).mean()


def weighted(model, batch):
    x, weight = batch
    per_sample = model(x).pow(2).mean(-1)
    return (per_sample * weight).sum() / weight.sum()  # FAULT weights


torch.manual_seed(0)
_x, _y = torch.randn(4, 8), torch.randn(4, 8)
_zero, _one = torch.zeros(4, 8), torch.eye(8)[:4]
_sequence, _no_pad = torch.randn(2, 5, 8), torch.zeros(2, 5)
_all_pad = torch.stack([torch.zeros(5), torch.ones(5)])
_labels = torch.softmax(torch.randn(4, 8), -1)

FAULTS: dict[str, Planted] = {
    "log": Planted(start_at("layer.bias", 9.0)(log_of_relu), mean_square, (_x,), None, fill("layer.bias", -9.0)),
    "sqrt": Planted(lambda: Part(distance), mean_square, (_x, _y), (_x, _x), derivative=True),
    "where": Planted(lambda: Part(masked_distance), mean_square, (_x, _y), (_x, _x), derivative=True),
    "unit": Planted(start_at("layer.bias", 9.0)(unit), mean_square, (_x,), None, fill("layer.bias", -90.0)),
    "angle": Planted(lambda: Part(angle), mean_square, (_x, _y), (_one, _one), keep, derivative=True),
    "exp": Planted(lambda: Part(variance), mean_square, (_x,), None, fill("layer.bias", 1000.0)),
    "inverse softplus": Planted(
        start_at("layer.bias", 9.0)(inverse_softplus), mean_square, (_x,), None, fill("layer.bias", 200.0)
    ),
    "root": Planted(lambda: Part(cube_root), mean_square, (_x,), (_zero,), fill("layer.bias", 0.0), derivative=True),
    "std": Planted(lambda: Part(spread), mean_square, (_x,), (_zero,)),
    "std gradient": Planted(lambda: Part(spread_gradient), mean_square, (_x,), (_zero,), derivative=True),
    "odds": Planted(lambda: Part(odds), mean_square, (_x,), None, fill("layer.bias", 200.0)),
    "reciprocal": Planted(
        start_at("layer.bias", 1.0)(reciprocal), mean_square, (_x,), (_zero,), fill("layer.bias", 0.0)
    ),
    "square": Planted(lambda: Part(double_where), mean_square, (_x,), None, fill("layer.bias", 20.0)),
    "softmax": Planted(Encoder, mean_square, (_sequence, _no_pad), (_sequence, _all_pad), module="blocks.0"),
    "scores": Planted(
        Encoder,
        mean_square,
        (_sequence, torch.tensor([[0.0, 0, 0, 0, 1]] * 2)),
        None,
        grow("blocks.1.q.weight", "blocks.1.k.weight"),
        module="blocks.1",
    ),
    "added mask": Planted(AddedMask, mean_square, (_sequence, _no_pad), (_sequence, _all_pad)),
    "log probability": Planted(
        CausalThenLog,
        log_probability,
        (torch.randn(2, 6, 8), torch.rand(2, 6, 5)),
        None,
        certain,
    ),
    "deep": Planted(Deep, mean_square, (_x,), None, explode, module="layers.4"),
    "hand softmax": Planted(lambda: nn.Linear(8, 8), cross_entropy_by_hand, (_x, _labels), None, fill("bias", 100.0)),
    "weights": Planted(lambda: nn.Linear(8, 8), weighted, (_x, torch.ones(4)), (_x, torch.zeros(4))),
}
