"""The axis `init` on parameters of a bundle, against torch.nn.init."""

from __future__ import annotations

import math
from pathlib import Path

import blowup
import pytest
import torch
from torch import nn

from engine import run, swept, traced

# A square one, a wide one, a tall one, and one of a convolution: [out, in] and [out, in, 3, 3].
NAMED = ["a.weight", "b.weight", "c.weight", "conv.weight"]
INITS = {
    "xavier": lambda w: nn.init.xavier_normal_(w, gain=1.5),
    "xavier_uniform": lambda w: nn.init.xavier_uniform_(w, gain=1.5),
    "he": lambda w: nn.init.kaiming_normal_(w).mul_(1.5),
    "he_uniform": lambda w: nn.init.kaiming_uniform_(w).mul_(1.5),
    "lecun": lambda w: nn.init.kaiming_normal_(w, nonlinearity="linear").mul_(1.5),
    "scaled": lambda w: nn.init.kaiming_normal_(w, nonlinearity="linear").mul_(math.sqrt(1.5)),
    "normal": lambda w: nn.init.normal_(w, std=1.5),
    "uniform": lambda w: nn.init.uniform_(w, -1.5, 1.5),
    "orthogonal": lambda w: nn.init.orthogonal_(w, gain=1.5),
    "constant": lambda w: nn.init.constant_(w, 1.5),
    "pytorch": lambda w: nn.init.kaiming_uniform_(w, a=math.sqrt(5)).mul_(1.5),
}


class Mixed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 40, 3)
        self.norm = nn.GroupNorm(2, 40)
        self.a, self.b, self.c = nn.Linear(40, 40), nn.Linear(40, 90), nn.Linear(90, 30)
        self.head = nn.Linear(30, 1)

    def forward(self, x):
        h = self.norm(self.conv(x)).mean((2, 3)).relu()
        return self.head(self.c(self.b(self.a(h).tanh()).tanh()).tanh())


def squares(model: nn.Module, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
    return model(batch[0]).pow(2).mean()


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mixed")
    batch = (torch.rand(4, 3, 5, 5, dtype=torch.float64),)
    blowup.export(folder / "mixed.blowup", model=lambda: Mixed().double(), loss=squares, batch=batch, seeds=2)
    return folder


def grid(init: str, parameters: str = f"init_parameters = {NAMED}") -> str:
    return (
        'name = "own"\nsteps = 1\nseeds = 2\n[[grid]]\nnetwork = { file = "mixed.blowup" }\noptimizer = "sgd"\n'
        f"lr = [0.0, 0.1]\ninit = {init}\n{parameters}\n"
    )


def test_parameters_start_as_torch_initializes_them(mixed: Path, program: Path) -> None:
    spec = mixed / "all.toml"
    spec.write_text(grid(str(["stored", *(f"{name}(1.5)" for name in INITS)])))
    rows = swept(program, spec, mixed / "all")
    assert len(rows) == 4 * (1 + len(INITS))
    starts = {}
    for row in rows:
        if row["lr"] == "0.0" and row["seed"] == "1":
            starts[row["init"]] = traced(program, mixed / "all", row["trial"], 0)
    torch.manual_seed(1)
    stored = dict(Mixed().double().named_parameters())
    for name, start in starts.items():
        for parameter, value in stored.items():
            found = start[f"parameters.{parameter}"]
            if name == "stored" or parameter not in NAMED:
                assert torch.equal(found, value), f"{name} {parameter}"
                continue
            told = INITS[name](torch.empty_like(value)).detach()
            check_alike(found, told, name)
    # Trials of one seed and initializer start alike, whatever their rate; other seeds do not.
    initial = {(row["init"], row["seed"], row["lr"]): row["loss_initial"] for row in rows}
    for (name, seed, _), loss in initial.items():
        assert initial[name, seed, "0.0"] == initial[name, seed, "0.1"] == loss
    assert len(set(initial.values())) >= 2 * len(INITS) + 1


def check_alike(found: torch.Tensor, told: torch.Tensor, name: str) -> None:
    """Both have one law: the same bound, and root mean squares within five standard errors."""
    count = found.numel()
    if name == "constant":
        assert torch.equal(found, told)
        return
    if name == "orthogonal":
        for matrix in (found.flatten(1), told.flatten(1)):
            gram = matrix @ matrix.T if len(matrix) <= matrix.shape[1] else matrix.T @ matrix
            assert torch.allclose(gram, 1.5**2 * torch.eye(len(gram), dtype=gram.dtype), atol=1e-12)
        return
    a, b = (float(x.square().mean().sqrt()) for x in (found, told))
    # The standard error of the root mean square of a normal law is 1/sqrt(2 count) of it, of a
    # uniform one less; that of a difference is sqrt(2) times as much.
    assert abs(a - b) < 5 * b / math.sqrt(count), f"{name}: {a} against {b}"
    assert abs(float(found.mean())) < 5 * b / math.sqrt(count), name
    if name.endswith("uniform") or name == "pytorch":
        bound = math.sqrt(3) * b
        assert float(found.abs().max()) < bound * (1 + 5 / math.sqrt(count))


def test_stored_is_the_default_and_no_other_trial(mixed: Path, program: Path) -> None:
    plain = mixed / "plain.toml"
    plain.write_text(grid('"stored"').split("init =")[0])
    told = mixed / "told.toml"
    told.write_text(grid('["stored", "he"]'))
    without, asked = swept(program, plain, mixed / "plain"), swept(program, told, mixed / "told")
    ids = {row["trial"] for row in without}
    assert ids == {row["trial"] for row in asked if row["init"] == "stored"}
    assert not ids & {row["trial"] for row in asked if row["init"] == "he"}
    assert {row["init"] for row in without} == {""}
    # Another set of parameters makes other trials; another way to name the same ones does not.
    told.write_text(grid('"he"', 'init_parameters = ["a.*ght", "b.weight"]'))
    fewer = {row["trial"] for row in swept(program, told, mixed / "fewer")}
    told.write_text(grid('"he"', 'init_parameters = ["b.w*", "a.weight"]'))
    assert fewer == {row["trial"] for row in swept(program, told, mixed / "again")}
    assert not fewer & {row["trial"] for row in asked}


@pytest.mark.parametrize(
    ("init", "parameters", "words"),
    [
        ('"he"', 'init_parameters = ["a.weights"]', ["has no parameter `a.weights`", "`a.weight`"]),
        ('"he"', 'init_parameters = ["a.*"]', ["`he` draws matrices", "`a.bias` has the shape [40]"]),
        ('"he"', "", ["`init` applies nowhere", "`init_parameters`"]),
        ('"he"', "init_parameters = []", ["names no parameters"]),
        ('"stored(2.0)"', f"init_parameters = {NAMED}", ["`stored` takes no number"]),
    ],
)
def test_what_cannot_be_is_refused(init: str, parameters: str, words: list[str], mixed: Path, program: Path) -> None:
    spec = mixed / "bad.toml"
    spec.write_text(grid(init, parameters))
    with pytest.raises(AssertionError) as told:
        run(program, "sweep", spec, "--dry-run")
    assert all(word in str(told.value) for word in words), str(told.value)
    # A vector may have an initializer that takes no sizes.
    spec.write_text(grid('["normal(0.1)", "constant(0.0)"]', 'init_parameters = ["*.bias"]'))
    run(program, "sweep", spec, "--dry-run")
