#!/usr/bin/env python3
"""Executes notebooks/divergence.ipynb from a clean kernel: notebook.py RUN_DIR OUT.

Writes the executed notebook and its pictures into the folder OUT, pictures named after their cells.
Exits with 1 if a cell fails or warns; what was executed until then is written all the same."""

import base64
import os
import re
import sys
import tempfile
from pathlib import Path

try:
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError
except ModuleNotFoundError as error:
    sys.exit(f"error: this Python has no {error.name}\nhint: `make notebook` sets one up, in .venv-notebook/")

NOTEBOOK = Path(__file__).resolve().parent.parent / "notebooks" / "divergence.ipynb"


def execute(notebook, run):
    """Fills in the outputs. The text of the error if a cell fails."""
    with tempfile.TemporaryDirectory() as profile:
        # A user's own start-up files must not decide whether the notebook works.
        os.environ.update(RUN=str(run), IPYTHONDIR=profile)
        try:
            quiet = ["--IPKernelApp.log_level=ERROR"]
            where = {"metadata": {"path": str(NOTEBOOK.parent)}}
            NotebookClient(notebook, timeout=600, resources=where, extra_arguments=quiet).execute()
        except CellExecutionError as error:
            return re.sub("\x1b\\[[0-9;]*m", "", str(error))
    return None


def pictures(notebook):
    """Name and bytes of every picture."""
    for cell in notebook.cells:
        images = [
            output.data["image/png"] for output in cell.get("outputs", []) if "image/png" in output.get("data", {})
        ]
        for number, image in enumerate(images):
            yield cell.id + (f"-{number + 1}" if number else ""), base64.b64decode(image)


def warnings(notebook):
    streams = [
        output for cell in notebook.cells for output in cell.get("outputs", []) if output.get("name") == "stderr"
    ]
    return [stream.text for stream in streams if "Warning" in stream.text]


def main(run, out):
    if not (run / "runs.csv").exists():
        sys.exit(f"`{run}` is not a run directory: it has no runs.csv\nhint: `blowup sweep SPEC` makes one")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    failed = execute(notebook, run.resolve())
    out.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, out / NOTEBOOK.name)
    for name, image in pictures(notebook):
        (out / f"{name}.png").write_bytes(image)
    problems = ([failed] if failed else []) + warnings(notebook)
    print(f"{out}: {' '.join(sorted(path.name for path in out.iterdir()))}")
    if problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: notebook.py RUN_DIR OUT")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
