"""The step of one lane as a functional graph: from weights and a batch to loss and gradients.

The user's code runs under plain autograd, so it may do with it what it likes. Tensors have no
values while it is traced; a Python value that depends on one is therefore noticed, not frozen.
"""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch
import torch._dynamo
import torch.fx.traceback as node_metadata
import torch.utils._pytree as pytree
import torch.utils.checkpoint
from torch import nn
from torch._decomp import decomposition_table, decompositions, get_decompositions
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode

from blowup._export import draws, folded, places
from blowup._export.rules import has_batching_rule
from blowup._refused import Refused

aten = torch.ops.aten
Loss = Callable[[nn.Module, Any], torch.Tensor]


@dataclass
class OneLane:
    """The step of one lane.

    Attributes:
        graph: takes the trained parameters, the state and the leaves of the batch; returns the loss
            (a tensor without dimensions), the gradient of each trained parameter that the loss
            depends on, and the new state.
        trained: the names of the parameters that are trained.
        unused: those of them that the loss does not depend on.
        state: the names of the buffers, and of the parameters that do not ask for gradients.
        changed: those names of the state whose tensors a step changes.
        draws: the random draws by the nodes of the graph that make them.
        recorded: the calls of the step as they were made; see `record`.
    """

    graph: torch.fx.GraphModule
    trained: list[str]
    unused: set[str]
    state: list[str]
    changed: set[str]
    draws: dict[torch.fx.Node, draws.Draw]
    recorded: torch.fx.GraphModule


def tensors_of(model: nn.Module) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """The trained parameters of a model, and its state: buffers, and parameters not trained."""
    trained = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}
    state = {name: p.detach() for name, p in model.named_parameters() if not p.requires_grad}
    return trained, state | {name: buffer.detach() for name, buffer in model.named_buffers()}


def trace(model: nn.Module, loss: Loss, leaves: list[torch.Tensor], form: pytree.TreeSpec) -> OneLane:
    """The step of a model as a functional graph without dead code.

    Args:
        leaves: the tensors of a batch, which ``form`` makes into the batch that ``loss`` takes.

    Raises:
        Refused: if the program is none that a graph can hold.
    """
    raw, unused = record(model, loss, leaves, form)
    trained, state = tensors_of(model)
    flat = (*trained.values(), *state.values(), *leaves)
    with _quiet():
        functional = make_fx(
            torch.func.functionalize(_again(raw), remove="mutations"),
            decomposition_table=_decompositions(),
            tracing_mode="fake",
            _allow_non_fake_inputs=True,
        )(*flat)
    _tidy(functional)
    _refuse_what_is_left(functional, model)
    nodes = list(functional.graph.nodes)
    inputs = [node for node in nodes if node.op == "placeholder"]
    results = nodes[-1].args[0]
    results = results[len(results) - len(state) :]
    changed = {name for name, old, new in zip(state, inputs[len(trained) :], results) if old is not new}
    drawn = {
        node: draws.of(node.target, _first(node.meta["val"]))
        for node in nodes
        if node.op == "call_function" and draws.is_draw(node.target)
    }
    return OneLane(functional, list(trained), unused, list(state), changed, drawn, raw)


