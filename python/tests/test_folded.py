"""The rules for several lanes give what the operator gives lane by lane."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from blowup._export import folded, lanes
from torch.fx.experimental.proxy_tensor import make_fx

aten = torch.ops.aten
LANES = 3


def numbers(*shape: int) -> torch.Tensor:
    return torch.randn(LANES, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def scores() -> torch.Tensor:
    """Rows of attention: masked in part or wholly, with a NaN, with an infinity."""
    made = numbers(2, 6, 5)
    made[:, 0, 0, 2:] = -math.inf
    made[:, 0, 1] = -math.inf
    made[:, 0, 2, 1] = math.nan
    made[:, 0, 3, 3] = math.inf
    made[:, 1, 0] = torch.tensor([-math.inf, -math.inf, math.inf, 0.0, -math.inf])
    made[:, 1, 1] = torch.tensor([-math.inf, -math.inf, math.nan, -math.inf, -math.inf])
    return made


SHAPE = ([2, 1], [1, 1], [1, 1], False, [0, 0], 1)
CALLS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "group norm": (aten.native_group_norm.default, (numbers(4, 6, 3, 5), numbers(6), numbers(6), 4, 6, 15, 2, 1e-5)),
    "group norm without weight": (aten.native_group_norm.default, (numbers(4, 6, 7), None, None, 4, 6, 7, 3, 1e-5)),
    "softmax of rows": (aten._safe_softmax.default, (scores(), -1)),
    "softmax of columns": (aten._safe_softmax.default, (scores(), 1)),
    "softmax in another type": (aten._safe_softmax.default, (scores().float(), 2, torch.float64)),
    "linear": (aten.addmm.default, (numbers(7), numbers(4, 5), numbers(5, 7))),
    "linear, bias a matrix": (aten.addmm.default, (numbers(4, 1), numbers(4, 5), numbers(5, 7))),
    "convolution": (aten.convolution.default, (numbers(2, 3, 8, 7), numbers(4, 3, 3, 3), None, *SHAPE)),
    "convolution, bias": (aten.convolution.default, (numbers(2, 3, 8, 7), numbers(4, 3, 3, 3), numbers(4), *SHAPE)),
    "convolution, backward": (
        aten.convolution_backward.default,
        (numbers(2, 4, 4, 7), numbers(2, 3, 8, 7), numbers(4, 3, 3, 3), [4], *SHAPE, [True, True, True]),
    ),
    "convolution, backward to the weight": (
        aten.convolution_backward.default,
        (numbers(2, 4, 4, 7), numbers(2, 3, 8, 7), numbers(4, 3, 3, 3), None, *SHAPE, [False, True, False]),
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_rule_gives_what_each_lane_gives(name: str) -> None:
    op, args = CALLS[name]
    rule = folded.rule_of(op, [of_lane(arg, 0) for arg in args])
    assert rule is not None
    compare(rule(*args), op, args)


def test_backward_passes_of_group_norm_and_softmax() -> None:
    x, weight, gradient = numbers(4, 6, 3, 5), numbers(6), numbers(4, 6, 3, 5).flip(1)
    normed = [aten.native_group_norm(x[lane], weight[lane], None, 4, 6, 15, 2, 1e-5) for lane in range(LANES)]
    mean, rstd = (torch.stack([each[at] for each in normed]) for at in (1, 2))
    args: tuple[Any, ...] = (gradient, x, mean, rstd, weight, 4, 6, 15, 2, [True, True, True])
    op = aten.native_group_norm_backward.default
    compare(folded.rule_of(op, args)(*args), op, args)
    op, args = aten._softmax_backward_data.default, (gradient, x.softmax(2), 1, torch.float64)
    compare(folded.rule_of(op, args)(*args), op, args)


def test_beta_and_alpha_of_a_linear_layer() -> None:
    args = (numbers(7), numbers(4, 5), numbers(5, 7))
    made = folded.rule_of(aten.addmm.default, args)(*args, beta=2, alpha=0.5)
    for lane in range(LANES):
        torch.testing.assert_close(made[lane], 2 * args[0][lane] + 0.5 * args[1][lane] @ args[2][lane])


def test_no_rule_for_channels_that_fill_a_vector() -> None:
    for channels, groups in ((8, 1), (16, 1), (1, 1), (3, 3)):
        x, weight = torch.zeros(2, channels, 5, 5), torch.zeros(6, channels // groups, 3, 3)
        args = (x, weight, None, [1, 1], [1, 1], [1, 1], False, [0, 0], groups)
        assert folded.rule_of(aten.convolution.default, args) is None


def compare(made: Any, op: Any, args: tuple[Any, ...]) -> None:
    made = made if isinstance(made, tuple) else (made,)
    for lane in range(LANES):
        told = op(*(of_lane(arg, lane) for arg in args))
        for one, other in zip(made, told if isinstance(told, tuple) else (told,), strict=True):
            assert (one is None) == (other is None)
            if one is not None:
                torch.testing.assert_close(one[lane], other, rtol=1e-12, atol=1e-12, equal_nan=True)


def of_lane(arg: Any, lane: int) -> Any:
    return arg[lane] if isinstance(arg, torch.Tensor) else arg


@pytest.mark.parametrize(("rank", "copies"), [(3, 0), (4, 1), (5, 1), (6, 0)])
def test_a_stack_is_made_as_it_is_read(rank: int, copies: int) -> None:
    def stacked(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        order = [0, *range(2, rank), 1]
        return aten.clone(aten.permute(torch.stack([one, other], 1), order), memory_format=torch.contiguous_format)

    parts = [numbers(*range(2, rank)).flip(0).transpose(0, -1), numbers(*range(2, rank)).transpose(0, -1)]
    graph = make_fx(stacked, tracing_mode="fake")(*parts)
    lanes._tidy(graph)
    assert sum(node.target is aten.clone.default for node in graph.graph.nodes) == copies
    made = graph(*parts)
    assert made.is_contiguous()
    assert torch.equal(made, stacked(*parts))
