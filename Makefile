# `make sweep` sets everything up and runs the main experiment; `make test` passes the whole suite.

SPEC ?= experiments/grid.toml
export LIBTORCH ?= $(CURDIR)/.libtorch

.PHONY: sweep test build libtorch bench pytorch clean

sweep: build
	target/release/blowup sweep $(SPEC)

test: libtorch
	cargo fmt --all --check
	cargo clippy --release --all-targets -- -D warnings
	sh scripts/test.sh

build: libtorch
	cargo build --release

libtorch:
	@python3 scripts/libtorch.py

# The step and its matrix products alone.
bench: build
	cargo bench --bench throughput

# Trains the trials of tests/pytorch/ in blowup and in PyTorch and compares every step; its Python packages go to .venv-pytorch/.
pytorch: build
	sh scripts/pytorch.sh
