"""What cannot be exported is refused with file, line and expression, and nothing is written."""

from __future__ import annotations

import inspect
import random
from pathlib import Path
from typing import Any

import blowup
import pytest
import torch
from blowup import Refused, _run
from blowup._bundle import Bundle, Damaged
from blowup._export import build, check, inputs, lanes, one_lane
from torch import nn

import refused
from refused import PROGRAMS

_LINES = Path(refused.__file__).read_text().splitlines()


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_is_refused_at_its_line(name: str, tmp_path: Path) -> None:
    model, loss = PROGRAMS[name]
    path = tmp_path / "model.blowup"
    with pytest.raises(Refused) as caught:
        blowup.export(path, model=model, loss=loss, batch=torch.randn(4, 8), seeds=2)
    source, first = inspect.getsourcelines(model if loss is refused.loss else loss)
    line = next(first + at for at, text in enumerate(source) if "# REFUSED" in text)
    said = str(caught.value)
    assert f"refused.py:{line} in" in said, said
    expression = _LINES[line - 1].split("# REFUSED")[1].strip()
    assert expression in said, said
    assert not path.exists()


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 1))

    def forward(self, x):
        return self.net(x) + torch.tensor([0.25, 0.5]).mean()


def _loss(model: nn.Module, batch: torch.Tensor) -> torch.Tensor:
    return model(batch).pow(2).mean()


@pytest.fixture(scope="module")
def built() -> tuple[Bundle, inputs.Batches]:
    return build(Net, _loss, torch.randn(6, 8), seeds=2)


def test_an_untouched_bundle_passes_the_self_check(built: tuple[Bundle, inputs.Batches]) -> None:
    assert check.check(built[0], Net, _loss, built[1]) < 1e-12


def test_a_changed_constant_is_refused_by_the_self_check(built: tuple[Bundle, inputs.Batches]) -> None:
    sabotaged = Bundle.from_bytes(built[0].to_bytes())
    (constant,) = (name for name in sabotaged.tensors if name.startswith("constant/"))
    sabotaged.tensors[constant] = sabotaged.tensors[constant] * (1 + 1e-6)
    with pytest.raises(Refused, match="self-check failed"):
        check.check(sabotaged, Net, _loss, built[1])


def test_any_dropped_node_is_refused_by_the_self_check(built: tuple[Bundle, inputs.Batches]) -> None:
    """Each call whose result could be taken for its first operand's is left out, one at a time."""
    whole = built[0].to_bytes()
    nodes = Bundle.from_bytes(whole).program["graphs"][0]["nodes"]
    dropped = 0
    for index, node in enumerate(nodes):
        sabotaged = Bundle.from_bytes(whole)
        name = sabotaged.program["operators"][node["op"]]["name"]
        if name not in ("aten::tanh", "aten::mul", "aten::rsqrt", "aten::neg", "aten::sub", "aten::add"):
            continue
        source = next(iter(_run.operands(node)))
        (result,) = node["out"]
        _rename(sabotaged.program["graphs"][0], result, source)
        del sabotaged.program["graphs"][0]["nodes"][index]
        with pytest.raises((Refused, RuntimeError), match=r"self-check failed|size|shape"):
            check.check(sabotaged, Net, _loss, built[1])
        dropped += 1
    assert dropped > 10


def test_an_export_whose_graph_goes_wrong_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = lanes.trace

    def wrong(*args: Any) -> torch.fx.GraphModule:
        graph = right(*args)
        node = next(n for n in graph.graph.nodes if n.target is torch.ops.aten.tanh.default)
        node.target = torch.ops.aten.sin.default
        return graph

    monkeypatch.setattr(lanes, "trace", wrong)
    with pytest.raises(Refused, match="self-check failed"):
        blowup.export(tmp_path / "model.blowup", model=Net, loss=_loss, batch=torch.randn(6, 8), seeds=1)
    assert not list(tmp_path.iterdir())


