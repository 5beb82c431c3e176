"""Which sample a fault belongs to: `nonfinite_sample` in `runs.csv`."""

from __future__ import annotations

from pathlib import Path

import blowup
import pytest
from blowup._bundle import Bundle

import spoilt
from engine import swept
from spoilt import ONE_SAMPLE, SOUND


@pytest.mark.parametrize("name", ONE_SAMPLE)
def test_the_bad_sample_is_named(name: str, program: Path, tmp_path: Path) -> None:
    planted = ONE_SAMPLE[name]
    path = tmp_path / "model.blowup"
    blowup.export(path, model=planted.model, loss=planted.loss, batch=(SOUND[:4],), data=(SOUND,), seeds=3)
    bundle = Bundle.load(path)
    (leaf,) = bundle.program["batch"]
    data = bundle.tensors[leaf["data"]].clone()
    for row in planted.rows:
        data[row] = planted.bad
    bundle.tensors[leaf["data"]] = data
    bundle.save(path)
    spec = tmp_path / "spec.toml"
    spec.write_text(
        'name = "own"\nepochs = 1\nseeds = 3\n[[grid]]\noptimizer = "sgd"\nlr = 0.0\n'
        f'network = {{ file = "{path.name}" }}\n'
    )
    lines = Path(spoilt.__file__).read_text().splitlines()
    line = next((n for n, text in enumerate(lines, 1) if text.endswith(f"# FAULT {planted.fault}")), None)
    for row in swept(program, spec, tmp_path / "run"):
        if planted.fault:
            assert row["nonfinite_source"] == f"spoilt.py:{line}", f"{name}: {row}"
        else:
            assert (row["nonfinite_site"], row["nonfinite_source"]) == ("data", "")
        assert row["nonfinite_sample"] == planted.sample, f"{name}: {row}"
