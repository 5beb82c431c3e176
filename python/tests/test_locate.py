"""A planted fault is found: its line, its module, forward or derivative."""

from __future__ import annotations

from pathlib import Path

import blowup
import pytest
import torch
from blowup import _run
from blowup._bundle import Bundle
from blowup._locate import Fault, locate

import faults
from faults import FAULTS, Planted
from zoo import ZOO

_LINES = Path(faults.__file__).read_text().splitlines()


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found_by_line(name: str, tmp_path: Path) -> None:
    planted = FAULTS[name]
    program = _exported(planted, tmp_path)
    healthy = program.initial([0])
    assert locate(program, healthy, _lane(planted.good), []) is None
    spoilt = program.initial([0])
    if planted.spoil:
        planted.spoil(spoilt.parameters)
    fault = locate(program, spoilt, _lane(planted.bad or planted.good), [])
    assert fault is not None, "the step is not bad"
    assert fault.place is not None, str(fault)
    line = next(at for at, text in enumerate(_LINES, 1) if text.endswith(f"# FAULT {name}"))
    assert (fault.place.file, fault.place.line) == ("faults.py", line), str(fault)
    assert fault.place.module == planted.module, str(fault)
    assert fault.derivative == planted.derivative, str(fault)


def test_the_other_lanes_stay_finite(tmp_path: Path) -> None:
    planted = FAULTS["softmax"]
    program = _exported(planted, tmp_path)
    good, bad = _lane(planted.good), _lane(planted.bad or ())
    batch = [torch.cat([a, b, a]) for a, b in zip(good, bad)]
    made = program.step(program.initial([0, 0, 0]), batch, [])
    assert made.loss.isfinite().tolist() == [True, False, True]


def test_a_bad_weight_or_input_is_named(tmp_path: Path) -> None:
    program = _exported(FAULTS["deep"], tmp_path)
    state, (x,) = program.initial([0]), _lane(FAULTS["deep"].good)
    assert _source(locate(program, state, [x * float("nan")], [])) == "input `0`"
    state.parameters["layers.3.weight"][0, 0, 0] = float("inf")
    assert _source(locate(program, state, [x], [])) == "parameter `layers.3.weight`"


def test_a_healthy_causal_mask_is_no_fault(tmp_path: Path) -> None:
    example = ZOO["transformer, written out"]
    path = tmp_path / "model.blowup"
    blowup.export(path, model=example.model, loss=example.loss, batch=example.batch, seeds=1)
    program = _run.Program(Bundle.load(path))
    state, batch = program.initial([0]), program.batch_of(torch.zeros(1, 0, dtype=torch.long))
    for _ in range(20):
        assert locate(program, state, batch, []) is None
        state = _run.sgd(state, program.step(state, batch, []), example.lr)


def _exported(planted: Planted, folder: Path) -> _run.Program:
    path = folder / "model.blowup"
    blowup.export(path, model=planted.model, loss=planted.loss, batch=planted.good, seeds=1)
    return _run.Program(Bundle.load(path))


def _lane(batch: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
    return [x[None] for x in batch]


def _source(fault: Fault | None) -> str:
    return fault.source if fault else ""
