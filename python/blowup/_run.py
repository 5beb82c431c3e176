"""Runs a bundle node by node, for any number of lanes. It knows nothing of the model.

It is plain and slow: the exporter checks a bundle with it, and a reader in another language can be
checked against it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from blowup import _operators
from blowup._bundle import DTYPES, Bundle, Damaged

_FORMATS = {
    "contiguous": torch.contiguous_format,
    "preserve": torch.preserve_format,
    "channels_last": torch.channels_last,
    "channels_last_3d": torch.channels_last_3d,
}
Watch = Callable[[int, list[torch.Tensor]], None]


@dataclass
class State:
    """What the lanes carry from step to step; each tensor has the lanes as its first dimension.

    Attributes:
        parameters: the trained parameters by name.
        buffers: the state besides them by name, such as the running statistics of batch norm.
    """

    parameters: dict[str, torch.Tensor]
    buffers: dict[str, torch.Tensor]


@dataclass
class Step:
    """What a step gives.

    Attributes:
        loss: ``[lanes]``.
        gradients: of each trained parameter by name, ``[lanes, ...]``; zeros where the loss does
            not depend on it.
        buffers: the new state besides the parameters, ``[lanes, ...]``.
    """

    loss: torch.Tensor
    gradients: dict[str, torch.Tensor]
    buffers: dict[str, torch.Tensor]


class Program:
    """A bundle, ready to run.

    Attributes:
        bundle: the bundle.
        batch: the leaves of a batch as the bundle describes them.

    Args:
        wide: computes in float64 what the bundle has in a smaller type, to compare it with a
            program that does the same.

    Raises:
        Damaged: if it calls an operator that is not allowed, or whose schema is another here.
    """

    def __init__(self, bundle: Bundle, wide: bool = False) -> None:
        self.bundle = bundle
        self.batch: list[dict[str, Any]] = bundle.program["batch"]
        self.wide = wide
        self._operators = [_resolve(entry) for entry in bundle.program["operators"]]

    def graph(self, rows: int | None = None) -> dict[str, Any]:
        """The graph for batches of this many rows; the main one by default."""
        graphs = self.bundle.program["graphs"]
        found = [graph for graph in graphs if rows is None or graph["rows"] == rows]
        if not found:
            raise ValueError(f"the bundle has no graph for batches of {rows} rows")
        return found[0]

    def initial(self, lanes: list[int]) -> State:
        """The state of new lanes, given for each the position of its seed in ``seeds``."""

        def rows(entries: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
            return {of["name"]: self._tensor(of["initial"])[lanes].clone() for of in entries}

        return State(rows(self.bundle.program["parameters"]), rows(self.bundle.program["buffers"]))

    def batch_of(self, rows: torch.Tensor) -> list[torch.Tensor]:
        """The leaves of a batch from the bundle's data.

        Args:
            rows: ``[lanes, rows]``, the samples of each lane.
        """
        leaves = []
        for of in self.batch:
            data = self._tensor(of["data"])
            leaves.append(data[rows] if of["sampled"] else data.expand(rows.shape[0], *data.shape))
        return leaves

    def draw(self, lanes: int, generator: torch.Generator, rows: int | None = None) -> list[torch.Tensor]:
        """Random numbers for the streams of a step, each ``[lanes, ...]``."""
        made = []
        for of in self.graph(rows)["draws"]:
            draw = torch.rand if of["kind"] == "uniform" else torch.randn
            made.append(draw((lanes, *of["shape"]), generator=generator, dtype=self._dtype(of["dtype"])))
        return made

    @torch.no_grad()
    def step(
        self,
        state: State,
        batch: list[torch.Tensor],
        drawn: list[torch.Tensor],
        rows: int | None = None,
        watch: Watch | None = None,
    ) -> Step:
        """The loss, the gradients and the new buffers; ``state`` stays as it is.

        Args:
            batch: a tensor for each leaf, ``[lanes, ...]``.
            drawn: a tensor for each stream of the graph, ``[lanes, ...]``.
            rows: the rows of the batch, where they are not those of the main graph.
            watch: is called after each node with its number and its results.
        """
        graph = self.graph(rows)
        lanes = next(iter(state.parameters.values())).shape[0]
        values: dict[int, Any] = dict(enumerate(self.inputs(state, batch, drawn, graph)))
        dead = _last_uses(graph) if watch is None else {}
        for index, node in enumerate(graph["nodes"]):
            results = self._call(node, values, lanes)
            if self.wide:
                results = [x if x is None else x.to(widened(x.dtype)) for x in results]
            values.update(zip(node["out"], results))
            if watch:
                watch(index, results)
            for value in dead.get(index, ()):
                values.pop(value, None)
        outputs = graph["outputs"]
        named = zip(self.bundle.program["parameters"], outputs["gradients"])
        held = zip(self.bundle.program["buffers"], outputs["buffers"])
        return Step(
            values[outputs["loss"]],
            {
                of["name"]: torch.zeros_like(state.parameters[of["name"]]) if value is None else values[value]
                for of, value in named
            },
            {of["name"]: values[value] for of, value in held},
        )

    def inputs(
        self, state: State, batch: list[torch.Tensor], drawn: list[torch.Tensor], graph: dict[str, Any]
    ) -> list[torch.Tensor]:
        """The first values of a graph: what the lanes hold, then what they share."""
        program = self.bundle.program
        return [
            *(state.parameters[of["name"]] for of in program["parameters"]),
            *(state.buffers[of["name"]] for of in program["buffers"]),
            *batch,
            *drawn,
            *(self._tensor(name) for name in graph["constants"]),
        ]

    def _tensor(self, name: str) -> torch.Tensor:
        tensor = self.bundle.tensors[name]
        return tensor.to(widened(tensor.dtype)) if self.wide else tensor

    def _dtype(self, name: str) -> torch.dtype:
        return widened(DTYPES[name]) if self.wide else DTYPES[name]

    def _call(self, node: dict[str, Any], values: dict[int, Any], lanes: int) -> list[Any]:
        op = self._operators[node["op"]]
        arguments = op._schema.arguments
        args = [self._argument(arg, values, lanes) for arg in node["args"]]
        if not node.get("each"):
            return _results(_invoke(op, arguments, args))
        each = [_results(_invoke(op, arguments, [_of_lane(arg, lane) for arg in args])) for lane in range(lanes)]
        return [torch.stack(same) for same in zip(*each)]

    def _argument(self, arg: dict[str, Any] | None, values: dict[int, Any], lanes: int) -> Any:
        if arg is None:
            return None
        ((tag, value),) = arg.items()
        if tag == "tensor":
            return values[value]
        if tag == "tensors":
            return [None if of is None else values[of] for of in value]
        if tag == "int":
            return affine(value, lanes)
        if tag == "ints":
            return [affine(of, lanes) for of in value]
        if tag == "float":
            return float(value)
        if tag == "floats":
            return [float(of) for of in value]
        if tag == "number":
            return self._argument(value, values, lanes)
        if tag == "scalars":
            return [self._argument(of, values, lanes) for of in value]
        if tag == "dtype":
            return self._dtype(value)
        if tag == "device":
            return torch.device(value)
        if tag == "layout":
            return torch.strided
        if tag == "memory_format":
            return _FORMATS[value]
        if tag in ("bool", "bools", "string"):
            return value
        raise Damaged(f"an argument of the unknown kind `{tag}`")


def sgd(state: State, step: Step, lr: float) -> State:
    """The state after an update by plain gradient descent."""
    parameters = {name: value - lr * step.gradients[name] for name, value in state.parameters.items()}
    return State(parameters, step.buffers)


def widened(dtype: torch.dtype) -> torch.dtype:
    """The type of 64-bit numbers for one of smaller ones; integers stay."""
    if dtype.is_floating_point:
        return torch.float64
    return torch.complex128 if dtype.is_complex else dtype


def operands(node: dict[str, Any]) -> list[int]:
    """The values that a node reads."""
    read: list[int] = []
    for arg in node["args"]:
        if arg is not None and "tensor" in arg:
            read.append(arg["tensor"])
        elif arg is not None and "tensors" in arg:
            read += [value for value in arg["tensors"] if value is not None]
    return read


def _resolve(entry: dict[str, Any]) -> Any:
    name, overload = entry["name"], entry["overload"]
    if name not in _operators.ALLOWED:
        raise Damaged(f"`{name}` is not among the operators that a bundle may call")
    space, short = name.split("::")
    op = getattr(getattr(getattr(torch.ops, space), short), overload or "default")
    if str(op._schema) != entry["schema"]:
        raise Damaged(f"the bundle has `{entry['schema']}`, and this PyTorch `{op._schema}`")
    if op._schema.is_mutable:
        raise Damaged(f"`{name}.{overload}` changes its arguments")
    return op


def _invoke(op: Any, arguments: Any, args: list[Any]) -> Any:
    plain = [value for argument, value in zip(arguments, args) if not argument.kwarg_only]
    named = {argument.name: value for argument, value in zip(arguments, args) if argument.kwarg_only}
    return op(*plain, **named)


def _results(result: Any) -> list[Any]:
    return list(result) if isinstance(result, (tuple, list)) else [result]


def _of_lane(arg: Any, lane: int) -> Any:
    if isinstance(arg, torch.Tensor):
        return arg[lane]
    if isinstance(arg, list):
        return [_of_lane(of, lane) for of in arg]
    return arg


def affine(value: Any, lanes: int) -> int:
    """An integer for one number of lanes: it is a number, or ``[c, k]`` for c + k x lanes."""
    return int(value[0] + value[1] * lanes if isinstance(value, list) else value)


def _last_uses(graph: dict[str, Any]) -> dict[int, list[int]]:
    """By node, the values that nothing needs after it."""
    outputs = graph["outputs"]
    kept = {outputs["loss"], *outputs["gradients"], *outputs["buffers"]}
    last = {value: index for index, node in enumerate(graph["nodes"]) for value in operands(node)}
    dead: dict[int, list[int]] = {}
    for value, index in last.items():
        if value not in kept:
            dead.setdefault(index, []).append(value)
    return dead
