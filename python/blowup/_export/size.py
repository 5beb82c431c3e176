"""How large a step is, for those who decide how many lanes train at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Size:
    """What one lane adds to a step.

    Attributes:
        live: the bytes of the values that are alive at once, at most; the inputs are not counted.
        made: the bytes of all values that the step makes.
        multiplications: those in products and convolutions.
    """

    live: int
    made: int
    multiplications: int


def of_step(graph: torch.fx.GraphModule, lanes: int) -> Size:
    """The size of a step that was traced for so many lanes."""
    nodes = list(graph.graph.nodes)
    last: dict[torch.fx.Node, int] = {}
    for index, node in enumerate(nodes):
        for read in node.all_input_nodes:
            last[_owner(read)] = index
    live = most = made = products = 0
    freed: dict[int, int] = {}
    for index, node in enumerate(nodes):
        if node.op == "call_function" and _owner(node) is node:
            count = _bytes(node.meta.get("val"))
            made += count
            live += count
            most = max(most, live)
            end = last.get(node, index)
            freed[end] = freed.get(end, 0) + count
            products += _multiplications(node)
        live -= freed.pop(index, 0)
    return Size(most // lanes, made // lanes, products // lanes)


def _owner(node: torch.fx.Node) -> torch.fx.Node:
    """The node whose memory a value lies in."""
    while node.op == "call_function" and _is_view(node) and node.all_input_nodes:
        node = node.all_input_nodes[0]
    return node


def _is_view(node: torch.fx.Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    return schema is None or any(returned.alias_info is not None for returned in schema.returns)


def _bytes(value: Any) -> int:
    if isinstance(value, torch.Tensor):
        return value.numel() * value.element_size()
    return sum(_bytes(of) for of in value) if isinstance(value, (list, tuple)) else 0


def _multiplications(node: torch.fx.Node) -> int:
    name = node.target._schema.name.removeprefix("aten::")
    shapes = [list(read.meta["val"].shape) for read in node.all_input_nodes if _is_tensor(read)]
    out = node.meta.get("val")
    if name in ("mm", "bmm", "addmm", "baddbmm", "addbmm", "mv", "addmv"):
        first = shapes[-2]
        return math.prod(first) * (shapes[-1][-1] if len(shapes[-1]) > 1 else 1)
    if name == "convolution":
        return out.numel() * math.prod(shapes[1][1:])
    if name == "convolution_backward":
        # One product for the input's gradient, and one for the weight's.
        return 2 * math.prod(shapes[0]) * math.prod(shapes[2][1:])
    if "attention" in name and not name.endswith("backward"):
        query, key = shapes[0], shapes[1]
        return 2 * math.prod(query) * key[-2]
    if "attention" in name:
        query, key = shapes[1], shapes[2]
        return 5 * math.prod(query) * key[-2]
    return 0


def _is_tensor(node: torch.fx.Node) -> bool:
    return isinstance(node.meta.get("val"), torch.Tensor)
