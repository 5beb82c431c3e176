"""The file: what docs/bundle.md says of it holds."""

from __future__ import annotations

import hashlib
import json
import struct
import subprocess
import sys
from pathlib import Path

import blowup
import pytest
import torch
from blowup import _run
from blowup._bundle import Bundle
from blowup._operators import ALLOWED
from safetensors.torch import load_file
from torch import nn

from zoo import ZOO

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _export(tmp_path_factory.mktemp("bundle") / "model.blowup")


def test_equal_exports_are_equal_bytes(file: Path, tmp_path: Path) -> None:
    assert _export(tmp_path / "again.blowup").read_bytes() == file.read_bytes()


def test_any_reader_of_safetensors_opens_it(file: Path) -> None:
    bundle = Bundle.load(file)
    named = load_file(file)
    assert json.loads(bytes(named.pop("program").numpy())) == bundle.program
    assert named.keys() == bundle.tensors.keys()
    assert all(torch.equal(named[name], tensor) for name, tensor in bundle.tensors.items())


def test_the_container_is_as_described(file: Path) -> None:
    raw = file.read_bytes()
    (length,) = struct.unpack_from("<Q", raw)
    assert length % 8 == 0
    header = json.loads(raw[8 : 8 + length])
    assert header.pop("__metadata__") == {"format": "blowup-bundle", "version": "1"}
    end = 0
    sizes = {"U8": 1, "BOOL": 1, "F32": 4, "F64": 8, "I64": 8}
    for name, of in header.items():
        start, stop = of["data_offsets"]
        assert start == end and start % sizes[of["dtype"]] == 0, name
        count = 1
        for size in of["shape"]:
            count *= size
        assert stop - start == count * sizes[of["dtype"]], name
        end = stop
    assert 8 + length + end == len(raw)
    assert name == "program"


def test_the_graphs_are_as_described(file: Path) -> None:
    program = Bundle.load(file).program
    assert [graph["rows"] for graph in program["graphs"]] == [4, 2]
    assert program["samples"] == 14 and program["seeds"] == [0, 1]
    for graph in program["graphs"]:
        inputs = [*program["parameters"], *program["buffers"], *program["batch"], *graph["draws"], *graph["constants"]]
        made = set(range(len(inputs)))
        for node in graph["nodes"]:
            schema = program["operators"][node["op"]]["schema"]
            assert set(_run.operands(node)) <= made, "a value is read before it is made"
            assert len(node["args"]) == len(_arguments(schema)), schema
            assert not made & set(node["out"])
            made |= set(node["out"])
        outputs = graph["outputs"]
        assert len(outputs["gradients"]) == len(program["parameters"])
        assert len(outputs["buffers"]) == len(program["buffers"])
        assert {outputs["loss"], *outputs["gradients"], *outputs["buffers"]} <= made


def test_running_statistics_are_state_and_what_never_changes_is_shared(file: Path, tmp_path: Path) -> None:
    names = [of["name"] for of in Bundle.load(file).program["buffers"]]
    assert any(name.endswith("running_mean") for name in names)
    example = ZOO["diffusion"]
    path = tmp_path / "model.blowup"
    blowup.export(path, model=example.model, loss=example.loss, batch=example.batch, seeds=2)
    bundle = Bundle.load(path)
    assert not bundle.program["buffers"]
    assert bundle.program["graphs"][0]["constants"][0] == "shared/kept"
    assert [draw["kind"] for draw in bundle.program["graphs"][0]["draws"]] == ["uniform", "normal"]
    assert [draw["name"] for draw in bundle.program["graphs"][0]["draws"]] == ["/randint/0", "/randn_like/0"]


def test_places_name_files_by_their_import_path_and_hash(file: Path) -> None:
    program = Bundle.load(file).program
    source = Path(__file__).with_name("zoo.py")
    assert program["made_from"]["files"] == {"zoo.py": hashlib.sha256(source.read_bytes()).hexdigest()}
    places = [place for place in program["places"] if place]
    assert all(place["file"] == "zoo.py" for place in places)
    lines = source.read_text().splitlines()
    assert any(place["text"] in lines[place["line"] - 1] for place in places)
    known = sum(program["places"][node["place"]] is not None for node in program["graphs"][0]["nodes"])
    assert known > 0.9 * len(program["graphs"][0]["nodes"])
    assert any(place.get("derivative") and place["module"].startswith("layer1") for place in places)


