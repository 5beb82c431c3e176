"""Smaller things that models have become bundles that pass the self-check, in float32 too."""

from __future__ import annotations

from pathlib import Path

import blowup
import pytest
import torch

import pieces
from pieces import PIECES


@pytest.mark.parametrize("name", PIECES)
def test_a_piece_is_exported_right(name: str, tmp_path: Path) -> None:
    made = blowup.export(
        tmp_path / "model.blowup",
        model=PIECES[name],
        loss=pieces.loss,
        batch=(torch.randn(4, 8), torch.randn(4, 1)),
        seeds=2,
    )
    assert made.difference < 1e-11
