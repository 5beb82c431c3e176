"""Holds a bundle against the program that it came from: plain autograd in float64, lane by lane."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch
import torch.utils._pytree as pytree
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from blowup import _run
from blowup._bundle import Bundle
from blowup._export import draws, inputs
from blowup._export.one_lane import Loss, tensors_of
from blowup._refused import Refused

LANES, STEPS, TOLERANCE = 3, 2, 1e-9
_LR = 0.01


def check(
    bundle: Bundle,
    model: Callable[[], nn.Module],
    loss: Loss,
    batches: inputs.Batches,
) -> float:
    """Trains a few lanes by the bundle and by the program, and compares all that a step gives.

    Both compute in float64, also where the model does not: nothing but a wrong graph then makes
    them differ by more than rounding. Each lane has its own weights, batch and random numbers.
    Lane 0 runs alone as well.

    Returns:
        The largest relative difference.

    Raises:
        Refused: if it is above `TOLERANCE`, or if there was nothing finite to compare.
    """
    program = _run.Program(bundle, wide=True)
    worst = 0.0
    for graph in bundle.program["graphs"]:
        worst = max(worst, _check_graph(program, graph["rows"], model, loss, batches))
    return worst


def _check_graph(
    program: _run.Program, rows: int, model: Callable[[], nn.Module], loss: Loss, batches: inputs.Batches
) -> float:
    seeds = program.bundle.program["seeds"]
    lanes = [lane % len(seeds) for lane in range(LANES)]
    models = [inputs.make(model, seeds[lane]).double() for lane in lanes]
    state = program.initial(lanes)
    _check_weights(state, models)
    generator = torch.Generator().manual_seed(0)
    worst = 0.0
    for step in range(STEPS):
        parts = [[_wide(x) for x in batches.some(rows, generator)] for _ in lanes]
        batch = [torch.stack(same) for same in zip(*parts)]
        drawn = program.draw(LANES, generator, rows)
        made = program.step(state, batch, drawn, rows)
        first = _run.State(_one(state.parameters), _one(state.buffers))
        alone = program.step(first, [x[:1] for x in batch], [x[:1] for x in drawn], rows)
        for lane, one in enumerate(models):
            numbers = {of["order"]: x[lane] for of, x in zip(program.graph(rows)["draws"], drawn)}
            told = eager_step(one, loss, parts[lane], batches.form, numbers, _dtype_of(program.bundle))
            if rows == batches.rows and step == 0 and not torch.isfinite(told.loss):
                raise Refused("the program's own loss is not finite before any update: nothing can be compared")
            what = f"step {step + 1} of lane {lane + 1}"
            worst = max(worst, _compare(_of_lane(made, lane), told, what))
            if lane == 0:
                worst = max(worst, _compare(_of_lane(alone, 0), told, what + ", alone"))
            with torch.no_grad():
                for name, gradient in told.gradients.items():
                    one.get_parameter(name).sub_(_LR * gradient)
        state = _run.sgd(state, made, _LR)
    return worst


@dataclass
class Told:
    """What a step of one lane gives.

    Attributes:
        loss: a tensor without dimensions.
        gradients: of the trained parameters by name.
        buffers: the new state besides them, by name.
        size: the norm of the trained parameters.
    """

    loss: torch.Tensor
    gradients: dict[str, torch.Tensor]
    buffers: dict[str, torch.Tensor]
    size: float


def eager_step(
    model: nn.Module,
    loss: Loss,
    leaves: list[torch.Tensor],
    form: pytree.TreeSpec,
    drawn: dict[int, torch.Tensor],
    dtype: torch.dtype = torch.float64,
) -> Told:
    """A step of the program by plain autograd, in float64 and with its random numbers given.

    Args:
        drawn: see `draws.Given`.
        dtype: the type of the numbers that the program is meant for.
    """
    with _precision_of(dtype), draws.Given(drawn), _Wide():
        result = loss(model, pytree.tree_unflatten(leaves, form))
        trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
        gradients = torch.autograd.grad(result, list(trained.values()), allow_unused=True)
    full = {name: torch.zeros_like(p) if g is None else g for (name, p), g in zip(trained.items(), gradients)}
    held = {name: x.clone() for name, x in tensors_of(model)[1].items()}
    return Told(result.detach().reshape(()), full, held, _norm(trained.values()))


class _Wide(TorchDispatchMode):
    """Computes in float64 where the program asks for a smaller type."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not func._schema.is_mutable:
            args, kwargs = pytree.tree_map(_wide, (args, kwargs or {}))
        return _wide(func(*args, **(kwargs or {})))


