"""The random numbers of a bundle's steps: their law, and that seed and step alone decide them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import torch
from blowup._bundle import Bundle

from engine import steps_of, swept, traced


def test_the_draws_have_their_law(program: Path, bundles: Callable[[str], Path], tmp_path: Path) -> None:
    steps = 300
    for name in ("vae", "transformer, written out, dropout", "diffusion"):
        file = bundles(name)
        graphs = Bundle.load(file).program["graphs"]
        folder = tmp_path / file.stem
        folder.mkdir()
        spec = folder / "spec.toml"
        # The second rate changes no weight, so that the two lanes differ in their rates alone.
        spec.write_text(
            f'name = "own"\nsteps = {steps}\nseeds = [4, 5]\n[record]\nsteps = {steps}\n'
            f'[[grid]]\nnetwork = {{ file = "{file}" }}\noptimizer = "sgd"\nlr = [0.0, 1e-300]\n'
        )
        rows = swept(program, spec, folder / "run")
        told = steps_of(folder / "run")
        starts = {(row["seed"], row["lr"]): traced(program, folder / "run", row["trial"], steps) for row in rows}
        losses = {(row["seed"], row["lr"]): [step["loss"] for step in told[row["trial"]]] for row in rows}
        assert len(starts) == 4
        for seed in ("4", "5"):
            first, second = (starts[key] for key in starts if key[0] == seed)
            assert first.keys() == second.keys()
            assert all(torch.equal(first[key], second[key]) for key in first)
            one, other = (losses[key] for key in losses if key[0] == seed)
            assert one == other
            # Fixed weights, and another loss at each step: every step has draws of its own.
            assert len(set(one)) == steps
        mine, yours = starts["4", "0.0"], starts["5", "0.0"]
        for of in graphs[0]["draws"]:
            key = f".{of['name']}"
            drawn = [torch.cat([x.flatten() for k, x in start.items() if k.endswith(key)]) for start in (mine, yours)]
            for numbers in drawn:
                _check_law(numbers, of["kind"])
            # Different seeds, and one number after the other, have nothing to do with each other.
            _check_unrelated(*drawn)
            _check_unrelated(drawn[0][:-1], drawn[0][1:])


def _check_law(numbers: torch.Tensor, kind: str) -> None:
    """Mean and variance lie within five standard errors, and uniform numbers in [0, 1)."""
    uniform = kind == "uniform"
    mean, variance = (0.5, 1 / 12) if uniform else (0.0, 1.0)
    # The fourth central moment, from which the variance's own error follows.
    fourth = 1 / 80 if uniform else 3.0
    count = numbers.numel()
    assert count >= 1000
    assert abs(float(numbers.mean()) - mean) < 5 * math.sqrt(variance / count)
    found = float((numbers - mean).square().mean())
    assert abs(found - variance) < 5 * math.sqrt((fourth - variance**2) / count)
    if uniform:
        assert float(numbers.min()) >= 0 and float(numbers.max()) < 1


def _check_unrelated(a: torch.Tensor, b: torch.Tensor) -> None:
    """The correlation of independent numbers has a standard error of 1/sqrt(count)."""
    together = torch.corrcoef(torch.stack([a, b]))[0, 1]
    assert abs(float(together)) < 5 / math.sqrt(a.numel())
