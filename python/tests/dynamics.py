"""How far two right programs agree: until the dynamics themselves carry a rounding away."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn

TOLERANCE = 1e-9
# What a rounding may have grown to before nothing is compared any more: a change of one unit in the
# last place that has become larger than this would hide a difference of `TOLERANCE`.
ROUNDING = TOLERANCE / 4.5
PERTURBATIONS, SECOND_LOOK = 3, 20

Steps = list[tuple[float, float]]


def agreeing(found: Steps, train: Callable[[int | None], Steps]) -> int:
    """Holds the loss and the gradient's norm of every step against plain PyTorch, to 1e-9.

    Plain PyTorch trains several times more, from weights that are off by one unit in the last
    place. Where that makes a difference there is nothing to compare: chaos is PyTorch's own.

    Args:
        found: what is to be checked.
        train: trains in plain PyTorch; with a seed, from weights that `perturb` changed.

    Returns:
        The number of steps that were compared, from the first on.
    """
    told = train(None)
    assert len(found) == len(told)
    others = [train(seed) for seed in range(PERTURBATIONS)]
    steps = _steady(told, others)
    if _worst(found[:steps], told) > TOLERANCE:
        # A few changed runs can all miss a growth that others have.
        others += [train(seed) for seed in range(PERTURBATIONS, SECOND_LOOK)]
        steps = _steady(told, others)
    worst = _worst(found[:steps], told)
    assert worst <= TOLERANCE, f"{worst:.1e} apart within the first {steps} steps"
    return steps


@torch.no_grad()
def perturb(model: nn.Module, seed: int) -> None:
    """Moves each weight to the next larger or the next smaller number."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        up = torch.rand(parameter.shape, generator=generator) < 0.5
        ends = torch.where(up, math.inf, -math.inf).to(parameter.dtype)
        parameter.copy_(torch.nextafter(parameter, ends))


def _steady(told: Steps, others: list[Steps]) -> int:
    """The steps before a rounding has grown too large."""
    for step, here in enumerate(told):
        if max(_apart(here, other[step]) for other in others) > ROUNDING:
            return step
    return len(told)


def _worst(found: Steps, told: Steps) -> float:
    return max(map(_apart, found, told), default=0.0)


def _apart(a: tuple[float, float], b: tuple[float, float]) -> float:
    """The larger relative distance of two losses and two norms."""
    return max(abs(x - y) / max(abs(x), abs(y)) if x != y else 0.0 for x, y in zip(a, b))
