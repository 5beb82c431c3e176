"""The program called from Python: a spec as a dictionary, and results as tables."""

from __future__ import annotations

import math
from pathlib import Path

import blowup
import pandas
import polars
import pytest
from blowup import _program, _toml

# A learning rate that blows up to inf and NaN, and one that does not.
SPEC = {
    "name": "t",
    "epochs": 3,
    "seeds": 2,
    "task": {"kind": "scalar"},
    "record": {"epochs": True},
    "grid": [{"label": 'a "b", c', "depth": 0, "init": "constant(1.0)", "lr": [0.1, 1e30]}],
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_program, "_program", lambda: str(program))


def test_a_dictionary_is_swept_and_resumed(tmp_path: Path) -> None:
    events: list[dict] = []
    swept = blowup.sweep(SPEC, out="r", workers=1, on_event=events.append)
    assert swept.out == Path("r") and swept.counts["trials"] == 4 and swept.counts["lost"] == 0
    assert swept.counts["converged"] + swept.counts["nonfinite"] + swept.counts["diverged"] == 4
    assert events[0]["event"] == "start" and events[-1]["event"] == "end"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r"], "no file is left beside the results"
    assert blowup.sweep(SPEC, out="r").document == swept.document
    # The file says the same.
    (tmp_path / "t.toml").write_text((tmp_path / "r/spec.toml").read_text())
    blowup.sweep("t.toml", out="again")
    assert (tmp_path / "again/runs.csv").read_bytes() == (tmp_path / "r/runs.csv").read_bytes()


def test_options_reach_the_program() -> None:
    swept = blowup.sweep(SPEC, out="r", set={"lr": [0.1, 0.2, 0.3], "seeds": 1}, where=["lr=0.2..1"])
    assert (swept.document["status"], swept.counts["trials"], swept.counts["missing"]) == ("partial", 3, 1)


def test_mistakes_are_errors_with_their_places(tmp_path: Path) -> None:
    with pytest.raises(blowup.SweepError, match=r"unknown key `colour`(.|\n)*:\d+:1\)"):
        blowup.sweep(SPEC | {"colour": 1})
    with pytest.raises(blowup.SweepError, match="--frobnicate"):
        blowup.sweep(SPEC, options=["--frobnicate"])
    with pytest.raises(TypeError, match=r"`grid\[0\].lr` is a complex"):
        blowup.sweep(SPEC | {"grid": [{"lr": 1j}]})
    with pytest.raises(blowup.SweepError, match=r"runs\.csv"):
        blowup.read_runs(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_text_is_written_as_toml_reads_it() -> None:
    tomllib = pytest.importorskip("tomllib", reason="Python 3.11 has it")
    table = {
        "text": 'a "b" \\ \n\t\x7f é 😀',
        "numbers": [1, -2.5, 1e300, math.inf, -math.inf, True],
        "inner": {"odd key": {"x": []}, "plain_key-1": ""},
        "list": [{"a": 1}, {"b": [[1], [2]]}],
    }
    assert tomllib.loads(_toml.spec(table)) == table
    assert math.isnan(tomllib.loads(_toml.spec({"x": math.nan}))["x"])


def test_pandas_tells_missing_nan_and_inf_apart() -> None:
    runs = blowup.sweep(SPEC, out="r").read()
    assert len(runs) == 4 and list(runs["label"].unique()) == ['a "b", c']
    kinds = {name: str(runs.dtypes[name]) for name in ("depth", "lr", "residual", "outcome", "epoch_nan")}
    integer, number, boolean, text = "int64[pyarrow]", "double[pyarrow]", "bool[pyarrow]", "string[pyarrow]"
    assert [kinds["depth"], kinds["lr"], kinds["epoch_nan"], kinds["outcome"]] == [integer, number, integer, text]
    assert kinds["residual"] == boolean
    wild, tame = runs[runs["lr"] == 1e30].iloc[0], runs[runs["lr"] == 0.1].iloc[0]
    assert math.isnan(wild["loss_final"]) and wild["loss_final"] is not pandas.NA
    assert wild["loss_max"] == math.inf and tame["epoch_nan"] is pandas.NA
    assert math.isfinite(tame["loss_final"])
    epochs = blowup.read_runs("r", table="epochs")
    assert set(epochs["trial"]) == set(runs["trial"]) and epochs["epoch"].max() == 3
    with pytest.raises(blowup.SweepError, match="no table `layers`; it has epochs, runs, summary"):
        blowup.read_runs("r", table="layers")


def test_polars_tells_missing_nan_and_inf_apart() -> None:
    runs = blowup.sweep(SPEC, out="r").read(frame="polars")
    wild = runs.filter(polars.col("lr") == 1e30)
    assert wild["loss_final"].is_nan().all() and wild["loss_max"].is_infinite().all()
    assert runs.filter(polars.col("lr") == 0.1)["epoch_nan"].null_count() == 2
    assert runs.schema["epoch_nan"] == polars.Int64 and runs.schema["outcome"] == polars.String
