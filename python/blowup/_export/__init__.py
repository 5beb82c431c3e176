"""Makes a bundle of a model: trace, batch over lanes, write, check.

Only ``blowup.export`` imports this package, since it needs PyTorch.
"""

from __future__ import annotations

import hashlib
import os
import platform
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

import blowup
from blowup._bundle import FORMAT, NAMES, VERSION, Bundle
from blowup._export import check, graph, inputs, lanes, one_lane, places, size
from blowup._export.one_lane import Loss, OneLane
from blowup._refused import Refused

# Two numbers of lanes that the graph is traced for, and a third that the result must give as well.
# They are primes that few models have as a size.
TRACED, THIRD = (13, 17), 23


@dataclass(frozen=True)
class Exported:
    """What an export made.

    Attributes:
        path: the file.
        nodes: the calls of a step, in the main graph.
        draws: its streams of random numbers.
        parameters: the trained numbers of one lane.
        difference: the largest relative difference to plain autograd that the self-check found.
    """

    path: str
    nodes: int
    draws: int
    parameters: int
    difference: float


def export(
    path: str | os.PathLike[str],
    *,
    model: Callable[[], nn.Module],
    loss: Loss,
    batch: Any,
    data: Any = None,
    seeds: int | list[int] = 8,
    drop_last: bool = False,
) -> Exported:
    """See ``blowup.export``."""
    bundle, batches = build(model, loss, batch, data, seeds, drop_last)
    bundle = Bundle.from_bytes(bundle.to_bytes())
    difference = check.check(bundle, model, loss, batches)
    bundle.save(path)
    main = bundle.program["graphs"][0]
    count = sum(bundle.tensors[of["initial"]][0].numel() for of in bundle.program["parameters"])
    return Exported(os.fspath(path), len(main["nodes"]), len(main["draws"]), count, difference)


def build(
    model: Callable[[], nn.Module],
    loss: Loss,
    batch: Any,
    data: Any = None,
    seeds: int | list[int] = 8,
    drop_last: bool = False,
) -> tuple[Bundle, inputs.Batches]:
    """The bundle of a model before its self-check, and where its batches come from."""
    if torch.__version__.split("+")[0].split(".")[:2] != ["2", "11"]:
        raise Refused(f"bundles are made by PyTorch 2.11, and this is {torch.__version__}")
    batches = inputs.batches(batch, data)
    numbers = inputs.seed_list(seeds)
    made = [inputs.make(model, seed) for seed in numbers]
    weights = _stack(made)
    other = _trained_once(model, numbers, loss, batches)
    sizes = [batches.rows] + ([batches.rest] if batches.rest and not drop_last else [])
    ones = [_trace(made[0], loss, batches, rows) for rows in sizes]
    leaves = batches.some(batches.rows, torch.Generator().manual_seed(2))
    host = inputs.host_state()
    again, _ = one_lane.record(other, loss, leaves, batches.form)
    one_lane.refuse_if_different(ones[0].recorded, again)
    if inputs.host_state() != host:
        raise Refused("the step draws from Python's or NumPy's generator; draw by PyTorch", places.of_function(loss))
    changed = set().union(*(one.changed for one in ones))
    shared = {name for name in ones[0].state if name not in changed and _all_equal(weights[name])}
    operators, sites = graph.Table(), graph.Table()
    tensors: dict[str, torch.Tensor] = {}
    graphs = [
        {"rows": rows} | _graph(one, shared, weights, operators, sites, tensors) for rows, one in zip(sizes, ones)
    ]

    state = [name for name in ones[0].state if name not in shared]
    program = {
        "made_by": {
            "blowup": blowup.__version__,
            "torch": torch.__version__.split("+")[0],
            "python": ".".join(platform.python_version_tuple()[:2]),
        },
        "made_from": _origin(model, loss, ones),
        "seeds": numbers,
        "samples": batches.samples,
        "parameters": [_started("parameter", name, weights, tensors) for name in ones[0].trained],
        "buffers": [_started("buffer", name, weights, tensors) for name in state],
        "batch": [_leaf(leaf, tensors) for leaf in batches.leaves],
        "operators": operators.entries,
        "places": sites.entries,
        "graphs": graphs,
    }
    return Bundle(program, tensors), batches


def _started(
    kind: str, name: str, weights: dict[str, torch.Tensor], tensors: dict[str, torch.Tensor]
) -> dict[str, Any]:
    """A parameter or a buffer with its values for each seed."""
    values = weights[name]
    tensors[f"{kind}/{name}"] = values
    entry = {"name": name, "shape": list(values.shape[1:]), "dtype": NAMES[values.dtype]}
    return entry | {"initial": f"{kind}/{name}"}


def _leaf(leaf: inputs.Leaf, tensors: dict[str, torch.Tensor]) -> dict[str, Any]:
    """A tensor of the batch with its data."""
    tensors[f"data/{leaf.name}"] = leaf.data
    shape = list(leaf.example.shape[1:] if leaf.sampled else leaf.example.shape)
    entry = {"name": leaf.name, "shape": shape, "dtype": NAMES[leaf.example.dtype]}
    return entry | {"data": f"data/{leaf.name}", "sampled": leaf.sampled}


def _trace(module: nn.Module, loss: Loss, batches: inputs.Batches, rows: int) -> OneLane:
    """The step of one lane for batches of ``rows`` rows."""
    leaves = batches.some(rows, torch.Generator().manual_seed(0))
    try:
        return one_lane.trace(module, loss, leaves, batches.form)
    except Refused as error:
        if rows == batches.rows:
            raise
        why = f"with the {rows} rows of an epoch's last batch (`drop_last=True` leaves it out): {error.why}"
        raise Refused(why, error.place) from error


