"""What the user hands over, brought into one form: the models of the seeds, the batch, the data."""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.utils._pytree as pytree
from torch import nn
from torch.utils import data as loading

from blowup._refused import Refused


@dataclass
class Leaf:
    """One tensor of a batch.

    Attributes:
        name: its path in the batch: ``0``, ``x``, ``x.mask``; ``batch`` if the batch is one tensor.
        example: the tensor of the example batch.
        data: ``[samples, ...]`` if ``sampled``, else of the example's shape.
        sampled: whether a batch takes rows of the data, or the whole of it.
    """

    name: str
    example: torch.Tensor
    data: torch.Tensor
    sampled: bool


@dataclass
class Batches:
    """Where the batches of a training come from.

    Attributes:
        leaves: the tensors of a batch.
        form: how they make up the batch that the loss takes.
        rows: the rows of a batch, 0 where no leaf is sampled.
        samples: the rows of the data, 0 where no leaf is sampled.
        shuffles: whether the rows of a leaf that is not sampled may come in another order.
    """

    leaves: list[Leaf]
    form: pytree.TreeSpec
    rows: int
    samples: int
    shuffles: bool = True

    @property
    def rest(self) -> int:
        """The rows of an epoch's last batch if it is smaller than the others, else 0."""
        return self.samples % self.rows if self.rows else 0

    def whole(self, leaves: list[torch.Tensor]) -> Any:
        """The batch that the loss takes."""
        return pytree.tree_unflatten(leaves, self.form)

    def some(self, rows: int, generator: torch.Generator) -> list[torch.Tensor]:
        """Some batch: rows of the data at random, and the rows of what is not sampled shuffled."""
        orders: dict[int, torch.Tensor] = {}
        picked = []
        for leaf in self.leaves:
            count = leaf.data.shape[0] if leaf.data.dim() else 0
            if count and count not in orders:
                orders[count] = torch.randperm(count, generator=generator)
            take = orders[count][:rows] if leaf.sampled else orders.get(count) if self.shuffles else None
            picked.append(leaf.data.clone() if take is None else leaf.data[take])
        return picked


def batches(batch: Any, data: Any) -> Batches:
    """Reads the example batch and the data.

    Raises:
        Refused: if one of them holds something else than tensors, or they do not go together.
    """
    with_paths, form = pytree.tree_flatten_with_path(batch)
    names = [_name(path) for path, _ in with_paths]
    examples = [_tensor(leaf, f"`{name}` of the batch") for name, (_, leaf) in zip(names, with_paths)]
    if not examples:
        raise Refused("the batch holds no tensor")
    if data is None:
        return Batches([Leaf(n, e, e, False) for n, e in zip(names, examples)], form, 0, 0)
    collected = _collect(data)
    whole, form_of_data = pytree.tree_flatten(collected)
    if len(whole) != len(examples):
        raise Refused(f"a batch has {len(examples)} tensors and the data {len(whole)}: {form} and {form_of_data}")
    leaves = []
    for name, example, values in zip(names, examples, whole):
        held = _tensor(values, f"`{name}` of the data")
        if held.dtype != example.dtype:
            raise Refused(f"`{name}` is {example.dtype} in the batch and {held.dtype} in the data")
        if held.shape[1:] != example.shape[1:]:
            shapes = f"{list(example.shape)} in the batch and {list(held.shape)} in the data"
            raise Refused(f"`{name}` is {shapes}; all but the first dimension must agree")
        leaves.append(Leaf(name, example, held, held.shape != example.shape))
    sampled = [leaf for leaf in leaves if leaf.sampled]
    if not sampled:
        return Batches(leaves, form, 0, 0)
    rows = {leaf.example.shape[0] for leaf in sampled}
    samples = {leaf.data.shape[0] for leaf in sampled}
    if len(rows) > 1 or len(samples) > 1:
        raise Refused(f"the tensors of the batch have {sorted(rows)} rows and those of the data {sorted(samples)}")
    if min(rows) == 0 or min(samples) < min(rows):
        raise Refused(f"a batch of {min(rows)} rows and data of {min(samples)}")
    return Batches(leaves, form, rows.pop(), samples.pop())


def seed_list(seeds: int | list[int]) -> list[int]:
    """The seeds: 0, 1, ... for a number, else as they are."""
    made = list(range(seeds)) if isinstance(seeds, int) else [int(seed) for seed in seeds]
    if not made or len(set(made)) != len(made):
        raise Refused("`seeds` must be a number from 1, or different integers")
    return made


def make(model: Callable[[], nn.Module], seed: int) -> nn.Module:
    """The model of a seed. The generators of Python, NumPy and PyTorch start from it.

    Raises:
        Refused: if ``model`` makes no module that can be traced.
    """
    if isinstance(model, nn.Module):
        raise Refused("`model` is a module; pass a function that makes one, for the weights of each seed")
    with seeded(seed):
        made = model()
    if not isinstance(made, nn.Module):
        raise Refused(f"`model` made a {type(made).__name__}, not a torch.nn.Module")
    for name, tensor in (*made.named_parameters(), *made.named_buffers()):
        if nn.parameter.is_lazy(tensor):
            raise Refused(f"`{name}` has no shape yet; let `model` run the module once before it returns it")
        if tensor.device.type != "cpu":
            raise Refused(f"`{name}` is on {tensor.device}; make the model on the CPU")
    if not any(parameter.requires_grad for parameter in made.parameters()):
        raise Refused("the model has no parameter that asks for gradients")
    return made


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Starts all generators from a seed, and puts them back afterwards."""
    numpy = sys.modules.get("numpy")
    host, array = random.getstate(), numpy.random.get_state() if numpy else None
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            random.seed(seed)
            if numpy:
                numpy.random.seed(seed % 2**32)
            yield
    finally:
        random.setstate(host)
        if numpy:
            numpy.random.set_state(array)


def host_state() -> Any:
    """The state of the generators of Python and NumPy."""
    numpy = sys.modules.get("numpy")
    array = numpy.random.get_state() if numpy else None
    return random.getstate(), array and (array[1].tolist(), array[2:])


def _collect(data: Any) -> Any:
    """A data set or a loader as tensors with the samples as their first dimension."""
    if isinstance(data, loading.DataLoader):
        parts = list(data)
        leaves = [pytree.tree_leaves(part) for part in parts]
        form = pytree.tree_flatten(parts[0])[1]
        return pytree.tree_unflatten([torch.cat([torch.as_tensor(x) for x in same]) for same in zip(*leaves)], form)
    plain = isinstance(data, (torch.Tensor, tuple, list, dict)) or hasattr(data, "__array__")
    if not plain and hasattr(data, "__getitem__") and hasattr(data, "__len__"):
        return loading.default_collate([data[index] for index in range(len(data))])
    return data


def _tensor(value: Any, what: str) -> torch.Tensor:
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu").contiguous()
    if hasattr(value, "__array__"):
        return torch.as_tensor(value).contiguous()
    raise Refused(f"{what} is a {type(value).__name__}; it must be a tensor or an array")


def _name(path: tuple[Any, ...]) -> str:
    def key(of: Any) -> str:
        return str(next(getattr(of, name) for name in ("key", "idx", "name") if hasattr(of, name)))

    return ".".join(key(of) for of in path) or "batch"
