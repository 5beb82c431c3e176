"""Operators whose lanes are folded into a dimension that the operator has already.

vmap has rules for some of these too, but takes them apart into more passes over the memory, or
first copies the lanes to another place. A rule here takes and returns tensors that have the lanes
as dimension 0, in whatever order they lie in memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

aten = torch.ops.aten


def _group_norm(
    x: torch.Tensor, weight: Any, bias: Any, rows: int, channels: int, places: int, groups: int, eps: float
) -> Any:
    """The lanes become channels, which is where a convolution has them.

    Shapes: ``x`` ``[lanes, rows, channels, ...]``, ``weight`` and ``bias`` ``[lanes, channels]``.
    """
    lanes = x.shape[0]
    made = aten.native_group_norm(
        _as_channels(x), _flat(weight), _flat(bias), rows, lanes * channels, places, lanes * groups, eps
    )
    return tuple(_from_channels(of, lanes) for of in made)


def _group_norm_backward(
    gradient: torch.Tensor,
    x: torch.Tensor,
    mean: torch.Tensor,
    rstd: torch.Tensor,
    weight: Any,
    rows: int,
    channels: int,
    places: int,
    groups: int,
    wanted: list[bool],
) -> Any:
    lanes = x.shape[0]
    of_input, of_weight, of_bias = aten.native_group_norm_backward(
        *map(_as_channels, (gradient, x, mean, rstd)),
        _flat(weight),
        rows,
        lanes * channels,
        places,
        lanes * groups,
        wanted,
    )
    return (
        _from_channels(of_input, lanes) if wanted[0] else None,
        of_weight.reshape(lanes, channels) if wanted[1] else None,
        of_bias.reshape(lanes, channels) if wanted[2] else None,
    )


def _softmax_backward(gradient: torch.Tensor, result: torch.Tensor, dim: int, dtype: torch.dtype) -> Any:
    return aten._softmax_backward_data(gradient, result, _dimension(result, dim), dtype)


def _safe_softmax(x: torch.Tensor, dim: int, dtype: torch.dtype | None = None) -> Any:
    """The softmax, with zeros for a row in which all is -inf.

    PyTorch's kernel looks for such rows in three passes over all elements. Here the largest element
    of a row tells one from a row whose softmax is a NaN for another reason.
    """
    x, dim = x if dtype is None else x.to(dtype), _dimension(x, dim)
    excused = x.amax([dim], keepdim=True).nan_to_num(math.nan, math.nan, 0.0) * 0.0
    return aten._softmax(x, dim, False).nan_to_num(0.0) + excused


def _linear(bias: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """``beta bias + alpha x weight``, in a product that starts from the bias.

    Shapes: ``x`` ``[lanes, rows, inner]``, ``weight`` ``[lanes, inner, columns]``; ``bias`` has the
    lanes and what broadcasts to ``[rows, columns]``.
    """
    start = bias.reshape(bias.shape[0], *(1,) * (3 - bias.dim()), *bias.shape[1:])
    return aten.baddbmm(start, x, weight, beta=beta, alpha=alpha)


def _convolution(x: torch.Tensor, weight: torch.Tensor, bias: Any, *rest: Any) -> Any:
    """See `_narrow`. Shapes: ``x`` ``[lanes, rows, channels, height, width]``."""
    lanes = x.shape[0]
    *sizes, _ = rest
    made = aten.convolution(_channels_last(x), _weights_last(weight), _flat(bias), *sizes, lanes)
    return _from_channels(made.contiguous(), lanes)


def _convolution_backward(
    gradient: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, bias_sizes: Any, *rest: Any
) -> Any:
    lanes = x.shape[0]
    *sizes, _, wanted = rest
    of_input, of_weight, of_bias = aten.convolution_backward(
        _channels_last(gradient),
        _channels_last(x),
        _weights_last(weight),
        [lanes * size for size in bias_sizes] if bias_sizes else None,
        *sizes,
        lanes,
        wanted,
    )
    return (
        _from_channels(of_input.contiguous(), lanes) if wanted[0] else None,
        of_weight.contiguous().reshape(weight.shape) if wanted[1] else None,
        of_bias.reshape(lanes, -1) if wanted[2] else None,
    )


def _narrow(x: torch.Tensor, transposed: bool, groups: int) -> bool:
    """Whether the channels of a lane fill no vector of the CPU.

    The convolution is then up to three times as fast with the channels last in memory, and slower
    where they do fill one. Measured with 3 to 32 channels and 4 and 8 lanes.
    """
    return x.dim() == 4 and not transposed and groups == 1 and x.shape[1] > 1 and x.shape[1] % 8 != 0


_OPERATORS: dict[Any, Callable[..., Any]] = {
    aten.native_group_norm.default: _group_norm,
    aten.native_group_norm_backward.default: _group_norm_backward,
    aten._softmax_backward_data.default: _softmax_backward,
    aten._safe_softmax.default: _safe_softmax,
    aten.addmm.default: _linear,
    aten.convolution.default: _convolution,
    aten.convolution_backward.default: _convolution_backward,
}


def has_rule(op: Any) -> bool:
    """Whether there is a rule for some calls of an operator."""
    return op in _OPERATORS


def rule_of(op: Any, args: Any) -> Callable[..., Any] | None:
    """The rule for a call with these arguments, which are those of one lane."""
    if op is aten.convolution.default and not _narrow(args[0], args[6], args[8]):
        return None
    if op is aten.convolution_backward.default and not _narrow(args[1], args[7], args[9]):
        return None
    return _OPERATORS.get(op)


def _as_channels(x: torch.Tensor) -> torch.Tensor:
    """``[lanes, rows, channels, ...]`` as ``[rows, lanes x channels, ...]``."""
    return x.movedim(0, 1).reshape(x.shape[1], -1, *x.shape[3:])


def _from_channels(x: torch.Tensor, lanes: int) -> torch.Tensor:
    return x.reshape(x.shape[0], lanes, -1, *x.shape[2:]).movedim(1, 0)


def _channels_last(x: torch.Tensor) -> torch.Tensor:
    """The same as `_as_channels`, for images, with the channels last in memory."""
    return x.permute(1, 3, 4, 0, 2).flatten(3).permute(0, 3, 1, 2)


def _weights_last(weight: torch.Tensor) -> torch.Tensor:
    return weight.flatten(0, 1).contiguous(memory_format=torch.channels_last)


def _flat(x: torch.Tensor | None) -> torch.Tensor | None:
    return None if x is None else x.reshape(-1)


def _dimension(x: torch.Tensor, dim: int) -> int:
    """Where a dimension of one lane stands in a tensor of all lanes."""
    return dim % (x.dim() - 1) + 1
