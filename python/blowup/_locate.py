"""Where a step went bad: the call that first made a number that is not finite, and its place.

The bad lane runs again alone, call by call. From a bad loss or gradient the search walks back over
values that are not finite, to the calls whose inputs are all finite: there it began. An infinity
that the program wrote itself, as a mask does, is no fault: where nothing else began on the way, the
fault is the first call that made a NaN.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from blowup import _run
from blowup._refused import Place


@dataclass(frozen=True)
class Fault:
    """Where a step went bad.

    Attributes:
        place: the line and expression, or None where nothing is known of it.
        operator: the operator that was called, such as ``aten::log``; empty if an input was bad.
        node: the number of the call in the graph; -1 if an input was bad.
        source: the input that held a NaN or an infinity before the step, or empty.
    """

    place: Place | None
    operator: str = ""
    node: int = -1
    source: str = ""

    @property
    def derivative(self) -> bool:
        """Whether it began in the backward pass."""
        return self.place is not None and bool(self.place.derivative)

    def __str__(self) -> str:
        if self.source:
            return f"{self.source} was not finite before the step"
        return f"`{self.operator}`, {self.place or 'at an unknown place'}"


_FINITE, _INFINITE, _NAN = 0, 1, 2


def locate(
    program: _run.Program,
    state: _run.State,
    batch: list[torch.Tensor],
    drawn: list[torch.Tensor],
    rows: int | None = None,
) -> Fault | None:
    """Where the step of one lane went bad, or None if its loss and gradients are finite.

    Args:
        state, batch, drawn, rows: as `Program.step` takes them, for the one lane.
    """
    graph = program.graph(rows)
    names = _names(program, graph)
    inputs = program.inputs(state, batch, drawn, graph)
    kinds = {value: _kind(tensor) for value, tensor in enumerate(inputs)}
    nodes = graph["nodes"]

    def watch(index: int, results: list[torch.Tensor]) -> None:
        kinds.update((value, _kind(result)) for value, result in zip(nodes[index]["out"], results))

    program.step(state, batch, drawn, rows, watch)
    outputs = graph["outputs"]
    bad = [value for value in (outputs["loss"], *outputs["gradients"]) if kinds.get(value)]
    if not bad:
        return None
    makers = {value: index for index, node in enumerate(nodes) for value in node["out"]}
    path, sources = _walk_back(bad, nodes, makers, kinds)
    broken = next((v for v in sources if kinds[v] == _NAN or names[v].startswith("parameter")), None)
    if broken is not None:
        return Fault(None, source=names[broken])
    index = _began(path, nodes, makers, kinds)
    if index is None:
        return Fault(None, source=names[sources[0]]) if sources else None
    site = program.bundle.program["places"][nodes[index]["place"]]
    operator = program.bundle.program["operators"][nodes[index]["op"]]["name"]
    return Fault(Place(**site) if site else None, operator, index)


def _walk_back(
    bad: list[int], nodes: list[Any], makers: dict[int, int], kinds: dict[int, int]
) -> tuple[list[int], list[int]]:
    """The nodes, in their order, and the inputs from which bad values lead to bad results."""
    left, seen = list(bad), set()
    while left:
        value = left.pop()
        if value in seen:
            continue
        seen.add(value)
        if value in makers:
            left += [read for read in _run.operands(nodes[makers[value]]) if kinds[read]]
    path = sorted({makers[value] for value in seen if value in makers})
    return path, sorted(value for value in seen if value not in makers)


def _began(path: list[int], nodes: list[Any], makers: dict[int, int], kinds: dict[int, int]) -> int | None:
    """The call on the path where a fault began."""
    births = [index for index in path if not any(kinds[value] for value in _run.operands(nodes[index]))]
    faults = [index for index in births if not _fills(nodes[index])]
    if faults:
        return faults[0]
    return next((index for index in path if any(kinds[value] == _NAN for value in nodes[index]["out"])), None)


def _fills(node: Any) -> bool:
    """Whether a node writes an infinity that stands in the program."""
    for arg in node["args"]:
        value = arg and (arg.get("float") if "float" in arg else (arg.get("number") or {}).get("float"))
        if value is not None and math.isinf(float(value)):
            return True
    return False


def _kind(tensor: torch.Tensor | None) -> int:
    if tensor is None or not (tensor.is_floating_point() or tensor.is_complex()):
        return _FINITE
    if bool(torch.isfinite(tensor).all()):
        return _FINITE
    return _NAN if bool(torch.isnan(tensor).any()) else _INFINITE


def _names(program: _run.Program, graph: dict[str, Any]) -> list[str]:
    """What the inputs of a graph are called, in their order."""
    of = program.bundle.program
    named = [(kind, entry["name"]) for kind in ("parameters", "buffers", "batch") for entry in of[kind]]
    words = {"parameters": "parameter", "buffers": "buffer", "batch": "input"}
    return [
        *(f"{words[kind]} `{name}`" for kind, name in named),
        *(f"random numbers `{entry['name']}`" for entry in graph["draws"]),
        *(f"constant `{name}`" for name in graph["constants"]),
    ]
