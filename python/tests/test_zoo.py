"""Models train by their bundle as by their own loop in plain PyTorch."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import blowup
import pytest
import torch
from blowup import _run
from blowup._bundle import Bundle
from blowup._export import draws

from zoo import ZOO, Example

LANES, TOLERANCE = 3, 1e-9


@pytest.mark.parametrize("name", ZOO)
def test_twenty_steps_equal_plain_pytorch(name: str, tmp_path: Path) -> None:
    trains_as_plain_pytorch(replace(ZOO[name], chaotic=False), 20, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ZOO)
def test_two_hundred_steps_equal_plain_pytorch(name: str, tmp_path: Path) -> None:
    trains_as_plain_pytorch(ZOO[name], 200, tmp_path)


def trains_as_plain_pytorch(example: Example, steps: int, folder: Path) -> None:
    data = None if example.rows is None else example.data
    path = folder / "model.blowup"
    blowup.export(path, model=example.model, loss=example.loss, batch=example.batch, data=data, seeds=[4, 5])
    bundle = Bundle.load(path)
    program = _run.Program(bundle)
    assert {graph["rows"] for graph in bundle.program["graphs"]} == _sizes(example)

    models = []
    for lane in range(LANES):
        torch.manual_seed([4, 5][lane % 2])
        models.append(example.model())
    optimizers = [torch.optim.SGD(model.parameters(), lr=example.lr) for model in models]
    state = program.initial([0, 1, 0])
    generator = torch.Generator().manual_seed(1)
    losses = []
    for step in range(steps):
        size = max(_sizes(example)) if step % 4 < 3 else min(_sizes(example))
        rows = torch.stack([torch.randperm(len(example.data[0]), generator=generator)[:size] for _ in range(LANES)])
        batch = program.batch_of(rows)
        drawn = program.draw(LANES, generator, size)
        made = program.step(state, batch, drawn, size)
        for lane, (model, optimizer) in enumerate(zip(models, optimizers)):
            streams = program.graph(size)["draws"]
            numbers = {stream["order"]: x[lane] for stream, x in zip(streams, drawn)}
            optimizer.zero_grad()
            with draws.Given(numbers):
                loss = example.loss(model, tuple(x[lane] for x in batch))
            loss.backward()
            assert off(made.loss[lane], loss.detach()) < TOLERANCE, f"the loss of step {step}"
            gradients = dict(model.named_parameters())
            made_flat = torch.cat([x[lane].flatten() for x in made.gradients.values()])
            told_flat = torch.cat([_gradient(gradients[n]).flatten() for n in made.gradients])
            assert off(made_flat, told_flat) < TOLERANCE, f"the gradient of step {step}"
            optimizer.step()
        state = _run.sgd(state, made, example.lr)
        if example.chaotic:
            for name, parameter in state.parameters.items():
                parameter.copy_(torch.stack([model.get_parameter(name).detach() for model in models]))
        losses.append(made.loss)
    for lane, model in enumerate(models):
        for name, parameter in model.named_parameters():
            assert off(state.parameters[name][lane], parameter.detach()) < TOLERANCE, name
        buffers = dict(model.named_buffers())
        for name, buffer in state.buffers.items():
            assert off(buffer[lane], buffers[name]) < TOLERANCE, name
    assert torch.stack(losses).isfinite().all()


def test_the_same_lane_alone_and_among_others(tmp_path: Path) -> None:
    example = ZOO["resnet, batch norm"]
    path = tmp_path / "model.blowup"
    blowup.export(
        path, model=example.model, loss=example.loss, batch=example.batch, data=example.data, seeds=9, drop_last=True
    )
    program = _run.Program(Bundle.load(path))
    rows = torch.arange(4).expand(9, 4)
    together = program.step(program.initial(list(range(9))), program.batch_of(rows), [])
    for lane in (0, 4, 8):
        alone = program.step(program.initial([lane]), program.batch_of(rows[:1]), [])
        assert off(alone.loss[0], together.loss[lane]) < TOLERANCE


def test_a_float32_model_is_checked_in_float64(tmp_path: Path) -> None:
    example = ZOO["logging"]
    made = blowup.export(
        tmp_path / "model.blowup",
        model=lambda: copy.deepcopy(example.model()).float(),
        loss=example.loss,
        batch=(example.batch[0].float(), example.batch[1]),
        seeds=2,
    )
    assert made.difference < 1e-12
    bundle = Bundle.load(made.path)
    assert {of["dtype"] for of in bundle.program["parameters"]} == {"F32"}


def off(made: torch.Tensor, told: torch.Tensor) -> float:
    """The relative distance of two tensors."""
    made, told = made.double(), told.double()
    return float((made - told).norm() / told.norm().clamp_min(1e-12))


def _sizes(example: Example) -> set[int]:
    if example.rows is None:
        return {0}
    return {example.rows, len(example.data[0]) % example.rows} - {0}


def _gradient(parameter: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