def _wide(value: Any) -> Any:
    if isinstance(value, torch.dtype):
        return _run.widened(value)
    if isinstance(value, torch.Tensor) and value.dtype != _run.widened(value.dtype):
        return value.to(_run.widened(value.dtype))
    return value


@contextlib.contextmanager
def _precision_of(dtype: torch.dtype) -> Iterator[None]:
    """Answers code that asks for the precision of its numbers as when it was traced."""
    finfo, rms_norm = torch.finfo, torch.rms_norm

    def asked(of: torch.dtype | None = None) -> torch.finfo:
        return finfo(dtype if of in (None, torch.float64) else of)

    def normed(x: Any, shape: Any, weight: Any = None, eps: float | None = None) -> torch.Tensor:
        return rms_norm(x, shape, weight, finfo(dtype).eps if eps is None else eps)

    with mock.patch.object(torch, "finfo", asked), mock.patch.object(torch, "rms_norm", normed):
        yield


def _dtype_of(bundle: Bundle) -> torch.dtype:
    dtypes = [bundle.tensors[of["initial"]].dtype for of in bundle.program["parameters"]]
    return min(dtypes, key=lambda dtype: torch.finfo(dtype).bits)


def _check_weights(state: _run.State, models: list[nn.Module]) -> None:
    for lane, model in enumerate(models):
        trained, held = tensors_of(model)
        both = {**{n: (x, trained[n]) for n, x in state.parameters.items()}}
        both |= {n: (x, held[n]) for n, x in state.buffers.items()}
        for name, (bundled, made) in both.items():
            if not torch.equal(torch.nan_to_num(bundled[lane]), torch.nan_to_num(made)):
                raise Refused(f"`model` made other values of `{name}` when it was called again with the same seed")


def _compare(made: _run.Step, told: Told, what: str) -> float:
    def differ(name: str, a: torch.Tensor, b: torch.Tensor, floor: float = 0.0) -> float:
        if a.shape != b.shape:
            raise Refused(f"the self-check failed: {name} has the shape {list(a.shape)}, not {list(b.shape)}")
        a, b = a.double(), b.double()
        finite = torch.isfinite(b)
        same = torch.equal(torch.isfinite(a), finite) and torch.equal(
            torch.nan_to_num(a[~finite], nan=1.5), torch.nan_to_num(b[~finite], nan=1.5)
        )
        a, b = a[finite], b[finite]
        # In units of the largest number, since the square of one above 1e154 is infinite.
        unit = float(b.abs().max()) if b.numel() else 0.0
        unit = max(unit, floor) or 1.0
        scale = max(float((b / unit).norm()), floor / unit)
        distance = float((a / unit - b / unit).norm()) if same else math.inf
        relative = distance / scale if distance else 0.0
        if not relative <= TOLERANCE:
            raise Refused(
                f"the self-check failed: in {what}, {name} is off by {relative:.1e} (relative) from the program's own"
            )
        return relative

    norms = [_norm([g]) for g in told.gradients.values()]
    total = math.hypot(*(n for n in norms if math.isfinite(n)))
    worst = differ("the loss", made.loss, told.loss, floor=1e-6 * total)
    # A gradient that is 0 but for rounding, such as that of a bias before batch norm, is compared
    # with the others; and all of them with the loss, for one that does not depend on the weights.
    if math.isfinite(float(told.loss)):
        total = max(total, abs(float(told.loss)) / max(told.size, 1e-3))
    for name, gradient in told.gradients.items():
        worst = max(worst, differ(f"the gradient of `{name}`", made.gradients[name], gradient, 1e-4 * total))
    for name, buffer in made.buffers.items():
        worst = max(worst, differ(f"the buffer `{name}`", buffer, told.buffers[name]))
    return worst


def _of_lane(step: _run.Step, lane: int) -> _run.Step:
    return _run.Step(
        step.loss[lane],
        {name: x[lane] for name, x in step.gradients.items()},
        {name: x[lane] for name, x in step.buffers.items()},
    )


def _norm(tensors: Iterable[torch.Tensor]) -> float:
    return math.hypot(*(_norm_of_one(x.detach()) for x in tensors))


def _norm_of_one(x: torch.Tensor) -> float:
    """The norm, in units of the largest number: the square of one above 1e154 is infinite."""
    unit = float(x.abs().max()) if x.numel() else 0.0
    return unit * float((x / unit).norm()) if 0 < unit < math.inf else unit


def _one(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: x[:1] for name, x in tensors.items()}
