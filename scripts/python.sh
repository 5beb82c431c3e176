#!/bin/sh
# Tests the Python package: bundles against plain PyTorch. It shares the virtual environment of
# `make pytorch` (about 5 GB). Arguments go to pytest: `--slow` trains ten times as long.
set -eu
cd "$(dirname "$0")/.."
. scripts/pytorch-venv.sh
if ! cmp -s python/requirements.txt "$venv/python"; then
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement python/requirements.txt
    cp python/requirements.txt "$venv/python"
fi
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1
cd python
"../$venv/bin/python" -m pytest -q "$@"
