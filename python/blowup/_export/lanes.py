"""The step of one lane made the step of any number of lanes.

vmap batches the graph of one lane, whose nodes are all ATen calls by then, and the result is traced
again. A batching rule that would loop over the lanes is an error here, since its graph would be
another one for each number of lanes.
"""

from __future__ import annotations

import contextlib
import operator
import warnings
from collections.abc import Iterator
from typing import Any

import torch
import torch.fx.traceback as node_metadata
import torch.utils._pytree as pytree
from torch._decomp import get_decompositions
from torch._functorch.pyfunctorch import temporarily_pop_interpreter_stack
from torch.func import vmap
from torch.fx.experimental.proxy_tensor import make_fx

from blowup._export import draws, folded, places
from blowup._export.one_lane import SAME_AS_INPUT, OneLane, changes_inputs, is_plain_copy
from blowup._export.rules import has_batching_rule, lane_by_lane
from blowup._refused import Refused

aten = torch.ops.aten
_functorch = torch._C._functorch

# What these are made of can be batched; they themselves cannot, or only by a rule that works in
# place.
_MADE_OF = get_decompositions(
    [
        aten._native_batch_norm_legit_functional.default,
        aten.native_batch_norm_backward.default,
        aten._euclidean_dist.default,
        aten.select_backward.default,
        aten.slice_backward.default,
        aten.upsample_bilinear2d.default,
    ]
)


def trace(one: OneLane, shared: set[str], lanes: int, loops: set[Any]) -> torch.fx.GraphModule:
    """The graph of several lanes.

    It takes what ``one`` takes and then the random numbers of the draws, in the order of their
    nodes, each tensor with the lanes as its first dimension; and at the end the state that the
    lanes share, which has no such dimension. It returns what ``one`` returns, but for the shared
    state.

    Args:
        shared: the names of the state that all lanes share.
        loops: operators to run lane by lane, besides those that have no batching rule.

    Raises:
        Refused: at the first operation that cannot be batched.
    """
    inputs = [node for node in one.graph.graph.nodes if node.op == "placeholder"]
    names = [*one.trained, *one.state] + [""] * (len(inputs) - len(one.trained) - len(one.state))
    own = [node.meta["val"] for node, name in zip(inputs, names) if name not in shared]
    common = [node.meta["val"] for node, name in zip(inputs, names) if name in shared]
    examples = [torch.zeros((lanes, *value.shape), dtype=value.dtype) for value in [*own, *one.draws.values()]]
    in_lanes = (0,) * len(examples) + (None,) * len(common)
    examples += [torch.zeros(tuple(value.shape), dtype=value.dtype) for value in common]
    run = _Lanes(one, names, shared, loops)
    with _no_loops():
        graph = make_fx(
            vmap(run, in_dims=in_lanes, randomness="error"),
            tracing_mode="fake",
            decomposition_table=_MADE_OF,
            _allow_non_fake_inputs=True,
        )(*examples)
        # Some batching rules work in place.
        if any(changes_inputs(node) for node in graph.graph.nodes):
            again = torch.fx.Interpreter(graph)

            def functional(*args: Any) -> Any:
                with node_metadata.preserve_node_meta():
                    return again.run(*args)

            graph = make_fx(
                torch.func.functionalize(functional, remove="mutations"),
                tracing_mode="fake",
                _allow_non_fake_inputs=True,
            )(*examples)
    _tidy(graph)
    for node in graph.graph.nodes:
        if changes_inputs(node) or node.target in _HIDDEN:
            raise Refused(f"`{node.target}` changes a tensor that outlives the step", places.of_node(node))
    return graph


_HIDDEN = (aten.native_batch_norm.default, aten.batch_norm_update_stats.default)


