"""Overhead: trials that do next to nothing, whole processes. A peer whose time grows with the
square of its trials, or that takes a second for each, runs few; blowup then runs as few beside
it."""

from . import measure
from .growth import sweep
from .measure import SCRATCH, say
from .peers import peer

# Name -> peer, package, trials, trials of a quick run, most rounds.
PEERS = {
    "joblib, 2 processes, nn.Linear": ("joblib_trivial", "joblib", 100_000, 1000, 3),
    "joblib, 2 processes, plain Python": ("joblib_python", "joblib", 100_000, 1000, 3),
    "Optuna, grid sampler, plain Python": ("optuna_trivial", "optuna", 300, 50, 3),
    "Ray Tune, plain Python": ("ray_trivial", "ray", 20, 10, 2),
}


def compare(quick, rounds, versions):
    say("overhead")
    contenders, trials = {}, {}
    for name, (script, package, full, few, most) in PEERS.items():
        if not versions[package] or (package == "joblib" and not versions["torch"]):
            continue
        count = few if quick else full
        ours = f"blowup, {count:,} trials"
        trials |= {ours: count, name: count}
        contenders[ours] = (lambda count=count: sweep(count, 2), rounds)
        contenders[name] = (
            lambda script=script, count=count: measure.run(*peer(script, count, SCRATCH / "trivial.csv")),
            most,
        )
    results = measure.interleaved(contenders, rounds)
    return {
        "trials": trials,
        "seconds": {name: measure.seconds(runs) for name, runs in results.items()},
        "missing": [name for name in PEERS if name not in results],
    }
