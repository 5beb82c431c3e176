"""Which operators vmap can batch, and the one operator that runs any other lane by lane."""

from __future__ import annotations

from typing import Any

import torch
import torch.utils._pytree as pytree

_LIBRARY = torch.library.Library("blowup", "FRAGMENT")
_lane_by_lane: dict[Any, Any] = {}
_original: dict[Any, Any] = {}


def has_batching_rule(op: Any) -> bool:
    """Whether vmap can batch an operator without a loop over the lanes."""
    schema = op._schema
    name = schema.name + ("." + schema.overload_name if schema.overload_name else "")
    has = torch._C._dispatch_has_kernel_for_dispatch_key
    return has(name, "FuncTorchBatched") or (has(name, "CompositeImplicitAutograd") and not has(name, "CPU"))


def lane_by_lane(op: Any) -> Any:
    """An operator that runs ``op`` once per lane; every tensor has the lanes as dimension 0."""
    if op in _lane_by_lane:
        return _lane_by_lane[op]
    schema = op._schema
    name = "each_" + schema.name.replace("::", "_") + "_" + (schema.overload_name or "default")
    _LIBRARY.define(name + str(schema)[str(schema).index("(") :])

    def one(args: Any, lane: int) -> Any:
        picked = pytree.tree_map(lambda x: x[lane] if isinstance(x, torch.Tensor) else x, args)
        return op(*picked[0], **picked[1])

    def loop(*args: Any, **kwargs: Any) -> Any:
        results = [one((args, kwargs), lane) for lane in range(_lanes((args, kwargs)))]
        return pytree.tree_map(lambda *same: torch.stack(same), *results)

    def shape(*args: Any, **kwargs: Any) -> Any:
        lanes = _lanes((args, kwargs))
        return pytree.tree_map(lambda x: x.new_empty((lanes, *x.shape)), one((args, kwargs), 0))

    _LIBRARY.impl(name, loop, "CPU")
    torch.library.register_fake("blowup::" + name, shape)
    made = getattr(torch.ops.blowup, name).default
    _lane_by_lane[op] = made
    _original[made] = op
    return made


def original(op: Any) -> Any | None:
    """The operator that a `lane_by_lane` operator runs, or None if it is none."""
    return _original.get(op)


def _lanes(args: Any) -> int:
    return next(int(x.shape[0]) for x in pytree.tree_leaves(args) if isinstance(x, torch.Tensor))
