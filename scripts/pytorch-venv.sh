# Sourced by the scripts that need PyTorch, from the root: makes the virtual environment $venv,
# which takes about 5 GB, where it is missing.
# shellcheck shell=sh
venv=.venv-pytorch
if [ ! -f "$venv/complete" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement tests/pytorch/requirements.txt
    touch "$venv/complete"
fi
