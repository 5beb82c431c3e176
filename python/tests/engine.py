"""Runs the program, and reads what it writes."""

from __future__ import annotations

import csv
import os
import subprocess
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file


def run(program: Path, *args: Any) -> str:
    environment = {key: value for key, value in os.environ.items() if key != "LD_LIBRARY_PATH"}
    done = subprocess.run([program, *map(str, args)], check=False, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def swept(program: Path, spec: Path, folder: Path) -> list[dict[str, str]]:
    run(program, "sweep", spec, "--out", folder, "--quiet")
    return list(csv.DictReader((folder / "runs.csv").open()))


def steps_of(folder: Path) -> dict[str, list[dict[str, str]]]:
    """The rows of steps.csv by trial."""
    rows: dict[str, list[dict[str, str]]] = {}
    for row in csv.DictReader((folder / "steps.csv").open()):
        rows.setdefault(row["trial"], []).append(row)
    return rows


def traced(program: Path, folder: Path, trial: str, steps: int) -> dict[str, torch.Tensor]:
    """What a trial starts from, and the random numbers of its steps."""
    trace = folder.parent / f"trace-{trial}"
    run(program, "replay", folder, trial, "--trace", trace, "--draws", steps)
    return load_file(trace / "tensors.safetensors")
