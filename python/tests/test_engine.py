"""The program trains bundles as plain PyTorch trains the models that they come from."""

from __future__ import annotations

import csv
import os
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from unittest import mock

import blowup
import pytest
import tomllib
import torch
from blowup._bundle import Bundle
from safetensors.torch import load_file

import faults
from faults import FAULTS
from zoo import ZOO, Example

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "target" / "release" / "blowup"
TOLERANCE = 1e-9
EPOCHS = 12


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
# Without random numbers of their own, which plain PyTorch would draw otherwise.
QUIET = [name for name in ZOO if "dropout" not in name and name not in ("vae", "diffusion")]


@pytest.fixture(scope="module")
def program() -> Path:
    if not PROGRAM.exists():
        pytest.fail(f"{PROGRAM} is missing: make build")
    return PROGRAM


def run(program: Path, *args: Any) -> str:
    environment = {key: value for key, value in os.environ.items() if key != "LD_LIBRARY_PATH"}
    done = subprocess.run([program, *map(str, args)], check=False, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Exports each model once."""
    folder = tmp_path_factory.mktemp("bundles")

    def exported(name: str) -> Path:
        path = folder / f"{list(ZOO).index(name)}.blowup"
        if not path.exists():
            of = ZOO[name]
            data = None if of.rows is None else of.data
            blowup.export(path, model=of.model, loss=of.loss, batch=of.batch, data=data, seeds=[4, 5])
        return path

    return exported


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", QUIET)
def test_a_sweep_trains_as_plain_pytorch(
    name: str, optimizer: str, program: Path, bundles: Callable[[str], Path], tmp_path: Path
) -> None:
    example = ZOO[name]
    written, make = OPTIMIZERS[optimizer]
    file = bundles(name)
    lr = example.lr if optimizer == "sgd" else example.lr / 10
    spec = tmp_path / "spec.toml"
    spec.write_text(
        f'name = "own"\nepochs = {EPOCHS}\nseeds = [5]\n[record]\nsteps = 1000\n'
        f'[[grid]]\nnetwork = {{ file = "{file}" }}\nlr = {lr}\n{written}\n'
    )
    run(program, "sweep", spec, "--out", tmp_path / "run", "--quiet")
    (row,) = csv.DictReader((tmp_path / "run" / "runs.csv").open())
    run(program, "replay", tmp_path / "run", row["trial"], "--trace", tmp_path / "trace")
    start = load_file(tmp_path / "trace" / "tensors.safetensors")
    torch.manual_seed(5)
    model = example.model()
    for parameter, value in model.named_parameters():
        assert torch.equal(start[f"parameters.{parameter}"], value)
    steps = list(csv.DictReader((tmp_path / "run" / "steps.csv").open()))
    told = train(example, model, make(model.parameters(), lr), start.get("order"), optimizer)
    assert len(steps) == len(told)
    # A loss may come close to 0, or a rounding grow: both are compared with the first loss.
    scale = max(abs(told[0][0]), 1e-3)
    chaotic = 1e-5 if example.chaotic else TOLERANCE
    for step, (loss, norm) in zip(steps, told):
        assert float(step["loss"]) == pytest.approx(loss, rel=chaotic, abs=chaotic * scale)
        assert float(step["grad_norm"]) == pytest.approx(norm, rel=chaotic, abs=chaotic * told[0][1])
    assert tomllib.loads((tmp_path / "trace" / "trace.toml").read_text())["measured"]["steps_run"] == len(steps)


def train(
    example: Example, model: torch.nn.Module, optimizer: torch.optim.Optimizer | Muon, order: Any, clip: str
) -> list[tuple[float, float]]:
    """The loss and the norm of the gradient at every step, in plain PyTorch."""
    told = []
    for epoch in range(EPOCHS):
        rows = [None] if order is None else order[epoch].split(example.rows or 1)
        for part in rows:
            batch = example.data if part is None else tuple(x[part] for x in example.data)
            optimizer.zero_grad()
            loss = example.loss(model, batch)
            loss.backward()
            gradients = [p.grad for p in model.parameters() if p.grad is not None]
            norm = torch.nn.utils.get_total_norm(gradients)
            if clip == "nesterov":
                torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            elif clip == "adamw":
                torch.nn.utils.clip_grad_value_(model.parameters(), 0.01)
            optimizer.step()
            told.append((loss.item(), norm.item()))
    return told


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


def swept(program: Path, spec: Path, folder: Path) -> list[dict[str, str]]:
    run(program, "sweep", spec, "--out", folder, "--quiet")
    return list(csv.DictReader((folder / "runs.csv").open()))