class _Huge(nn.Module):
    """A linear layer whose gradients are above 1e154, the root of the largest float64."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 4).double()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x) * 1e200


def test_gradients_whose_squares_overflow_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def made() -> float:
        exported = blowup.export(
            tmp_path / "model.blowup",
            model=_Huge,
            loss=lambda model, x: model(x).sum(),
            batch=torch.randn(6, 8, dtype=torch.float64),
            seeds=1,
        )
        return exported.difference

    assert made() < 1e-12
    right = check._of_lane

    def wrong(step: _run.Step, lane: int) -> _run.Step:
        of = right(step, lane)
        return _run.Step(of.loss, {name: g * (1 + 1e-6) for name, g in of.gradients.items()}, of.buffers)

    monkeypatch.setattr(check, "_of_lane", wrong)
    with pytest.raises(Refused, match=r"the gradient of `layer\.\w+` is off by 1\.0e-06"):
        made()


def test_a_last_batch_that_the_model_cannot_take_is_refused(tmp_path: Path) -> None:
    data = torch.randn(13, 8)
    options: dict[str, Any] = {"model": Net, "loss": _loss, "batch": data[:6], "data": data, "seeds": 1}
    with pytest.raises(Refused, match=r"with the 1 rows .*drop_last"):
        blowup.export(tmp_path / "model.blowup", **options)
    blowup.export(tmp_path / "model.blowup", **options, drop_last=True)


def test_what_is_handed_over_is_checked(tmp_path: Path) -> None:
    def why(**changed: Any) -> str:
        options = {"model": Net, "loss": _loss, "batch": torch.randn(6, 8), "seeds": 1} | changed
        with pytest.raises(Refused) as caught:
            blowup.export(tmp_path / "model.blowup", **options)
        return str(caught.value)

    assert "pass a function" in why(model=Net())
    assert "int" in why(batch=(torch.randn(6, 8), 3))
    assert "float64 in the data" in why(data=torch.randn(20, 8).double())
    assert "all but the first dimension" in why(data=torch.randn(20, 7))
    assert "different integers" in why(seeds=[1, 1])
    assert "no parameter" in why(model=nn.ReLU)
    assert "depends on no parameter" in why(loss=lambda model, batch: batch.mean())
    unseeded = iter(range(1, 100))

    def model() -> nn.Module:
        made = Net()
        nn.init.constant_(made.net[0].weight, float(next(unseeded)))
        return made

    assert "same seed" in why(model=model)


def test_a_users_own_error_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        blowup.export(tmp_path / "model.blowup", model=Net, loss=_loss, batch=torch.randn(6, 7), seeds=1)


def test_a_file_that_is_no_bundle_is_told_apart(built: tuple[Bundle, inputs.Batches]) -> None:
    whole = built[0].to_bytes()
    for cut in (0, 7, 100, len(whole) - 1):
        with pytest.raises(Damaged):
            Bundle.from_bytes(whole[:cut])
    with pytest.raises(Damaged, match="version 2"):
        Bundle.from_bytes(whole.replace(b'"version":"1"', b'"version":"2"'))


def test_an_operator_that_is_not_allowed_is_refused(built: tuple[Bundle, inputs.Batches]) -> None:
    for name, overload in (("aten::add_", "Tensor"), ("aten::from_file", ""), ("prim::device", "")):
        bad = Bundle.from_bytes(built[0].to_bytes())
        bad.program["operators"][0] = {"name": name, "overload": overload, "schema": ""}
        with pytest.raises(Damaged, match="not among the operators"):
            _run.Program(bad)
    other = Bundle.from_bytes(built[0].to_bytes())
    other.program["operators"][0]["schema"] += " "
    with pytest.raises(Damaged, match="this PyTorch"):
        _run.Program(other)


def test_host_randomness_is_refused_even_where_it_happened_to_change_nothing() -> None:
    def sometimes(model: nn.Module, batch: torch.Tensor) -> torch.Tensor:
        return _loss(model, batch) if random.random() < 2.0 else batch.mean()

    with pytest.raises(Refused, match=r"Python's or NumPy's generator.*test_refused.py:\d+ in .*sometimes"):
        build(Net, sometimes, torch.randn(6, 8), seeds=1)


def test_a_changed_parameter_of_another_module_is_refused() -> None:
    outside = nn.Linear(8, 1)
    with pytest.raises(Refused, match="not the model's"):
        build(Net, lambda model, batch: (model(batch) + outside(batch)).mean(), torch.randn(6, 8), seeds=1)
    assert one_lane.same(torch.tensor([1.0, float("nan")]), torch.tensor([1.0, float("nan")]))


def _rename(graph: dict[str, Any], old: int, new: int) -> None:
    for node in graph["nodes"]:
        for arg in node["args"]:
            if arg and arg.get("tensor") == old:
                arg["tensor"] = new
    outputs = graph["outputs"]
    for kind in ("gradients", "buffers"):
        outputs[kind] = [new if value == old else value for value in outputs[kind]]
    outputs["loss"] = new if outputs["loss"] == old else outputs["loss"]