def _trained_once(model: Callable[[], nn.Module], seeds: list[int], loss: Loss, batches: inputs.Batches) -> nn.Module:
    """A model of another seed whose loss was computed once.

    Traced after that, it must give the graph that another model gave at its first step. An error of
    the user's own program ends the export here and stays as it is.
    """
    other = inputs.make(model, seeds[1] if len(seeds) > 1 else seeds[0] + 1)
    generator = torch.Generator().manual_seed(1)
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        try:
            loss(other, batches.whole(batches.some(batches.rows, generator)))
            return other
        except Exception:
            batches.shuffles = False
        loss(other, batches.whole(batches.some(batches.rows, generator)))
    return other


def _graph(
    one: OneLane,
    shared: set[str],
    weights: dict[str, torch.Tensor],
    operators: graph.Table,
    sites: graph.Table,
    tensors: dict[str, torch.Tensor],
) -> dict[str, Any]:
    """A graph of the bundle for any number of lanes."""
    loops: set[Any] = set()
    names = [name for name in one.state if name in shared]
    inputs_of_one = sum(node.op == "placeholder" for node in one.graph.graph.nodes)
    own = inputs_of_one + len(one.draws) - len(names)
    while True:
        traced = [lanes.trace(one, shared, count, loops) for count in (*TRACED, THIRD)]
        nodes = [graph.nodes_of(each, own, operators, sites) for each in traced]
        try:
            form = graph.merge(nodes[0][0], nodes[1][0], TRACED)
            if graph.at(form, THIRD) == nodes[2][0]:
                break
            reason = "an integer is not affine in the number of lanes"
        except graph.Differs as error:
            reason = f"the graph depends on the number of lanes: {error}"
        unrolled = _unrolled(one, traced) - loops
        if not unrolled:
            raise Refused(reason)
        loops |= unrolled
    _, results, common = nodes[0]
    sizes = size.of_step(traced[0], TRACED[0])
    constants = []
    for value in common:
        if isinstance(value, torch.Tensor):
            constants.append(_constant(value, tensors))
        else:
            constants.append(f"shared/{names[value]}")
            tensors[constants[-1]] = weights[names[value]][0]
    left = iter(results)
    outputs = {
        "loss": next(left),
        "gradients": [None if name in one.unused else next(left) for name in one.trained],
        "buffers": list(left),
    }
    return {
        "draws": _streams(one),
        "live_bytes": sizes.live,
        "made_bytes": sizes.made,
        "multiplications": sizes.multiplications,
        "constants": constants,
        "nodes": form,
        "outputs": outputs,
    }


def _unrolled(one: OneLane, traced: list[torch.fx.GraphModule]) -> set[Any]:
    """The operators of one lane that became other calls for another number of lanes."""
    counts = [
        Counter((str(node.target), places.of_node(node)) for node in each.graph.nodes if node.op == "call_function")
        for each in traced
    ]
    grown = {place for (target, place), count in counts[0].items() if counts[1][(target, place)] != count}
    return {
        node.target
        for node in one.graph.graph.nodes
        if node.op == "call_function" and places.of_node(node) in grown and "index" in str(node.target)
    }


def _streams(one: OneLane) -> list[dict[str, Any]]:
    """The streams of random numbers, named by module, operator and count."""
    seen: Counter[str] = Counter()
    streams = []
    for node, draw in one.draws.items():
        place = places.of_node(node)
        where = f"{place.module if place else ''}/{node.target._schema.name.removeprefix('aten::')}"
        entry = {"name": f"{where}/{seen[where]}", "kind": draw.kind, "shape": list(draw.shape)}
        streams.append(entry | {"dtype": NAMES[draw.dtype], "order": places.order_of(node), "place": graph.site(place)})
        seen[where] += 1
    return streams


def _constant(value: torch.Tensor, tensors: dict[str, torch.Tensor]) -> str:
    for name, known in tensors.items():
        if name.startswith("constant/") and one_lane.same(known, value):
            return name
    name = f"constant/{sum(known.startswith('constant/') for known in tensors)}"
    tensors[name] = value.detach().clone()
    return name


def _stack(models: list[nn.Module]) -> dict[str, torch.Tensor]:
    """All parameters and buffers of the models by name, ``[seeds, ...]``."""
    each = [{**trained, **state} for trained, state in map(one_lane.tensors_of, models)]
    for others in each[1:]:
        if [(n, x.shape, x.dtype) for n, x in others.items()] != [(n, x.shape, x.dtype) for n, x in each[0].items()]:
            raise Refused("`model` makes modules of different shapes for different seeds")
    return {name: torch.stack([tensors[name] for tensors in each]).clone() for name in each[0]}


def _all_equal(values: torch.Tensor) -> bool:
    return all(one_lane.same(values[0], value) for value in values[1:])


def _origin(model: Any, loss: Any, ones: list[OneLane]) -> dict[str, Any]:
    """The functions that a bundle was made from, and the files that its places stand in."""
    known = [places.of_node(node) for one in ones for node in one.graph.graph.nodes]
    names = {place.file for place in known if place} | {
        function.__code__.co_filename for function in (model, loss) if hasattr(function, "__code__")
    }
    files = {places.relative(name): name for name in names}
    hashes = {}
    for name, file in sorted(files.items()):
        if os.path.isfile(file):
            with open(file, "rb") as opened:
                hashes[name] = hashlib.sha256(opened.read()).hexdigest()
    functions = {"model": model, "loss": loss}
    return {name: getattr(of, "__qualname__", type(of).__qualname__) for name, of in functions.items()} | {
        "files": hashes
    }


__all__ = ["FORMAT", "VERSION", "Exported", "build", "export"]