class _Lanes(torch.fx.Interpreter):
    """Runs the graph of one lane under vmap."""

    def __init__(self, one: OneLane, names: list[str], shared: set[str], loops: set[Any]) -> None:
        super().__init__(one.graph)
        self._one, self._names, self._shared, self._loops = one, names, shared, loops
        self._drawn: dict[torch.fx.Node, torch.Tensor] = {}
        # By the node of a layer norm, what it gives before weight and bias.
        self._normed: dict[torch.fx.Node, torch.Tensor] = {}

    def __call__(self, *args: torch.Tensor) -> tuple[Any, ...]:
        count = sum(name not in self._shared for name in self._names)
        drawn, common = args[count : len(args) - len(self._shared)], args[len(args) - len(self._shared) :]
        self._drawn = dict(zip(self._one.draws, drawn))
        own_left, common_left = iter(args), iter(common)
        inputs = [next(common_left if name in self._shared else own_left) for name in self._names]
        with node_metadata.preserve_node_meta():
            results = self.run(*inputs)
        held = zip(self._one.state, results[len(results) - len(self._one.state) :])
        return (*results[: len(results) - len(self._one.state)], *(x for name, x in held if name not in self._shared))

    def run_node(self, node: torch.fx.Node) -> Any:
        try:
            if node.op != "call_function" or not isinstance(node.target, torch._ops.OpOverload):
                return super().run_node(node)
            args, kwargs = self.fetch_args_kwargs_from_env(node)
            with self._set_current_node(node):
                if node in self._drawn:
                    value = node.meta["val"]
                    dtype = (value[0] if isinstance(value, (tuple, list)) else value).dtype
                    return draws.compute(node.target, self._drawn[node], args, kwargs, dtype)
                if node.target is aten.index_put.default and [getattr(x, "dtype", None) for x in args[1]] == [
                    torch.bool
                ]:
                    return _choose(*args)
                if any(map(_is_batched, pytree.tree_leaves((args, kwargs)))):
                    if node.target is aten.native_layer_norm.default:
                        return self._layer_norm(node, *args)
                    if node.target is aten.native_layer_norm_backward.default:
                        return self._layer_norm_backward(node, *args)
                    rule = folded.rule_of(node.target, args)
                    if rule is not None:
                        return _run_on_all(rule, args, kwargs)
                    if self._needs_loop(node.target):
                        return _run_on_all(lane_by_lane(node.target), args, kwargs)
            return super().run_node(node)
        except Refused:
            raise
        except Exception as error:
            reason = f"`{node.target}` cannot be run for several lanes: {places.last_line(error)}"
            raise Refused(reason, places.of_node(node)) from error

    def _layer_norm(self, node: torch.fx.Node, x: Any, shape: Any, weight: Any, bias: Any, eps: float) -> Any:
        """Keeps what the backward pass needs, and lays the operand out as the kernel wants it."""
        if _is_batched(x):
            # The kernel would copy it for itself, and all others would read it as it was.
            x = self.env[node.args[0]] = _run_on_all(torch.Tensor.contiguous, (x,), {})
        out, mean, rstd = aten.native_layer_norm(x, shape, None, None, eps)
        self._normed[node] = out
        out = out if weight is None else out * weight
        return out if bias is None else out + bias, mean, rstd

    def _layer_norm_backward(
        self,
        node: torch.fx.Node,
        gradient: Any,
        x: Any,
        shape: Any,
        mean: Any,
        rstd: Any,
        weight: Any,
        bias: Any,
        wanted: Any,
    ) -> Any:
        scaled = gradient if weight is None else gradient * weight
        of_input = aten.native_layer_norm_backward(scaled, x, shape, mean, rstd, None, None, [True, False, False])[0]
        rows = gradient.dim() - len(shape)
        forward = node.args[3].args[0] if node.args[3].target is operator.getitem else None
        normed = self._normed[forward] if forward in self._normed else (x - mean) * rstd
        summed = [x.sum(list(range(rows))) if rows else x for x in (gradient * normed, gradient)]
        return of_input, summed[0] if wanted[1] else None, summed[1] if wanted[2] else None

    def _needs_loop(self, op: Any) -> bool:
        if op in self._loops:
            return True
        return op.namespace == "aten" and op not in _MADE_OF and not has_batching_rule(op)


def _choose(target: torch.Tensor, indices: list[torch.Tensor], value: torch.Tensor, accumulate: bool = False) -> Any:
    """``target[mask] = number`` as a choice between the two."""
    mask = indices[0].reshape(tuple(indices[0].shape) + (1,) * (target.dim() - indices[0].dim()))
    number = value.reshape(()).to(target.dtype)
    return torch.where(mask, target + number if accumulate else number, target)


def _run_on_all(function: Any, args: Any, kwargs: Any) -> Any:
    """Calls a function of tensors that have the lanes as dimension 0."""
    leaves, form = pytree.tree_flatten((args, kwargs))
    level = _functorch.current_level()
    batched = next(x for x in leaves if _is_batched(x))
    lanes = _functorch.get_unwrapped(batched).shape[_functorch.maybe_get_bdim(batched)]

    def bare(x: Any) -> Any:
        if not isinstance(x, torch.Tensor):
            return x
        if not _is_batched(x):
            return x.expand(lanes, *x.shape)
        return _functorch.get_unwrapped(x).movedim(_functorch.maybe_get_bdim(x), 0)

    with temporarily_pop_interpreter_stack():
        bare_args, bare_kwargs = pytree.tree_unflatten([bare(x) for x in leaves], form)
        result = function(*bare_args, **bare_kwargs)
    return pytree.tree_map(
        lambda x: _functorch._add_batch_dim(x, 0, level) if isinstance(x, torch.Tensor) else x, result
    )


