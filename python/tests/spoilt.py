"""Models that fail on one sample. The line that is to be found ends in `# FAULT`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from faults import mean_square


@dataclass
class Spoilt:
    """A model, the rows of its data that it fails on, and the sample that is to be named.

    Attributes:
        model: makes the module.
        loss: takes the module and a batch.
        rows: the samples that are spoilt, of 14.
        bad: what they are filled with.
        sample: the cell of `nonfinite_sample`.
        fault: what the line that is to be named ends in; empty where the data themselves are bad.
    """

    model: Callable[[], nn.Module]
    loss: Callable[[nn.Module, Any], torch.Tensor]
    rows: tuple[int, ...]
    bad: float
    sample: str
    fault: str = ""


def log_of_sum(model, batch):
    (x,) = batch
    return (torch.log(x.sum(-1)) + model(x).mean(-1)).pow(2).mean()  # FAULT log of one sample


def root_of_sum(model, batch):
    (x,) = batch
    h = model(x)
    d = (h - h.detach() + (x - 1.0)).pow(2).sum(-1)
    return torch.sqrt(d).mean()  # FAULT derivative of one sample


class Normalized(nn.Module):
    """The log of each of a sequence of parts, behind a batch norm, which mixes the samples."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.norm = nn.Linear(2, 2), nn.BatchNorm1d(2)

    def forward(self, x):
        parts = torch.log(x.view(-1, 2))  # FAULT log of a part
        return self.norm(self.layer(parts)).view(len(x), -1)


def spread_of_batch(model, batch):
    (x,) = batch
    return model(x).mean() / (x - 1.4).clamp_min(0).sum()  # FAULT of no sample


torch.manual_seed(0)
# All finite and above 0; no sample is alike another.
SOUND = torch.rand(14, 8) + 1.5
ONE_SAMPLE: dict[str, Spoilt] = {
    "a NaN in one sample": Spoilt(lambda: nn.Linear(8, 8), mean_square, (9,), math.nan, "9"),
    "log": Spoilt(lambda: nn.Linear(8, 8), log_of_sum, (5,), -1.0, "5", "log of one sample"),
    "derivative": Spoilt(lambda: nn.Linear(8, 8), root_of_sum, (11,), 1.0, "11", "derivative of one sample"),
    "log of a part": Spoilt(Normalized, mean_square, (3,), -1.0, "3", "log of a part"),
    "every sample": Spoilt(lambda: nn.Linear(8, 8), log_of_sum, tuple(range(14)), -1.0, "", "log of one sample"),
    "no sample": Spoilt(lambda: nn.Linear(8, 8), spread_of_batch, tuple(range(14)), 0.0, "", "of no sample"),
}
