#!/bin/sh
# Trains the same trials in blowup and in PyTorch and compares them step by step, in a virtual environment of its own (PyTorch, about 5 GB).
set -eu
cd "$(dirname "$0")/.."
venv=.venv-pytorch
if [ ! -f "$venv/complete" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement tests/pytorch/requirements.txt
    touch "$venv/complete"
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export scratch
mkdir "$scratch/traces"
for spec in tests/pytorch/trials.toml; do
    export spec run="$scratch/$(basename "$spec" .toml)"
    target/release/blowup sweep "$spec" --out "$run" --quiet > "$scratch/out" || { cat "$scratch/out"; exit 1; }
    echo "$spec: $(tail -n 2 "$scratch/out" | head -n 1)"
    # A replay that does not give its row ends everything.
    tail -n +2 "$run/runs.csv" | cut -d , -f 1 | xargs -P "$(nproc)" -I TRIAL sh -c \
        'target/release/blowup replay "$run" TRIAL --spec "$spec" --trace "$scratch/traces/TRIAL" > "$scratch/TRIAL" || { cat "$scratch/TRIAL"; exit 255; }'
done
# The same kernels on both sides, where MKL would choose others for PyTorch: what is compared is the rules, not the order of additions.
cc -shared -fPIC -O2 -o "$scratch/mkl.so" tests/pytorch/mkl.c
LD_PRELOAD="$scratch/mkl.so" "$venv/bin/python" tests/pytorch/compare.py "$scratch/traces"
