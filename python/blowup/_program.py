"""The program ``blowup``, called from Python: sweeps, and their results as tables."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sysconfig
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blowup import _toml

# What is understood of what the program says under --json.
_FORMAT = 1


class SweepError(RuntimeError):
    """blowup could not run, or could not go on. The message is the program's."""


@dataclass(frozen=True)
class Swept:
    """How a sweep ended.

    Attributes:
        out: the folder of the results.
        document: what the program says of the sweep; docs/json.md describes it.
    """

    out: Path
    document: dict[str, Any]

    @property
    def counts(self) -> dict[str, int]:
        """The trials by their verdicts."""
        return self.document["counts"]

    def read(self, table: str = "runs", *, frame: str = "pandas") -> Any:
        """A table of the results: see :func:`read_runs`."""
        return read_runs(self.out, table=table, frame=frame)


def sweep(
    spec: str | os.PathLike[str] | Mapping[str, Any],
    *,
    out: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    where: Sequence[str] = (),
    set: Mapping[str, Any] | None = None,
    options: Sequence[str] = (),
    on_event: Callable[[dict[str, Any]], None] | None = None,
) -> Swept:
    """Trains every trial of a spec that has no row yet, as ``blowup sweep`` does.

    Args:
        spec: the path of a spec, or what it says as a dictionary. Paths in a dictionary are
            relative to the working directory.
        out: the folder of the results; ``results/<name>`` without it.
        workers: how many processes train; one for each core without it.
        where: filters, each as ``"AXIS=V"``, ``"AXIS=V,V"`` or ``"AXIS=A..B"``.
        set: other values of axes, in every ``[[grid]]`` block.
        options: further options of ``blowup sweep``.
        on_event: is called with each event of docs/json.md, such as the progress. Warnings become
            Python's in any case.

    Returns:
        How the sweep ended. Trials may have been lost: see ``counts["lost"]``.

    Raises:
        SweepError: if the program is not there, or the sweep could not run.
        KeyboardInterrupt: if the sweep was interrupted. The same call resumes it.
    """
    # An option and its value are one word, so that a value may begin with a dash.
    command = [_program(), "sweep", "--json"]
    command += [f"--out={os.fspath(out)}"] if out is not None else []
    command += [f"--workers={workers}"] if workers is not None else []
    command += [f"--where={filter}" for filter in where]
    for axis, value in (set or {}).items():
        command.append(f"--set={_toml.spec({axis: value}).replace(' = ', '=', 1).strip()}")
    with _file(spec) as path:
        status, stdout, errors = _run([*command, *options, "--", path], on_event or (lambda event: None))
    if status == 130:
        raise KeyboardInterrupt
    if status not in (0, 1) or not stdout:
        raise SweepError("\n".join(errors) or f"blowup ended with status {status}")
    document = json.loads(stdout)
    if document["format"] != _FORMAT:
        raise SweepError(f"blowup speaks format {document['format']}, this package {_FORMAT}: update it")
    return Swept(Path(document["out"]), document)


def read_runs(dir: str | os.PathLike[str], *, table: str = "runs", frame: str = "pandas") -> Any:
    """A table of the results of a sweep, with the types of its columns.

    What is missing, NaN and the infinities stay apart: what is missing is null (``pandas.NA``,
    ``None``), the others are numbers.

    Args:
        dir: the folder of the results.
        table: ``runs``, ``summary``, or ``epochs``, ``layers``, ``steps`` where they were recorded.
        frame: ``pandas`` (whose columns have Arrow's types) or ``polars``.

    Returns:
        A ``pandas.DataFrame`` or a ``polars.DataFrame``, a row for each line of the file.

    Raises:
        SweepError: if there are no results, or a file is damaged.
        ImportError: without pandas and pyarrow, or without polars.
    """
    if frame not in ("pandas", "polars"):
        raise ValueError(f"frame is {frame!r}; it is 'pandas' or 'polars'")
    with tempfile.TemporaryDirectory() as folder:
        command = [_program(), "export", "--format=parquet", f"--out={folder}", "--", os.fspath(dir)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SweepError(done.stderr.strip())
        path = Path(folder, f"{table}.parquet")
        if not path.exists():
            there = ", ".join(sorted(file.stem for file in Path(folder).iterdir()))
            raise SweepError(f"`{os.fspath(dir)}` has no table `{table}`; it has {there}")
        if frame == "polars":
            import polars

            return polars.read_parquet(path.read_bytes())
        import pandas

        return pandas.read_parquet(path, dtype_backend="pyarrow")


def _program() -> str:
    """The program of this installation, or the one on the PATH."""
    own = shutil.which("blowup", path=sysconfig.get_path("scripts"))
    found = own or shutil.which("blowup")
    if found is None:
        raise SweepError(
            "there is no program `blowup` beside this Python or on the PATH: install the wheel (make wheel)"
        )
    return found


@contextmanager
def _file(spec: str | os.PathLike[str] | Mapping[str, Any]) -> Iterator[str]:
    """The path of a spec. A dictionary gets a file in the working directory, to which its paths are
    relative, for as long as it is swept."""
    if not isinstance(spec, Mapping):
        yield os.fspath(spec)
        return
    text = _toml.spec(spec)
    handle, path = tempfile.mkstemp(prefix=".blowup-", suffix=".toml", dir=".")
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)
        yield path
    finally:
        os.unlink(path)


def _run(command: list[str], on_event: Callable[[dict[str, Any]], None]) -> tuple[int, str, list[str]]:
    """Runs a command with --json; returns its status, its document and its errors."""
    errors: list[str] = []
    with tempfile.TemporaryFile("w+", encoding="utf-8") as stdout:
        pipes = {"stdout": stdout, "stderr": subprocess.PIPE, "encoding": "utf-8", "errors": "replace"}
        with subprocess.Popen(command, **pipes) as process:
            try:
                for line in process.stderr or ():
                    _hear(line, errors, on_event)
                status = process.wait()
            except BaseException:
                # The sweep keeps its rows, and the same call resumes it.
                process.send_signal(signal.SIGINT)
                process.wait()
                raise
        stdout.seek(0)
        return status, stdout.read(), errors


def _hear(line: str, errors: list[str], on_event: Callable[[dict[str, Any]], None]) -> None:
    # What a worker writes when it crashes, and a mistake in an option, are no events.
    if not line.startswith("{"):
        errors.append(line.rstrip("\n"))
        return
    event = json.loads(line)
    if event["event"] in ("error", "warning"):
        place = f" ({event['file']}:{event['line']}:{event['column']})" if event["file"] else ""
        text = f"{event['message']}{place}" + (f"\n  {event['hint']}" if event["hint"] else "")
        if event["event"] == "error":
            errors.append(text)
        else:
            warnings.warn(text, stacklevel=4)
    on_event(event)
