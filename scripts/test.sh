#!/bin/sh
# Runs the whole suite. The tests that read results with pandas and polars and drive a browser use a
# virtual environment of their own, made when its requirements have changed.
set -eu
cd "$(dirname "$0")/.."
venv=.venv-test
if ! cmp -s tests/requirements.txt "$venv/complete"; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement tests/requirements.txt
    cp tests/requirements.txt "$venv/complete"
fi
sh scripts/chromium.sh
BLOWUP_TEST_PYTHON="$PWD/$venv/bin/python" cargo test --release --workspace --no-fail-fast
