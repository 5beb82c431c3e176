#!/bin/sh
# Sweeps notebooks/divergence.toml anew and executes notebooks/divergence.ipynb on the results, in a
# virtual environment of its own. With RUN set to a run directory, executes it on that. Fails if a
# cell does.
set -eu
cd "$(dirname "$0")/.."
venv=.venv-notebook
if [ ! -f "$venv/complete" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement notebooks/requirements.txt
    touch "$venv/complete"
fi
run=${RUN:-}
if [ -z "$run" ]; then
    run=results/divergence
    rm -rf "$run"
    target/release/blowup sweep notebooks/divergence.toml --out "$run" --quiet
fi
"$venv/bin/python" scripts/notebook.py "$run" "$run/notebook"
