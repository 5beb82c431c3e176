"""A traced graph as the JSON of a bundle, and the graphs of two lane counts as that of any."""

from __future__ import annotations

import operator
from typing import Any

import torch

from blowup import _operators
from blowup._bundle import NAMES, number
from blowup._export import places, rules
from blowup._refused import Place, Refused
from blowup._run import affine

Json = Any
_FORMATS = {
    torch.contiguous_format: "contiguous",
    torch.preserve_format: "preserve",
    torch.channels_last: "channels_last",
    torch.channels_last_3d: "channels_last_3d",
}


class Table:
    """Numbers for what many nodes share, in the order of first mention."""

    def __init__(self) -> None:
        self.entries: list[Json] = []
        self._numbers: dict[str, int] = {}

    def number(self, entry: Json) -> int:
        key = repr(entry)
        if key not in self._numbers:
            self._numbers[key] = len(self.entries)
            self.entries.append(entry)
        return self._numbers[key]


class Differs(Exception):
    """Two graphs that are not the same but for integers affine in the number of lanes."""


def nodes_of(
    graph: torch.fx.GraphModule, own: int, operators: Table, sites: Table
) -> tuple[list[Json], list[int], list[int | torch.Tensor]]:
    """The nodes of a graph, the values that it returns, and what all lanes share.

    Values are numbered: first the inputs of the lanes, then what the lanes share and a node reads,
    inputs before constants, then the results of the nodes. A shared input is given by its position
    behind the others, a constant as itself.

    Args:
        own: how many inputs, the first ones, are those of the lanes.
        operators: gets the operators that the nodes call.
        sites: gets the places of the nodes.

    Raises:
        Refused: at an operator that a bundle may not call.
    """
    ids: dict[torch.fx.Node, int] = {}
    common: list[int | torch.Tensor] = []
    inputs = [node for node in graph.graph.nodes if node.op == "placeholder"]
    for position, node in enumerate(inputs):
        if position < own or node.users:
            ids[node] = len(ids)
            if position >= own:
                common.append(position - own)
    for node in graph.graph.nodes:
        if node.op == "get_attr":
            ids[node] = len(ids)
            common.append(getattr(graph, str(node.target)).detach())
    total = len(ids)
    several: dict[torch.fx.Node, int] = {}
    nodes: list[Json] = []
    for node in graph.graph.nodes:
        if node.op != "call_function":
            continue
        if node.target is operator.getitem:
            ids[node] = several[node.args[0]] + node.args[1]
            continue
        returns = node.target._schema.returns
        if len(returns) == 1 and "List" not in str(returns[0].type):
            ids[node], count = total, 1
        else:
            several[node], count = total, len(node.meta["val"])
        made = _node(node, ids, operators, sites)
        made["out"] = list(range(total, total + count))
        total += count
        nodes.append(made)
    output = next(node for node in graph.graph.nodes if node.op == "output")
    return nodes, [ids[node] for node in output.args[0]], common


def merge(one: Json, other: Json, lanes: tuple[int, int]) -> Json:
    """The nodes for any number of lanes, from those for two numbers.

    An integer that is not the same in both becomes ``[c, k]``: c + k x lanes.

    Raises:
        Differs: if anything but integers differs, or an integer is not affine.
    """
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        if one.keys() == {"int"}:
            return {"int": _affine(one["int"], other["int"], lanes)}
        if one.keys() == {"ints"} and len(one["ints"]) == len(other["ints"]):
            return {"ints": [_affine(a, b, lanes) for a, b in zip(one["ints"], other["ints"])]}
        return {key: merge(one[key], other[key], lanes) for key in one}
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [merge(a, b, lanes) for a, b in zip(one, other)]
    if type(one) is type(other) and one == other:
        return one
    raise Differs(f"{one} and {other}")


def at(form: Json, lanes: int) -> Json:
    """The nodes for one number of lanes: the inverse of `merge`."""
    if isinstance(form, dict):
        if form.keys() == {"int"}:
            return {"int": affine(form["int"], lanes)}
        if form.keys() == {"ints"}:
            return {"ints": [affine(value, lanes) for value in form["ints"]]}
        return {key: at(value, lanes) for key, value in form.items()}
    if isinstance(form, list):
        return [at(value, lanes) for value in form]
    return form


def site(place: Place | None) -> Json:
    """A place as a bundle has it; None where nothing is known."""
    if place is None:
        return None
    made = {
        "module": place.module,
        "file": places.relative(place.file),
        "line": place.line,
        "function": place.function,
        "text": place.text,
    }
    return made | {"derivative": place.derivative} if place.derivative else made


def _node(node: torch.fx.Node, ids: dict[torch.fx.Node, int], operators: Table, sites: Table) -> Json:
    op = rules.original(node.target) or node.target
    schema = op._schema
    place = places.of_node(node)
    if schema.name not in _operators.ALLOWED or schema.is_mutable:
        raise Refused(f"`{op}` is not among the operators that a bundle may call", place)
    entry = {"name": schema.name, "overload": schema.overload_name, "schema": str(schema)}
    args = []
    for index, argument in enumerate(schema.arguments):
        if index < len(node.args):
            value = node.args[index]
        else:
            value = node.kwargs.get(argument.name, argument.default_value if argument.has_default_value() else None)
        args.append(_typed(str(argument.type), value, ids, place))
    made = {"op": operators.number(entry), "args": args, "place": sites.number(site(place))}
    return made | {"each": True} if op is not node.target else made


def _typed(kind: str, value: Any, ids: dict[torch.fx.Node, int], place: Place | None) -> Json:
    """One argument. ``kind`` is the type that the schema has for it."""
    optional = kind.startswith("Optional[")
    inner = kind[len("Optional[") : -1] if optional else kind
    if value is None:
        return None
    if isinstance(value, torch.fx.Node):
        return {"tensor": ids[value]}
    if isinstance(value, (list, tuple)):
        return _list(inner, value, ids)
    if inner == "Tensor":
        return {"number": _scalar(value)}
    if isinstance(value, bool):
        return {"bool": value}
    if isinstance(value, int):
        return {"float": number(float(value))} if inner == "float" else {"int": value}
    if isinstance(value, float):
        return {"float": number(value)}
    if isinstance(value, str):
        return {"string": value}
    if isinstance(value, torch.dtype):
        return {"dtype": NAMES[value]}
    if isinstance(value, torch.device):
        return {"device": value.type}
    if isinstance(value, torch.layout) and value is torch.strided:
        return {"layout": "strided"}
    if isinstance(value, torch.memory_format):
        return {"memory_format": _FORMATS[value]}
    raise Refused(f"an argument of type {type(value).__name__}, which no bundle holds", place)


def _list(kind: str, values: Any, ids: dict[torch.fx.Node, int]) -> Json:
    if "Tensor" in kind:
        return {"tensors": [None if value is None else ids[value] for value in values]}
    if "float" in kind:
        return {"floats": [number(float(value)) for value in values]}
    if "bool" in kind:
        return {"bools": [bool(value) for value in values]}
    if "number" in kind or "Scalar" in kind:
        return {"scalars": [_scalar(value) for value in values]}
    return {"ints": [int(value) for value in values]}


def _scalar(value: Any) -> Json:
    if isinstance(value, bool):
        return {"bool": value}
    return {"int": value} if isinstance(value, int) else {"float": number(float(value))}


def _affine(one: Any, other: Any, lanes: tuple[int, int]) -> Any:
    if one == other:
        return one
    slope, rest = divmod(other - one, lanes[1] - lanes[0])
    if rest:
        raise Differs(f"{one} and {other}")
    return [one - slope * lanes[0], slope]
