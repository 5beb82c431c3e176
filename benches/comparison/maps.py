"""The tanh map of arXiv 2402.06184: width 16, 272 samples, f64, 500 updates of the full batch for
each pixel. Whole processes on the same two cores. Shares of diverged pixels must agree."""

import csv
import shutil

from . import measure
from .measure import BLOWUP, ROOT, SCRATCH, say
from .peers import peer

SPEC = ROOT / "experiments/literature/fractal-tanh.toml"
SIZES, STEPS = [128, 256], 500
QUICK, QUICK_STEPS = [16], 60
OURS = {"blowup, every pixel": False, "blowup, refined": True}
# Name -> way, pixels that one call trains: the fastest of 16, 64, 256 and the whole picture; the
# published program trains the whole picture at once.
PEERS = {
    "JAX, a loop of jit(vmap(step)), whole picture": ("loop", None),
    "JAX, a loop of jit(vmap(step)), 16 pixels at a time": ("loop", 16),
    "JAX, jit(vmap(scan)), 16 pixels at a time": ("scan", 16),
}


def compare(quick, rounds, versions):
    sizes, steps = (QUICK, QUICK_STEPS) if quick else (SIZES, STEPS)
    return {str(size): of_size(size, steps, rounds, versions) for size in sizes}


def of_size(size, steps, rounds, versions):
    say(f"map of {size} x {size} pixels")
    out = {name: SCRATCH / f"map-{'refined' if refine else 'whole'}" for name, refine in OURS.items()}
    diverged = {}

    def blowup(name, refine):
        spec = SCRATCH / f"{out[name].name}.toml"
        spec.write_text(written(size, steps, refine))
        shutil.rmtree(out[name], ignore_errors=True)
        return measure.run(BLOWUP, "map", spec, "--out", out[name], "--workers", 2, "--quiet")

    def of_peer(name, way, group):
        result = measure.run(*peer("jax_map", way, size, steps, group or size**2))
        diverged[name] = float((SCRATCH / "log").read_text().split()[-1])
        return result

    contenders = {
        name: (lambda name=name, refine=refine: blowup(name, refine), rounds) for name, refine in OURS.items()
    }
    if versions["jax"]:
        for name, (way, group) in PEERS.items():
            contenders[name] = (lambda name=name, way=way, group=group: of_peer(name, way, group), 2)
    results = measure.interleaved(contenders, rounds)
    whole, refined = (pixels(folder / "map.csv") for folder in out.values())
    share = sum(converged == "false" for converged, _ in whole) / len(whole)
    for name, other in diverged.items():
        # The draws differ, and the edge of the published picture is wide.
        if abs(other - share) > 0.1:
            raise SystemExit(f"{name}: {other:.0%} of the pixels diverged, in blowup {share:.0%}")
    return {
        "diverged": share,
        "trained": sum(source == "trained" for _, source in refined) / len(refined),
        "wrong": sum(a[0] != b[0] for a, b in zip(whole, refined, strict=True)) / len(whole),
        "seconds": {name: measure.seconds(runs) for name, runs in results.items()},
        "missing": [name for name in PEERS if name not in results],
    }


def written(size, steps, refine):
    text = SPEC.read_text()
    for old, new in [
        ("steps  = 500", f"steps  = {steps}"),
        ("resolution = 256", f"resolution = {size}"),
        ("refine     = true", f"refine     = {str(refine).lower()}"),
    ]:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def pixels(path):
    with open(path, newline="") as file:
        return [(row["converged"], row["source"]) for row in csv.DictReader(file)]
