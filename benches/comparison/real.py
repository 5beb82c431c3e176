"""The real grid: the same trials in every way, whole processes, by width. Shares of diverged trials
must agree."""

import csv
import json
import shutil

from . import measure
from .measure import BLOWUP, ROOT, SCRATCH, say
from .peers import peer

SPEC = ROOT / "benches/specs/real.toml"
WIDTHS = [16, 64]
QUICK = ["--where", "activation=tanh", "--where", "lr=0.1..10", "--where", "init=xavier,he"]
INTEGERS = ["depth", "width", "sequence_length", "epochs", "samples", "batch", "seed", "inputs"]
FLOATS = ["lr", "clip_threshold", "init_scale"]
TEXTS = ["trial", "network", "activation", "init", "clip"]

# Name -> peer, processes, package, most rounds: what takes minutes runs twice.
PEERS = {
    "PyTorch eager, joblib, 2 processes": ("eager", 2, "torch", 2),
    "torch.func.vmap, 2 processes": ("vmap", 2, "torch", 2),
    "JAX jit(vmap(scan)), 1 process": ("jax_grid", 1, "jax", 3),
    "JAX jit(vmap(scan)), 2 processes": ("jax_grid", 2, "jax", 3),
}


def compare(quick, rounds, versions):
    return {str(width): of_width(width, quick, rounds, versions) for width in (WIDTHS[:1] if quick else WIDTHS)}


def of_width(width, quick, rounds, versions):
    say(f"real grid at width {width}")
    grid = ["--where", f"width={width}", *(QUICK if quick else [])]
    out, trials, answers = SCRATCH / "real", SCRATCH / "trials.json", SCRATCH / "outcomes.csv"

    def blowup(workers):
        shutil.rmtree(out, ignore_errors=True)
        return measure.run(BLOWUP, "sweep", SPEC, *grid, "--out", out, "--workers", workers, "--quiet")

    blowup(2)
    rows = read(out / "runs.csv")
    trials.write_text(json.dumps([axes(row) for row in rows]))
    expected = {row["trial"]: blew_up(row) for row in rows}
    checks = {}

    def of_peer(name, script, processes):
        result = measure.run(*peer(script, trials, answers, processes))
        checks[name] = check(name, expected, {row["trial"]: blew_up(row) for row in read(answers)})
        return result

    contenders = {f"blowup, {n} worker{'s' * (n > 1)}": (lambda n=n: blowup(n), rounds) for n in (2, 1)}
    for name, (script, processes, package, most) in PEERS.items():
        if versions[package]:
            contenders[name] = (lambda name=name, script=script, n=processes: of_peer(name, script, n), most)
    results = measure.interleaved(contenders, rounds)
    share = sum(expected.values()) / len(expected)
    return {
        "trials": len(rows),
        "diverged": share,
        "checks": checks,
        "seconds": {name: measure.seconds(runs) for name, runs in results.items()},
        "missing": [name for name in PEERS if name not in results],
    }


def check(name, expected, found):
    """Draws differ, and a trial at the edge may fall to either side; more than chance would move is
    an error."""
    if expected.keys() != found.keys():
        raise SystemExit(f"{name} did not run the same trials")
    n = len(expected)
    ours, theirs = sum(expected.values()) / n, sum(found.values()) / n
    agree = sum(expected[trial] == found[trial] for trial in expected) / n
    if abs(ours - theirs) > 0.02 + 1 / n**0.5:
        raise SystemExit(f"{name}: {theirs:.0%} of the trials diverged, in blowup {ours:.0%}")
    return {"diverged": theirs, "agree": agree}


def axes(row):
    number = lambda kind, text: kind(text) if text else None
    integers, floats = (
        {name: number(kind, row[name]) for name in names} for kind, names in ((int, INTEGERS), (float, FLOATS))
    )
    return {name: row[name] for name in TEXTS} | integers | floats


def blew_up(row):
    return row["outcome"] in ("diverged", "nonfinite")


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))
