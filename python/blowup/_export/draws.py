"""Random draws, as functions of numbers that somebody else has drawn.

A bundle holds no generator. Each draw of the program becomes an input: numbers uniform in [0, 1),
or standard normal. What the program made of them is written here, once: the exporter traces these
functions into the graph, and the self-check puts them in the place of the program's own draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

UNIFORM, NORMAL = "uniform", "normal"

# The smallest uniform number that an exponential draw sees: 0 itself would give 0, whose logarithm
# is infinite, and PyTorch's own draw is never 0.
_SMALLEST = 2.0**-25


def is_draw(func: Any) -> bool:
    """Whether an operator draws random numbers, or could."""
    return (
        isinstance(func, torch._ops.OpOverload)
        and torch.Tag.nondeterministic_seeded in func.tags
        and not func._schema.name.startswith("aten::_scaled_dot_product")
    )


def is_known(func: Any) -> bool:
    """Whether an operator that draws has a rule here."""
    return _base(func) in _RULES


@dataclass(frozen=True)
class Draw:
    """One random draw of a step.

    Attributes:
        kind: ``UNIFORM`` in [0, 1), or ``NORMAL`` with mean 0 and standard deviation 1.
        shape: what one lane draws.
        dtype: of the numbers drawn: float32, or float64 where the program draws that or integers.
    """

    kind: str
    shape: tuple[int, ...]
    dtype: torch.dtype


def of(func: Any, result: torch.Tensor) -> Draw:
    """What the draw of an operator needs, given the first tensor that it returns.

    Raises:
        KeyError: if the operator has no rule here.
    """
    kind, _ = _RULES[_base(func)]
    small = result.dtype.is_floating_point and result.dtype != torch.float64
    return Draw(kind, tuple(result.shape), torch.float32 if small else torch.float64)


def compute(func: Any, drawn: torch.Tensor, args: Any, kwargs: Any, dtype: torch.dtype) -> Any:
    """What an operator returns, in ``dtype``, if its random numbers are ``drawn``."""
    named = {a.name: a.default_value for a in func._schema.arguments if a.has_default_value()}
    named |= {a.name: value for a, value in zip(func._schema.arguments, args)}
    named |= kwargs
    result = _RULES[_base(func)][1](drawn, named)
    return result.to(dtype) if isinstance(result, torch.Tensor) else result


class Given(TorchDispatchMode):
    """Runs plain PyTorch with its random draws given.

    Args:
        drawn: by the number of a draw, counted from 0 in the order in which the program draws, the
            numbers of its `Draw`. A draw that is missing is made as ever; nothing depends on it.
    """

    def __init__(self, drawn: dict[int, torch.Tensor]) -> None:
        super().__init__()
        self._drawn = drawn
        self._count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if not is_draw(func):
            return func(*args, **kwargs)
        drawn = self._drawn.get(self._count)
        self._count += 1
        if drawn is None:
            return func(*args, **kwargs)
        if not func._schema.is_mutable:
            dtype = kwargs.get("dtype") or (args[0].dtype if args and isinstance(args[0], torch.Tensor) else None)
            if dtype is None:
                dtype = torch.int64 if _base(func) == "randint" else drawn.dtype
            return compute(func, drawn, args, kwargs, dtype)
        return args[0].copy_(compute(func, drawn, args, kwargs, args[0].dtype))


def _base(func: Any) -> str:
    return func._schema.name.removeprefix("aten::").removesuffix("_functional").rstrip("_").removesuffix("_like")


def _bernoulli(drawn: torch.Tensor, named: dict[str, Any]) -> torch.Tensor:
    p = named.get("p")
    return drawn < (named["self"] if p is None else p)


def _dropout(drawn: torch.Tensor, named: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    keep = 1.0 - named["p"]
    kept = drawn < keep
    return named["input"] * kept * (1.0 / keep if keep else 0.0), kept


def _between(drawn: torch.Tensor, named: dict[str, Any]) -> torch.Tensor:
    low, high = named.get("low", 0), named["high"]
    return torch.floor(drawn * float(high - low)) + float(low)


def _normal(drawn: torch.Tensor, named: dict[str, Any]) -> torch.Tensor:
    return drawn * named.get("std", 1.0) + named.get("mean", 0.0)


def _uniform(drawn: torch.Tensor, named: dict[str, Any]) -> torch.Tensor:
    low, high = named.get("from", 0.0), named.get("to", 1.0)
    return drawn * (high - low) + low


def _exponential(drawn: torch.Tensor, named: dict[str, Any]) -> torch.Tensor:
    return -torch.log1p(-drawn.clamp_min(_SMALLEST)) / named.get("lambd", 1.0)


def _cauchy(drawn: torch.Tensor, named: dict[str, Any]) -> torch.Tensor:
    return torch.tan(math.pi * (drawn - 0.5)) * named.get("sigma", 1.0) + named.get("median", 0.0)


def _log_normal(drawn: torch.Tensor, named: dict[str, Any]) -> torch.Tensor:
    return torch.exp(drawn * named.get("std", 2.0) + named.get("mean", 1.0))


def _plain(drawn: torch.Tensor, _: dict[str, Any]) -> torch.Tensor:
    return drawn


_RULES: dict[str, tuple[str, Callable[[torch.Tensor, dict[str, Any]], Any]]] = {
    "rand": (UNIFORM, _plain),
    "randn": (NORMAL, _plain),
    "randint": (UNIFORM, _between),
    "bernoulli": (UNIFORM, _bernoulli),
    "native_dropout": (UNIFORM, _dropout),
    "normal": (NORMAL, _normal),
    "uniform": (UNIFORM, _uniform),
    "exponential": (UNIFORM, _exponential),
    "cauchy": (UNIFORM, _cauchy),
    "log_normal": (NORMAL, _log_normal),
}