def record(
    model: nn.Module, loss: Loss, leaves: list[torch.Tensor], form: pytree.TreeSpec
) -> tuple[torch.fx.GraphModule, set[str]]:
    """The calls of one step as they are made, forward and backward, without dead code.

    Also the names of the parameters that the loss does not depend on.
    """
    trained, state = tensors_of(model)
    unused: set[str] = set()

    def step(*flat: torch.Tensor) -> tuple[torch.Tensor, ...]:
        weights = {name: t.detach().requires_grad_(True) for name, t in zip(trained, flat)}
        held = {name: t.clone() for name, t in zip(state, flat[len(trained) :])}
        batch = pytree.tree_unflatten([t.clone() for t in flat[len(trained) + len(state) :]], form)
        modules = places.Modules(model)
        # The weights stand in the module during the backward pass too: `checkpoint` runs the
        # forward pass again there.
        with (
            nn.utils.stateless._reparametrize_module(model, {**weights, **held}, tie_weights=True),
            modules,
            places.Recorder(modules, list(weights.values())),
            node_metadata.preserve_node_meta(),
        ):
            try:
                with torch.enable_grad():
                    result = loss(model, batch)
                _check_loss(result, loss)
                gradients = torch.autograd.grad(result, list(weights.values()), allow_unused=True)
            except Refused:
                raise
            except GuardOnDataDependentSymNode as error:
                reason = "a Python value depends on the data (if, while, float(), int(), range())"
                raise Refused(reason, places.of_error(error, modules)) from error
            except Exception as error:
                raise Refused(places.last_line(error), places.of_error(error, modules)) from error
        unused.update(name for name, gradient in zip(weights, gradients) if gradient is None)
        known = [gradient for gradient in gradients if gradient is not None]
        return (result.detach().reshape(()), *known, *held.values())

    with _quiet(), _as_a_program():
        graph = make_fx(
            step,
            # This form of batch norm says that it changes the running statistics.
            decomposition_table={
                aten.native_batch_norm.default: decompositions.native_batch_norm_decomposition,
            },
            tracing_mode="fake",
            _allow_non_fake_inputs=True,
        )(*trained.values(), *state.values(), *leaves)
    graph.graph.eliminate_dead_code(lambda node: node.op in ("placeholder", "output") or changes_inputs(node))
    graph.recompile()
    return graph, unused


def refuse_if_different(first: torch.fx.GraphModule, second: torch.fx.GraphModule) -> None:
    """Refuses a program whose step was traced twice and gave two graphs.

    Raises:
        Refused: at the first node that differs.
    """
    why = "two traces of the step differ here: it depends on Python state that changes (a counter, host randomness)"
    ones, others = list(first.graph.nodes), list(second.graph.nodes)
    number = {node: at for nodes in (ones, others) for at, node in enumerate(nodes)}

    def text(node: torch.fx.Node) -> str:
        args, kwargs = torch.fx.node.map_arg((node.args, node.kwargs), lambda n: f"%{number[n]}")
        return repr((node.op, str(node.target), args, kwargs))

    for one, other in zip(ones, others):
        if one.op == other.op == "get_attr":
            held = [getattr(graph, str(node.target)) for graph, node in ((first, one), (second, other))]
            if not same(*held):
                user = next(iter(one.users), one)
                raise Refused(why + "; a tensor that is neither parameter nor buffer changed", places.of_node(user))
        elif text(one) != text(other):
            raise Refused(why, places.of_node(one) or places.of_node(other))
    if len(ones) != len(others):
        raise Refused(why)


def changes_inputs(node: torch.fx.Node) -> bool:
    """Whether a node calls an operator that changes one of its arguments."""
    return (
        node.op == "call_function" and isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable
    )


def _again(graph: torch.fx.GraphModule) -> Callable[..., Any]:
    """A graph as a function, to be traced again; its nodes keep their places."""
    interpreter = torch.fx.Interpreter(graph)

    def run(*args: Any) -> Any:
        with node_metadata.preserve_node_meta():
            return interpreter.run(*args)

    return run


def _decompositions() -> dict[Any, Callable[..., Any]]:
    """What operators without a batching rule are made of, where PyTorch knows it."""
    known = {
        op: made_of
        for op, made_of in decomposition_table.items()
        if isinstance(op, torch._ops.OpOverload)
        and op.namespace == "aten"
        and not has_batching_rule(op)
        and not folded.has_rule(op)
        and torch.Tag.nondeterministic_seeded not in op.tags
        and any("Tensor" in str(argument.type) for argument in op._schema.arguments)
    }
    # The batching rule of this one writes into its input.
    return known | get_decompositions(
        [aten._native_batch_norm_legit_functional.default, aten.native_batch_norm_backward.default]
    )


SAME_AS_INPUT = (aten.detach.default, aten.lift_fresh.default, aten.lift_fresh_copy.default, aten.alias.default)


