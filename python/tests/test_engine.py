"""The program trains bundles as plain PyTorch trains the models that they come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from unittest import mock

import blowup
import pytest
import torch
from blowup._bundle import DTYPES, Bundle
from blowup._export import draws
from safetensors.torch import load_file

import faults
from dynamics import Steps, agreeing, perturb
from engine import run, steps_of, swept, traced
from faults import FAULTS
from zoo import ZOO, Example

TOLERANCE = 1e-9
# The steps of the usual test and of the long one.
FEW, MANY = 48, 200
# The fewest steps that are compared of a model whose dynamics are chaotic.
STEADY = 20


class Muon:
    """PyTorch's Muon for the parameters of two dimensions, without its rounding to bfloat16, and
    AdamW for the others."""

    def __init__(self, parameters: Iterable[torch.nn.Parameter], lr: float) -> None:
        all_of_them = list(parameters)
        matrices = [p for p in all_of_them if p.ndim == 2]
        others = [p for p in all_of_them if p.ndim != 2]
        self.parts = [torch.optim.Muon(matrices, lr, weight_decay=0.1)] if matrices else []
        self.parts += [torch.optim.AdamW(others, lr, weight_decay=0.1)] if others else []

    def zero_grad(self) -> None:
        for part in self.parts:
            part.zero_grad()

    def step(self) -> None:
        with mock.patch.object(torch.Tensor, "bfloat16", lambda tensor: tensor.clone()):
            for part in self.parts:
                part.step()


# Optimizers of a spec and the same in PyTorch. Each clips in its own way.
OPTIMIZERS: dict[str, tuple[str, Callable[..., torch.optim.Optimizer | Muon]]] = {
    "sgd": ('optimizer = "sgd"\nclip = "none"', torch.optim.SGD),
    "nesterov": (
        'optimizer = "sgd"\nmomentum = 0.9\nnesterov = true\nclip = "norm(0.5)"\nweight_decay = 0.01',
        lambda p, lr: torch.optim.SGD(p, lr, momentum=0.9, nesterov=True, weight_decay=0.01),
    ),
    "adamw": (
        'optimizer = "adamw"\nweight_decay = 0.1\nclip = "value(0.01)"',
        lambda p, lr: torch.optim.AdamW(p, lr, weight_decay=0.1),
    ),
    "muon": ('optimizer = "muon"\nclip = "none"\nweight_decay = 0.1', Muon),
}
# Models with parameters of one to four dimensions, for what depends on their shapes.
SHAPED = ["mlp", "resnet, group norm", "transformer, written out", "lstm"]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", ZOO)
def test_a_sweep_trains_as_plain_pytorch(
    name: str, optimizer: str, program: Path, bundles: Callable[[str], Path], tmp_path: Path
) -> None:
    trains_as_plain_pytorch(name, optimizer, FEW, program, bundles(name), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ZOO)
def test_two_hundred_steps_equal_plain_pytorch(
    name: str, program: Path, bundles: Callable[[str], Path], tmp_path: Path
) -> None:
    trains_as_plain_pytorch(name, "sgd", MANY, program, bundles(name), tmp_path)


def trains_as_plain_pytorch(name: str, optimizer: str, steps: int, program: Path, file: Path, folder: Path) -> None:
    example = ZOO[name]
    written, make = OPTIMIZERS[optimizer]
    lr = example.lr if optimizer == "sgd" else example.lr / 10
    spec = folder / "spec.toml"
    spec.write_text(
        f'name = "own"\nsteps = {steps}\nseeds = [5]\n[record]\nsteps = {steps}\n'
        f'[[grid]]\nnetwork = {{ file = "{file}" }}\nlr = {lr}\n{written}\n'
    )
    (row,) = swept(program, spec, folder / "run")
    start = traced(program, folder / "run", row["trial"], steps)
    torch.manual_seed(5)
    for parameter, value in example.model().named_parameters():
        assert torch.equal(start[f"parameters.{parameter}"], value)
    graphs = Bundle.load(file).program["graphs"]
    found = [(float(step["loss"]), float(step["grad_norm"])) for step in steps_of(folder / "run")[row["trial"]]]
    assert len(found) == steps

    def train(seed: int | None) -> Steps:
        torch.manual_seed(5)
        model = example.model()
        if seed is not None:
            perturb(model, seed)
        return train_plainly(example, model, make(model.parameters(), lr), steps, start, graphs, optimizer)

    compared = agreeing(found, train)
    assert compared == steps or (example.chaotic and compared >= STEADY), f"{compared} of {steps} steps"


def train_plainly(
    example: Example,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    steps: int,
    start: dict[str, torch.Tensor],
    graphs: list[dict[str, Any]],
    clip: str,
) -> Steps:
    """The loss and the norm of the gradient at every step, in plain PyTorch.

    Args:
        start: what a trace holds. Its random numbers stand in the place of PyTorch's own.
        graphs: those of the bundle, which say what the random numbers are for.
    """
    told = []
    order, size = start.get("order"), example.rows or 1
    within = 1 if order is None else -(-order.shape[1] // size)
    for step in range(steps):
        epoch, at = divmod(step, within)
        part = None if order is None else order[epoch].split(size)[at]
        batch = example.data if part is None else tuple(x[part] for x in example.data)
        (graph,) = [graph for graph in graphs if part is None or graph["rows"] == len(part)]
        optimizer.zero_grad()
        with draws.Given(drawn(start, step, graph)):
            loss = example.loss(model, batch)
        loss.backward()
        norm = torch.nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None])
        if clip == "nesterov":
            torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        elif clip == "adamw":
            torch.nn.utils.clip_grad_value_(model.parameters(), 0.01)
        optimizer.step()
        told.append((loss.item(), norm.item()))
    return told


def drawn(start: dict[str, torch.Tensor], step: int, graph: dict[str, Any]) -> dict[int, torch.Tensor]:
    """The random numbers of a step, by the position of the draw in the program."""
    return {of["order"]: start[f"draws.{step}.{of['name']}"].to(DTYPES[of["dtype"]]) for of in graph["draws"]}


def adaptively(parameters: list[torch.nn.Parameter]) -> None:
    """Adaptive gradient clipping at 0.02 (Brock et al. 2021); a unit is a row, or a vector."""
    for p in parameters:
        over = tuple(range(1, p.dim())) or (0,)
        weight = torch.linalg.vector_norm(p.detach(), dim=over, keepdim=True).clamp(min=1e-3)
        gradient = torch.linalg.vector_norm(p.grad, dim=over, keepdim=True)
        p.grad *= torch.where(gradient < 0.02 * weight, 1.0, 0.02 * weight / gradient.clamp(min=1e-6))


def one_by_one(parameters: list[torch.nn.Parameter]) -> None:
    """Each parameter is clipped alone."""
    for p in parameters:
        torch.nn.utils.clip_grad_norm_([p], 0.05)


# What a spec says, the batches of an update, and the same in PyTorch.
GUARDS: dict[str, tuple[str, int, Callable[[list[torch.nn.Parameter]], None]]] = {
    "agc": ('clip = "agc(0.02)"', 1, adaptively),
    "per_layer": ('clip = "per_layer(0.05)"', 1, one_by_one),
    "accumulate": ("accumulate = 3", 3, lambda parameters: None),
}


@pytest.mark.parametrize("guard", GUARDS)
@pytest.mark.parametrize("name", SHAPED)
def test_a_sweep_clips_and_accumulates_as_plain_pytorch(
    name: str, guard: str, program: Path, bundles: Callable[[str], Path], tmp_path: Path
) -> None:
    example = ZOO[name]
    written, count, clip = GUARDS[guard]
    spec = tmp_path / "spec.toml"
    spec.write_text(
        f'name = "own"\nepochs = 4\nseeds = [5]\n[record]\nsteps = 1000\n[[grid]]\n'
        f'network = {{ file = "{bundles(name)}" }}\nlr = {example.lr}\nmomentum = 0.5\n{written}\n'
    )
    (row,) = swept(program, spec, tmp_path / "run")
    run(program, "replay", tmp_path / "run", row["trial"], "--trace", tmp_path / "trace")
    order = load_file(tmp_path / "trace" / "tensors.safetensors")["order"]
    torch.manual_seed(5)
    model = example.model()
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(parameters, example.lr, momentum=0.5)
    steps = iter(steps_of(tmp_path / "run")[row["trial"]])
    for epoch in range(4):
        parts = order[epoch].split(example.rows)
        for at in range(0, len(parts), count):
            group = parts[at : at + count]
            optimizer.zero_grad()
            losses = [example.loss(model, tuple(x[part] for x in example.data)) / len(group) for part in group]
            for loss in losses:
                loss.backward()
            norm = torch.nn.utils.get_total_norm([p.grad for p in parameters]).item()
            step = next(steps)
            assert float(step["loss"]) == pytest.approx(sum(losses).item(), rel=TOLERANCE)
            assert float(step["grad_norm"]) == pytest.approx(norm, rel=TOLERANCE)
            clip(parameters)
            optimizer.step()
    assert next(steps, None) is None
    assert guard == "accumulate" or float(row["clipped_fraction"]) > 0


@pytest.mark.parametrize("name", FAULTS)
def test_a_sweep_finds_a_planted_fault_by_line(name: str, program: Path, tmp_path: Path) -> None:
    planted = FAULTS[name]
    path = tmp_path / "model.blowup"
    blowup.export(path, model=planted.model, loss=planted.loss, batch=planted.good, seeds=1)
    spec = tmp_path / "spec.toml"
    spec.write_text(
        'name = "own"\nsteps = 5\n[[grid]]\nnetwork = { file = "model.blowup" }\nlr = 0.0\noptimizer = "sgd"\n'
    )
    # A healthy model has no fault.
    (healthy,) = swept(program, spec, tmp_path / "healthy")
    assert healthy["outcome"] == "stalled"
    assert not healthy["nonfinite_site"] + healthy["nonfinite_source"]
    bundle = Bundle.load(path)
    if planted.spoil:
        parameters = {of["name"]: bundle.tensors[of["initial"]] for of in bundle.program["parameters"]}
        planted.spoil(parameters)
    for leaf, bad in zip(bundle.program["batch"], planted.bad or planted.good):
        bundle.tensors[leaf["data"]] = bad
    bundle.save(path)
    (row,) = swept(program, spec, tmp_path / "spoilt")
    lines = Path(faults.__file__).read_text().splitlines()
    line = next(at for at, text in enumerate(lines, 1) if text.endswith(f"# FAULT {name}"))
    assert row["step_nonfinite"] == "0"
    assert row["nonfinite_source"] == f"faults.py:{line}", row["nonfinite_site"]
    assert row["nonfinite_site"].startswith("aten.")
    # Where there is no module, the function that has the line is named.
    module = row["nonfinite_module"].removeprefix("derivative of ")
    assert module == planted.module if planted.module else module
    assert row["nonfinite_module"].startswith("derivative of ") == planted.derivative
