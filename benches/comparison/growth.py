"""Growth: trivial trials by the thousand up to a million, seconds and memory, with one worker and
two; and what a resume costs that finds every row."""

import shutil

from . import measure
from .measure import BLOWUP, ROOT, SCRATCH, say

SPEC = ROOT / "benches/specs/trivial.toml"
SIZES = [10**3, 10**4, 10**5, 10**6]
QUICK = [10**3, 10**4]
OUT = SCRATCH / "trivial"


def command(count, workers):
    written = "seeds  = 10_000"
    text = SPEC.read_text()
    assert written in text and count % 10 == 0
    spec = SCRATCH / "trivial.toml"
    spec.write_text(text.replace(written, f"seeds = {count // 10}"))
    return [BLOWUP, "sweep", spec, "--out", OUT, "--workers", workers, "--quiet"]


def sweep(count, workers):
    shutil.rmtree(OUT, ignore_errors=True)
    return measure.run(*command(count, workers))


def compare(quick, rounds, _):
    say("growth")
    sizes = QUICK if quick else SIZES
    contenders = {
        f"{size} {workers}": (lambda size=size, workers=workers: sweep(size, workers), 3 if size == 10**6 else rounds)
        for size in sizes
        for workers in (2, 1)
    }
    sweeps = measure.interleaved(contenders, rounds)
    sweep(sizes[-1], 2)
    resume = [measure.run(*command(sizes[-1], 2)) for _ in range(rounds)]
    size = (OUT / "runs.csv").stat().st_size
    shutil.rmtree(OUT)
    return {"sizes": sizes, "sweeps": sweeps, "resume": resume, "bytes": size}