def test_frozen_parameters_stay(tmp_path: Path) -> None:
    def model() -> nn.Module:
        made = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 5)).double()
        made[0].weight.requires_grad_(False)
        return made

    example = ZOO["mlp"]
    path = tmp_path / "model.blowup"
    blowup.export(path, model=model, loss=example.loss, batch=example.batch, seeds=3)
    program = Bundle.load(path).program
    assert "0.weight" not in [of["name"] for of in program["parameters"]]
    assert [of["name"] for of in program["buffers"]] == ["0.weight"]


def test_a_parameter_that_the_loss_does_not_depend_on_has_no_gradient(tmp_path: Path) -> None:
    def model() -> nn.Module:
        made = nn.Sequential(nn.Linear(6, 5), nn.Identity()).double()
        made[1].left_over = nn.Parameter(torch.ones(3, dtype=torch.float64))
        return made

    example = ZOO["mlp"]
    path = tmp_path / "model.blowup"
    blowup.export(path, model=model, loss=example.loss, batch=example.batch, seeds=1)
    program = Bundle.load(path).program
    assert [of["name"] for of in program["parameters"]] == ["0.weight", "0.bias", "1.left_over"]
    assert [value is None for value in program["graphs"][0]["outputs"]["gradients"]] == [False, False, True]


def test_a_batch_may_be_changed_in_place(tmp_path: Path) -> None:
    def loss(model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        x = batch["x"].requires_grad_(True)
        (slope,) = torch.autograd.grad(model(x).sum(), x, create_graph=True)
        batch["y"].mul_(2)
        return (slope.sum(-1) - batch["y"]).pow(2).mean()

    batch = {"x": torch.randn(4, 6).double(), "y": torch.randn(4).double()}
    made = blowup.export(tmp_path / "model.blowup", model=ZOO["mlp"].model, loss=loss, batch=batch, seeds=2)
    assert made.difference < 1e-12
    assert [of["name"] for of in Bundle.load(made.path).program["batch"]] == ["x", "y"]


def test_data_may_be_a_data_set_or_a_loader(file: Path, tmp_path: Path) -> None:
    example = ZOO["resnet, batch norm"]
    pairs = torch.utils.data.TensorDataset(*example.data)
    for data in (pairs, torch.utils.data.DataLoader(pairs, 5), [x.numpy() for x in example.data]):
        made = _export(tmp_path / "other.blowup", data)
        assert Bundle.load(made).tensors["data/0"].equal(Bundle.load(file).tensors["data/0"])


def test_the_document_has_the_operators_of_the_package() -> None:
    subprocess.run([sys.executable, ROOT / "scripts" / "operators.py", "--check"], check=True)


def test_the_allowed_operators_exist_and_are_pure() -> None:
    for name in ALLOWED:
        overloads = getattr(torch.ops.aten, name.removeprefix("aten::"))
        pure = [getattr(overloads, o) for o in overloads.overloads() if not getattr(overloads, o)._schema.is_mutable]
        assert pure, name
        assert all(torch.Tag.nondeterministic_seeded not in op.tags for op in pure), name


def test_the_package_does_not_import_pytorch() -> None:
    code = "import sys, blowup; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT / "python")


def _export(path: Path, data: object = None) -> Path:
    example = ZOO["resnet, batch norm"]
    data = example.data if data is None else data
    blowup.export(path, model=example.model, loss=example.loss, batch=example.batch, data=data, seeds=2)
    return path


def _arguments(schema: str) -> list[str]:
    """The arguments of a schema's text. Commas within brackets separate none."""
    inside = schema[schema.index("(") + 1 : schema.rindex(") -> ")]
    depth, parts = 0, [""]
    for letter in inside:
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip() not in ("", "*")]
