# `make sweep` sets everything up and runs the main experiment; `make test` passes the whole suite.

SPEC ?= experiments/grid.toml
export LIBTORCH ?= $(CURDIR)/.libtorch

.PHONY: sweep test slurm literature build libtorch bench pytorch clean

sweep: build
	target/release/blowup sweep $(SPEC)

test: libtorch
	cargo fmt --all --check
	cargo clippy --release --all-targets -- -D warnings
	sh scripts/test.sh

# A job array on a real Slurm of one node, which it starts and stops; as root it installs Slurm where it is missing.
slurm: build
	sh scripts/slurm-test.sh

# What is known about exploding gradients, held against this program; writes docs/literature.md.
literature: build
	sh scripts/literature.sh

build: libtorch
	cargo build --release

libtorch:
	@python3 scripts/libtorch.py

# The comparison with other ways to do the same; its Python packages go to .venv-bench/. ARGS=--quick for tiny sizes, ARGS="--only raw" for a part.
bench: build
	cargo bench --no-run
	python3 benches/compare.py $(ARGS)

# Trains the trials of tests/pytorch/ in blowup and in PyTorch and compares every step; its Python packages go to .venv-pytorch/.
pytorch: build
	sh scripts/pytorch.sh
