# `make sweep` sets everything up and runs the main experiment; `make test` passes the whole suite.

SPEC ?= experiments/grid.toml
export LIBTORCH ?= $(CURDIR)/.libtorch

.PHONY: sweep test lint without-engine slurm findings cures literature notebook build libtorch libtorch-cuda cuda-check bench pytorch python wheel drill fuzz tables clean

sweep: build
	target/release/blowup sweep $(SPEC)

test: libtorch
	cargo fmt --all --check
	cargo clippy --release --workspace --all-targets -- -D warnings
	sh scripts/test.sh

# What is written, held against its rules: documentation, scripts, spelling, licences. Its programs
# go to .venv-lint/.
lint: libtorch
	sh scripts/lint.sh

# The program without its engine: what trains nothing works, and needs no libtorch.
without-engine: libtorch
	sh scripts/without-engine.sh

# A job array on a real Slurm of one node, which it starts and stops; as root it installs Slurm
# where it is missing.
slurm: build
	sh scripts/slurm-test.sh

# Sweeps the main grid, the usual example, the transformers and their widths, and writes what they
# found into docs/findings.md and README.md.
findings: build
	target/release/blowup sweep experiments/grid.toml --quiet
	target/release/blowup sweep experiments/article.toml --quiet
	target/release/blowup sweep experiments/transformer.toml --quiet
	target/release/blowup sweep experiments/mup.toml --quiet
	python3 scripts/tables.py write

# What each cure saves and costs (ten minutes); writes docs/cures.md, and a table into README.md.
cures: build
	target/release/blowup sweep experiments/cures.toml --quiet
	python3 scripts/cures.py write

# What is known about exploding gradients, held against this program; writes docs/literature.md.
literature: build
	sh scripts/literature.sh

# Writes the axes and the columns, as the program declares them, into docs/spec.md, docs/results.md
# and fuzz/words.dict.
tables:
	cargo run --release --quiet --package blowup-core --example tables

# Executes notebooks/divergence.ipynb on a sweep of its own, or on RUN=results/mine; its Python
# packages go to .venv-notebook/.
notebook: build
	sh scripts/notebook.sh

build: libtorch
	cargo build --release

libtorch:
	@python3 scripts/libtorch.py

# What `--device cuda` loads at run time, into .libtorch/cuda/ (2.5 GB to fetch); the build stays as
# it is.
libtorch-cuda:
	@python3 scripts/libtorch.py cuda

# The comparison with other ways to do the same; its Python packages go to .venv-bench/.
# ARGS=--quick for tiny sizes, ARGS="--only raw" for a part (gpu: after `make libtorch-cuda`, where
# there is a GPU).
bench: build
	cargo bench --no-run
	python3 benches/compare.py $(ARGS)

# On a machine with a GPU: are its verdicts those of the CPU?
# `python3 tests/device/compare.py cpu:plain` rehearses it without one.
cuda-check: build libtorch-cuda
	python3 tests/device/compare.py cuda

# Trains the trials of tests/pytorch/ in blowup and in PyTorch and compares every step; its Python
# packages go to .venv-pytorch/.
pytorch: build
	sh scripts/pytorch.sh

# Tests the Python package with PyTorch, in .venv-pytorch/ (5 GB, which is why `make test` leaves it
# out). ARGS=--slow trains longer.
python: build
	sh scripts/python.sh $(ARGS)

# The wheel of program and Python package, into target/wheels/; it is tried in a bare virtual
# environment. maturin goes to .venv-wheel/.
wheel: libtorch
	sh scripts/wheel.sh

# A real sweep under every fault a machine can have; each must resume to the same bytes.
# ARGS=--quick for fewer times.
drill: build
	python3 scripts/drill.py $(ARGS)

# A million inputs for everything that reads what others wrote: specs, rows, messages. ARGS="--runs
# 20000 spec" for fewer and one of them.
fuzz:
	python3 scripts/fuzz.py $(ARGS)