def _is_batched(x: Any) -> bool:
    return isinstance(x, torch.Tensor) and _functorch.is_batchedtensor(x)


@contextlib.contextmanager
def _no_loops() -> Iterator[None]:
    was = _functorch._is_vmap_fallback_enabled()
    _functorch._set_vmap_fallback_enabled(False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        _functorch._set_vmap_fallback_enabled(was)


def _tidy(graph: torch.fx.GraphModule) -> None:
    """Takes out nodes that return their input, and the second of two equal ones."""
    for node in list(graph.graph.nodes):
        if node.op != "call_function":
            continue
        if node.target in SAME_AS_INPUT or is_plain_copy(node):
            node.replace_all_uses_with(node.args[0])
            graph.graph.erase_node(node)
        elif node.target is aten.full_like.default and getattr(node.args[0], "target", None) is aten.empty_like.default:
            node.args = (node.args[0].args[0], *node.args[1:])
        elif node.target is aten._unsafe_index.Tensor:
            node.target = aten.index.Tensor  # the other does not check its bounds
        elif node.target is aten._unsafe_index_put.default:
            node.target = aten.index_put.default
        elif node.target is aten.native_batch_norm.default and node.args[3] is None and node.args[4] is None:
            # Without running statistics it changes nothing, and this is the name that says so.
            node.target = aten._native_batch_norm_legit.no_stats
            node.args = (*node.args[:3], *node.args[5:])
    _stack_as_read(graph.graph)
    seen: dict[str, torch.fx.Node] = {}
    for node in list(graph.graph.nodes):
        if node.op != "call_function":
            continue
        call = repr((node.target, node.args, sorted(node.kwargs.items())))
        same = _same_as_operand(node) or seen.setdefault(call, node)
        if same is not node:
            node.replace_all_uses_with(same)
            graph.graph.erase_node(node)
    graph.graph.eliminate_dead_code()
    graph.recompile()


def _stack_as_read(graph: torch.fx.Graph) -> None:
    """Makes a stack in the order of dimensions in which it is copied, where nothing else reads it.

    The gradients of queries, keys and values are stacked so, and the stack was copied as a whole. A
    stack of four or five dimensions stays: PyTorch may lay that out with the channels last.
    """
    for node in list(graph.nodes):
        if node.target is not aten.clone.default or node.kwargs.get("memory_format") is not torch.contiguous_format:
            continue
        permuted = node.args[0]
        stacked = permuted.args[0] if permuted.target is aten.permute.default else permuted
        if stacked is permuted or stacked.target is not aten.stack.default:
            continue
        rank = len(permuted.args[1])
        if len(permuted.users) > 1 or len(stacked.users) > 1 or rank in (4, 5):
            continue
        order = [dim % rank for dim in permuted.args[1]]
        at = stacked.args[1] % rank if len(stacked.args) > 1 else 0
        rest = [dim - (dim > at) for dim in order if dim != at]
        with graph.inserting_before(node):
            parts = [graph.call_function(aten.permute.default, (part, rest)) for part in stacked.args[0]]
            made = graph.call_function(aten.stack.default, (parts, order.index(at)))
        for part, source in zip(parts, stacked.args[0]):
            part.meta = permuted.meta | {"val": source.meta["val"].permute(rest)}
        made.meta = stacked.meta | {"val": node.meta["val"]}
        node.replace_all_uses_with(made)
        graph.erase_node(node)


_RESHAPES = (
    aten.view.default,
    aten._unsafe_view.default,
    aten.expand.default,
    aten.reshape.default,
    aten.permute.default,
)


def _same_as_operand(node: torch.fx.Node) -> torch.fx.Node | None:
    """The operand of a change of shape that changes nothing, or of a product with 1."""
    reshapes = node.target in _RESHAPES
    by_one = node.target in (aten.mul.Scalar, aten.mul.Tensor) and type(node.args[1]) is int and node.args[1] == 1
    if not (reshapes or by_one):
        return None
    source, old, new = node.args[0], node.args[0].meta.get("val"), node.meta.get("val")
    if old is None or new is None or tuple(old.shape) != tuple(new.shape) or old.stride() != new.stride():
        return None
    return source if old.dtype == new.dtype else None
