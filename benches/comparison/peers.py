"""The peers' virtual environment, and what machine and versions a run was made with."""

import json
import os
import platform
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

from .measure import BLOWUP, ROOT, say

VENV = ROOT / ".venv-bench"
PYTHON = VENV / "bin/python"
FOLDER = ROOT / "benches/peers"
REQUIREMENTS = ROOT / "benches/requirements.txt"


def set_up():
    """Installs what is pinned, once. What cannot be installed here is left out, and the report says
    so; without .venv-bench/ it is tried again."""
    complete = VENV / "complete"
    if complete.exists() and complete.read_text() == REQUIREMENTS.read_text():
        return
    say("setting up the peers in .venv-bench/ (PyTorch, JAX, joblib, Optuna, Ray: 6 GB)")
    subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
    if install("--requirement", REQUIREMENTS) != 0:
        for line in REQUIREMENTS.read_text().splitlines():
            if install(line, "--constraint", REQUIREMENTS) != 0:
                say(f"{line} cannot be installed here")
    complete.write_text(REQUIREMENTS.read_text())


def install(*what):
    return subprocess.run(
        [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *what], check=False
    ).returncode


def peer(name, *arguments):
    return [PYTHON, FOLDER / f"{name}.py", *arguments]


def versions():
    """Package -> version; None for what is not there."""
    packages = [re.match("[A-Za-z0-9_-]+", line)[0] for line in REQUIREMENTS.read_text().splitlines()]
    if not PYTHON.exists():
        return {}
    code = (
        "import importlib.metadata as m, json, sys\n"
        "def version(name):\n"
        "    try: return m.version(name)\n"
        "    except m.PackageNotFoundError: return None\n"
        "print(json.dumps({name: version(name) for name in sys.argv[1:]}))"
    )
    return json.loads(subprocess.check_output([PYTHON, "-c", code, *packages], text=True))


def machine():
    text = lambda *command: subprocess.run(
        command, check=False, cwd=ROOT, capture_output=True, text=True
    ).stdout.strip()
    cpu = re.search("model name\\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = int(re.search("MemTotal:\\s*(\\d+)", Path("/proc/meminfo").read_text())[1]) / 2**20
    changed = " with changes" if text("git", "status", "--porcelain", "--untracked-files=no") else ""
    return {
        "date": date.today().isoformat(),
        "cpu": cpu[1] if cpu else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory": f"{memory:.0f} GB",
        "system": f"{platform.system()} {platform.release()}",
        "load at the start": f"{os.getloadavg()[0]:.2f}",
        "blowup": f"{text(str(BLOWUP), '--version').removeprefix('blowup ')} ({text('git', 'rev-parse', '--short', 'HEAD')}{changed})",
        "Python": platform.python_version(),
        "peers": versions(),
    }
