# `make sweep` sets everything up and runs the main experiment; `make test` passes the whole suite.

SPEC ?= experiments/grid.toml
export LIBTORCH ?= $(CURDIR)/.libtorch

.PHONY: sweep test slurm literature notebook build libtorch bench pytorch drill clean

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

# Executes notebooks/divergence.ipynb on a sweep of its own, or on RUN=results/mine; its Python packages go to .venv-notebook/.
notebook: build
	sh scripts/notebook.sh

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

# A real sweep under every fault a machine can have; each must resume to the same bytes. ARGS=--quick for fewer times.
drill: build
	python3 scripts/drill.py $(ARGS)
