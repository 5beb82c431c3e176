#!/bin/sh
# Runs the whole suite. The tests that read results with pandas and polars use a virtual environment of their own, made once.
set -eu
cd "$(dirname "$0")/.."
venv=.venv-test
if [ ! -f "$venv/complete" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement tests/requirements.txt
    touch "$venv/complete"
fi
BLOWUP_TEST_PYTHON="$PWD/$venv/bin/python" cargo test --release
