"""Smaller things that models have, each between two linear layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint


class Piece(nn.Module):
    """A function of parts and of what a linear layer makes of 4 rows of 8."""

    def __init__(self, function: Callable[..., torch.Tensor], wide: int = 8, **parts: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(8, wide), nn.Linear(8, 1)
        self.parts = nn.ModuleDict({name: make() for name, make in parts.items()})
        self.function = function

    def forward(self, x):
        return self.b(self.function(*self.parts.values(), self.a(x)))


class Clamp(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(-1, 1)

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return gradient * (x.abs() < 2)


class Kept(nn.Module):
    """Constants that are plain attributes, or written in the forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.linspace(0.1, 1, 8)

    def forward(self, h):
        return h * self.scale.to(h.dtype) + torch.tensor([1.0, 0.5] * 4, dtype=h.dtype)


def in_place(h):
    h = h.clone()
    h[:, 2:4] = 0
    h[:, 0] += h[:, 1]
    h[:, torch.tensor([5, 6])] = 0.5
    h[h > 1] = 1.0
    return h.mul_(2)


class Noisy(nn.Module):
    """Draws from a generator of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = torch.Generator()

    def forward(self, h):
        return h + torch.randn(h.shape, generator=self.generator, dtype=h.dtype)


def autocast(layer, h):
    with torch.autocast("cpu", torch.bfloat16):
        return layer(h).float()


def summed(h):
    return torch.zeros_like(h).index_add_(0, torch.tensor([0, 1, 1, 3]), h)


def sequence(h):
    return h.view(4, 3, 8)


def decoded(layer, h):
    mask = nn.Transformer.generate_square_subsequent_mask(3, dtype=h.dtype)
    return layer(sequence(h), sequence(h), tgt_mask=mask).mean(1)


def cholesky(h):
    return torch.linalg.cholesky(h @ h.t() + torch.eye(4, dtype=h.dtype)) @ h


parametrizations = nn.utils.parametrizations


def linear():
    return nn.Linear(8, 8)


PIECES: dict[str, Callable[[], Piece]] = {
    name: lambda arguments=arguments: Piece(arguments[0], **arguments[1])
    for name, arguments in {
        "conv1d": (lambda c, h: c(h.view(4, 8, 3)).mean(-1), dict(wide=24, c=lambda: nn.Conv1d(8, 8, 3))),
        "batch norm": (lambda n, h: n(h), dict(n=lambda: nn.BatchNorm1d(8))),
        "instance norm": (
            lambda n, h: n(h.view(4, 2, 2, 2)).flatten(1),
            dict(n=lambda: nn.InstanceNorm2d(2, affine=True)),
        ),
        "rms norm": (lambda n, h: n(h), dict(n=lambda: nn.RMSNorm(8))),
        "rnn": (lambda r, h: r(sequence(h))[0][:, -1], dict(wide=24, r=lambda: nn.RNN(8, 8, batch_first=True))),
        "attention": (
            lambda a, h: a(sequence(h), sequence(h), sequence(h))[0].mean(1),
            dict(wide=24, a=lambda: nn.MultiheadAttention(8, 2, batch_first=True, dropout=0.1)),
        ),
        "decoder": (decoded, dict(wide=24, a=lambda: nn.TransformerDecoderLayer(8, 2, 16, batch_first=True))),
        "glu": (F.glu, dict(wide=16)),
        "dropout of channels": (lambda d, h: d(h.view(4, 2, 2, 2)).flatten(1), dict(d=lambda: nn.Dropout2d(0.3))),
        "alpha dropout": (lambda d, h: d(h), dict(d=lambda: nn.AlphaDropout(0.3))),
        "gumbel softmax": (lambda h: F.gumbel_softmax(h, hard=True), {}),
        "noise": (lambda h: h + torch.normal(0.0, h.detach().abs() + 0.1) + torch.empty_like(h).uniform_(-1, 1), {}),
        "noise of its own": (lambda n, h: n(h), dict(n=Noisy)),
        "autograd function": (Clamp.apply, {}),
        "checkpoint": (lambda f, h: checkpoint(f, h, use_reentrant=False), dict(l=linear)),
        "autocast": (autocast, dict(l=linear)),
        "compiled": (lambda f, h: torch.compile(f, backend="eager")(h), dict(l=linear)),
        "spectral norm": (lambda f, h: f(h), dict(l=lambda: parametrizations.spectral_norm(linear()))),
        "weight norm": (lambda f, h: f(h), dict(l=lambda: parametrizations.weight_norm(linear()))),
        "sums of rows": (summed, {}),
        "einsum": (lambda h: torch.einsum("bi,ij->bj", h, torch.eye(8, dtype=h.dtype)), {}),
        "fourier": (lambda h: torch.fft.irfft(torch.fft.rfft(h) * 0.5, n=8), {}),
        "sums, sorted": (lambda h: h.cumsum(-1).sort(-1)[0], {}),
        "cholesky": (cholesky, {}),
        "grid sample": (
            lambda h: F.grid_sample(
                h.view(4, 2, 2, 2), torch.zeros(4, 2, 2, 2, dtype=h.dtype), align_corners=True
            ).flatten(1),
            {},
        ),
        "constants": (lambda k, h: k(h), dict(k=Kept)),
        "in place": (in_place, {}),
        "embedding bag": (
            lambda e, h: h + e(torch.arange(8).view(4, 2)),
            dict(e=lambda: nn.EmbeddingBag(8, 8, mode="mean")),
        ),
        "activations": (lambda h: F.mish(F.selu(F.softplus(F.hardswish(F.elu(h))))), {}),
        "pooling": (lambda h: F.avg_pool1d(F.max_pool1d(h, 3, 1, 1), 3, 1, 1), {}),
        "prelu": (lambda p, h: p(h), dict(p=nn.PReLU)),
        "float casts": (lambda h: (h.float() * torch.finfo(h.dtype).eps).to(h.dtype) + h, {}),
    }.items()
}


def loss(model: nn.Module, batch: Any) -> torch.Tensor:
    x, y = batch
    return F.mse_loss(model(x), y)
