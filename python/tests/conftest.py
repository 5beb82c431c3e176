"""Slow tests run with ``--slow``; what tests of the program share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

PROGRAM = Path(__file__).resolve().parents[2] / "target" / "release" / "blowup"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run the tests marked slow")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if "slow" in item.keywords and not config.getoption("--slow"):
            item.add_marker(pytest.mark.skip(reason="needs --slow"))


@pytest.fixture(scope="session")
def program() -> Path:
    if not PROGRAM.exists():
        pytest.fail(f"{PROGRAM} is missing: make build")
    return PROGRAM


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Exports each model once."""
    # Some of the tests need no PyTorch.
    import blowup

    from zoo import ZOO

    folder = tmp_path_factory.mktemp("bundles")

    def exported(name: str) -> Path:
        path = folder / f"{list(ZOO).index(name)}.blowup"
        if not path.exists():
            of = ZOO[name]
            data = None if of.rows is None else of.data
            blowup.export(path, model=of.model, loss=of.loss, batch=of.batch, data=data, seeds=[4, 5])
        return path

    return exported
