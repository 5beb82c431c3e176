# `make sweep` sets everything up and runs the main experiment; `make test` passes the whole suite.

SPEC ?= experiments/grid.toml
export LIBTORCH ?= $(CURDIR)/.libtorch

.PHONY: sweep test literature build libtorch bench pytorch clean

sweep: build
	target/release/blowup sweep $(SPEC)

test: libtorch
	cargo fmt --all --check
	cargo clippy --release --all-targets -- -D warnings
	sh scripts/test.sh

# What is known about exploding gradients, held against this program; writes docs/literature.md.
literature: build
	sh scripts/literature.sh

build: libtorch
	cargo build --release

libtorch:
	@python3 scripts/libtorch.py

# The comparison with other ways to train many small networks; its Python packages go to .venv-bench/.
bench: libtorch
	sh scripts/bench.sh

# Trains the trials of tests/pytorch/ in blowup and in PyTorch and compares every step; its Python packages go to .venv-pytorch/.
pytorch: build
	sh scripts/pytorch.sh
