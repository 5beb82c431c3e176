"""Programs that no bundle can hold. Behind `# REFUSED` stands what the refusal must name."""

from __future__ import annotations

import random

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence
from torch.utils.checkpoint import checkpoint


class Base(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 1)
        self.calls = 0

    def forward(self, x):
        return self.b(self.middle(self.a(x)))

    def middle(self, h):
        raise NotImplementedError


def loss(model, batch):
    return model(batch).pow(2).mean()


class Branch(Base):
    def middle(self, h):
        if h.abs().max() > 3.0:  # REFUSED `h.abs().max() > 3.0`
            h = h / 2
        return h


class Float(Base):
    def middle(self, h):
        return h / max(float(h.norm()), 1.0)  # REFUSED `float(h.norm())`


class Loop(Base):
    def middle(self, h):
        while h.norm() > 1:  # REFUSED `h.norm() > 1`
            h = h / 2
        return h


class Item(Base):
    def middle(self, h):
        scale = h.norm().item()  # REFUSED `h.norm().item()`
        return h / scale


class Rows(Base):
    def middle(self, h):
        return h[h[:, 0] > 0].sum(0, keepdim=True)  # REFUSED `h[h[:, 0] > 0]`


class Selected(Base):
    def middle(self, h):
        return h + torch.masked_select(h, h > 0).mean()  # REFUSED `torch.masked_select(h, h > 0)`


class Nonzero(Base):
    def middle(self, h):
        return h[(h[:, 0] > 0).nonzero().squeeze(-1)]  # REFUSED `(h[:, 0] > 0).nonzero()`


class Unique(Base):
    def middle(self, h):
        return h * torch.unique((h > 0).sum(-1)).sum()  # REFUSED `torch.unique((h > 0).sum(-1))`


class Ctc(Base):
    def middle(self, h):
        scores = h.view(4, 1, 8).log_softmax(-1)
        ones = torch.ones(1, 2, dtype=torch.long)
        return h + F.ctc_loss(scores, ones, (4,), (2,))  # REFUSED `F.ctc_loss(


class MaxNorm(Base):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(4, 8, max_norm=0.5)

    def middle(self, h):
        return h + self.table(torch.arange(4))  # REFUSED `self.table(torch.arange(4))`


class Reentrant(Base):
    def middle(self, h):
        return checkpoint(torch.tanh, h, use_reentrant=True)  # REFUSED `checkpoint(torch.tanh


class Recomputed(Base):
    def middle(self, h):
        return checkpoint(F.dropout, h, 0.5, use_reentrant=False)  # REFUSED `checkpoint(


class Packed(Base):
    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.GRU(4, 8, batch_first=True)

    def middle(self, h):
        rows = h.view(4, 2, 4)
        packed = pack_padded_sequence(rows, [2, 2, 1, 1], batch_first=True)  # REFUSED `pack_padded
        return self.rnn(packed)[1][0]


class Rrelu(Base):
    def middle(self, h):
        return F.rrelu(h, training=True)  # REFUSED `F.rrelu(h, training=True)`


class Sampled(Base):
    def middle(self, h):
        index = torch.multinomial(h.softmax(-1), 1)  # REFUSED `torch.multinomial(h.softmax(-1), 1)`
        return h.gather(1, index).expand(-1, 8)


class Numpy(Base):
    def middle(self, h):
        return h + torch.from_numpy(np.abs(h.detach().numpy()))  # REFUSED `h.detach().numpy()`


class Counter(Base):
    def middle(self, h):
        self.calls += 1
        return h * (1.0 / self.calls)  # REFUSED `h * (1.0 / self.calls)`


class HostRandom(Base):
    def middle(self, h):
        return h * random.random()  # REFUSED `h * random.random()`


class HostArray(Base):
    def middle(self, h):
        noise = torch.from_numpy(np.random.randn(8).astype("float32"))  # REFUSED `torch.from_numpy(
        return h + noise


class Attribute(Base):
    """A running mean that is a plain attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = torch.zeros(8)

    def middle(self, h):
        self.mean = 0.9 * self.mean + 0.1 * h.detach().mean(0)  # REFUSED `0.9 * self.mean`
        return h - self.mean


class Clamped(Base):
    def middle(self, h):
        with torch.no_grad():
            self.a.weight.clamp_(-1, 1)  # REFUSED `self.a.weight.clamp_(-1, 1)`
        return h


class NoRule(Base):
    def middle(self, h):
        return torch.linalg.lstsq(h[:, :4], h[:, 4:]).solution.sum() + h  # REFUSED


class Vector(Base):
    def forward(self, x):
        return self.a(x)


def vector(model, batch):  # REFUSED `def vector(model, batch):
    return model(batch).mean(0)


PROGRAMS = {
    made.__name__: (made, loss)
    for made in (
        Branch,
        Float,
        Loop,
        Item,
        Rows,
        Selected,
        Nonzero,
        Unique,
        Ctc,
        MaxNorm,
        Reentrant,
        Recomputed,
        Packed,
        Rrelu,
        Sampled,
        Numpy,
        Counter,
        HostRandom,
        HostArray,
        Attribute,
        Clamped,
        NoRule,
    )
} | {"Vector": (Vector, vector)}
