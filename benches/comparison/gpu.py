"""The raw step on a GPU: blowup against JAX's jit(vmap(scan)) on the same one; microseconds per
trial and step, without starting or compiling.

Not yet run on a GPU. Each figure is taken by a process of its own, for JAX keeps most of a GPU's
memory for itself. JAX for CUDA has a virtual environment of its own, .venv-bench-gpu/; or
`BENCH_GPU_PYTHON` names a Python that has it. Needs no other peer.
"""

import os
import subprocess
import sys
from pathlib import Path

from . import measure
from .measure import ROOT, say

VENV = ROOT / ".venv-bench-gpu"
REQUIREMENTS = ROOT / "benches/requirements-gpu.txt"
DEVICE = "cuda"

# Lanes, and steps that make about a second.
LANES = [1024, 4096, 16384, 65536]
STEPS = {16: 300, 64: 100, 256: 30}

# Never the CPU instead of the GPU, and f32 products in f32, as blowup's are: JAX would take
# TensorFloat-32.
JAX = {"JAX_PLATFORMS": "cuda", "JAX_DEFAULT_MATMUL_PRECISION": "highest"}


def compare(quick, rounds, versions, device=DEVICE):
    """The GPU's name; JAX's version; case -> contender -> microseconds, [] where it does not fit
    into memory. None without a GPU."""
    blowup = [str(newest("throughput")), "--serve", device]
    answer = subprocess.run(blowup, check=False, input="", capture_output=True, text=True)
    if answer.returncode != 0:
        say(f"no GPU, so nothing of it is measured:\n{answer.stderr.strip()}")
        return None
    contenders, version = {"blowup": (blowup, "within")}, None
    if python := jax_python():
        version = subprocess.check_output([python, "-c", "import jax; print(jax.__version__)"], text=True).strip()
        contenders["jax"] = ([str(python), str(ROOT / "benches/peers/raw_step.py")], "jax")
    results = {}
    for case in cases(quick):
        figures = results[case] = {name: [] for name in contenders}
        for _ in range(rounds):
            for name, (command, what) in contenders.items():
                figures[name] += ask(command, f"{what} {case}")
        say(
            f"  {case}: "
            + ", ".join(
                f"{name} {measure.median(f):.3f} us" if f else f"{name} does not fit" for name, f in figures.items()
            )
        )
    return {"gpu": answer.stderr.strip(), "jax": version, "cases": results}


def cases(quick):
    if quick:
        return ["mlp tanh sgd 16 1024 20"]
    return [f"mlp tanh sgd {width} {lanes} {steps}" for width, steps in STEPS.items() for lanes in LANES]


def newest(bench):
    """The benchmark as `make bench` has built it: a machine with a GPU need not have cargo."""
    built = [path for path in (ROOT / "target/release/deps").glob(f"{bench}-*") if not path.suffix]
    return max(built, key=lambda path: path.stat().st_mtime)


def jax_python():
    if python := os.environ.get("BENCH_GPU_PYTHON"):
        return Path(python)
    python = VENV / "bin/python"
    if not (VENV / "complete").exists():
        say("setting up JAX for CUDA in .venv-bench-gpu/ (4 GB)")
        subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", REQUIREMENTS]
        if subprocess.run(pip, check=False).returncode != 0:
            say("JAX for CUDA cannot be installed here")
            return None
        (VENV / "complete").touch()
    return python


def ask(command, line):
    """One figure, or none where memory does not suffice."""
    answer = subprocess.run(
        command, check=False, input=line + "\n", capture_output=True, text=True, cwd=ROOT, env=JAX | os.environ
    )
    if answer.returncode == 0:
        return [float(answer.stdout)]
    if any(words in answer.stderr for words in ("out of memory", "RESOURCE_EXHAUSTED")):
        return []
    raise SystemExit(f"{' '.join(command)} failed at `{line}`:\n{answer.stderr[-3000:]}")
