#!/bin/sh
# The throughput benchmark beside its peers, in a virtual environment of their own (PyTorch and JAX, about 3 GB).
set -eu
cd "$(dirname "$0")/.."
venv=.venv-bench
if [ ! -f "$venv/complete" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement benches/requirements.txt
    touch "$venv/complete"
fi
PEERS_PYTHON="$PWD/$venv/bin/python" cargo bench --bench throughput