def is_plain_copy(node: torch.fx.Node) -> bool:
    """Whether a node copies a tensor as it lies: where nothing changes in place, for nothing."""
    if node.target is not aten.clone.default:
        return False
    old, new = node.args[0].meta.get("val"), node.meta.get("val")
    return old is not None and new is not None and old.stride() == new.stride()


def _tidy(graph: torch.fx.GraphModule) -> None:
    for node in list(graph.graph.nodes):
        if node.op != "call_function":
            continue
        if node.target in SAME_AS_INPUT or is_plain_copy(node):
            node.replace_all_uses_with(node.args[0])
            graph.graph.erase_node(node)
        elif node.target is aten._assert_tensor_metadata.default:
            graph.graph.erase_node(node)
        elif node.target is aten.fill.Scalar:
            node.target = aten.full_like.default
        elif node.target in (aten.view.default, aten._unsafe_view.default):
            # What is a view of one lane may need a copy of several.
            node.target = aten.reshape.default
    graph.graph.eliminate_dead_code(lambda node: node.op in ("placeholder", "output"))
    graph.recompile()


def _refuse_what_is_left(graph: torch.fx.GraphModule, model: nn.Module) -> None:
    own = {t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers()) if t.numel()}
    for node in graph.graph.nodes:
        place = places.of_node(node)
        if node.op == "get_attr":
            value = getattr(graph, str(node.target))
            user = next(iter(node.users), node)
            if not isinstance(value, torch.Tensor) or type(value) not in (torch.Tensor, nn.Parameter):
                raise Refused("a value that is no plain tensor is used as a constant", places.of_node(user))
            if isinstance(value, nn.Parameter) or value.requires_grad or value.untyped_storage().data_ptr() in own:
                raise Refused("a parameter that is not the model's is used as a constant", places.of_node(user))
        elif changes_inputs(node):
            raise Refused(f"`{node.target}` changes a tensor that outlives the step", place)
        elif node.op == "call_function" and "_local_scalar_dense" in str(node.target):
            raise Refused("the value of `.item()` is used in the computation; use the tensor itself", place)


def _check_loss(result: Any, loss: Loss) -> None:
    place = places.of_function(loss)
    if not isinstance(result, torch.Tensor):
        raise Refused(f"the loss must return a tensor, not {type(result).__name__}", place)
    if result.numel() != 1:
        raise Refused(f"the loss is a tensor of shape {tuple(result.shape)}; return its mean() or sum()", place)
    if not result.requires_grad:
        raise Refused("the loss depends on no parameter that asks for gradients", place)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No checks that look at values, nothing compiled, and the kernels that every device has."""
    validate = torch.distributions.Distribution._validate_args
    with contextlib.ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.callback(torch.distributions.Distribution.set_default_validate_args, validate)
        torch.distributions.Distribution.set_default_validate_args(False)
        stack.enter_context(torch.compiler.set_stance("force_eager"))
        stack.enter_context(torch._dynamo.config.patch(error_on_nested_fx_trace=False))
        stack.enter_context(torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH))
        stack.enter_context(torch.backends.mkldnn.flags(enabled=False))
        yield


@contextlib.contextmanager
def _as_a_program() -> Iterator[None]:
    """While it is traced the user's code may format a value for a log, and must not recompute."""

    def reentrant(*_: Any, **__: Any) -> Any:
        raise RuntimeError("`checkpoint` with use_reentrant=True cannot be traced; pass use_reentrant=False")

    with (
        mock.patch.object(torch.SymFloat, "__format__", lambda _, spec: format(math.nan, spec), create=True),
        mock.patch.object(torch.SymInt, "__format__", lambda _, spec: format(0, spec), create=True),
        mock.patch.object(torch.utils.checkpoint.CheckpointFunction, "apply", reentrant),
    ):
        yield


def same(one: Any, other: Any) -> bool:
    """Whether two constants are the same, number by number."""
    if not isinstance(one, torch.Tensor) or not isinstance(other, torch.Tensor):
        return type(one) is type(other)
    return one.dtype == other.dtype and one.shape == other.shape and bool(((one == other) | (one != one)).all())


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, (tuple, list)) else value
