"""Draws a map again in plain PyTorch, in which every trial makes all of its updates, and compares
the values, the verdicts and the dimension of the edge.

    maps.py BLOWUP SCRATCH

Where training is chaotic two correct programs part ways. So PyTorch draws the map twice, once from
weights that are larger by one part in 10^15, and pixels whose two values agree are compared."""

import csv
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy
import torch
from safetensors.torch import load_file

HERE = Path(__file__).parent
# Values that agree within the first are compared within the second, both relative.
CALM, CLOSE = 1e-11, 1e-9


def run(*command):
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout


def start(blowup, scratch, spec):
    """The inputs, targets and weights of every pixel, from the trace of one of them."""
    text = spec.read_text(encoding="utf-8")
    head, tail = text.split("[map]")[0], text.split("[[grid]]")[1]
    (scratch / "one.toml").write_text(f"{head}[[grid]]{tail}lr = 1.0\nlr_output = 2.0\n", encoding="utf-8")
    run(blowup, "sweep", scratch / "one.toml", "--out", scratch / "one", "--quiet")
    trial = next(csv.DictReader((scratch / "one/runs.csv").open(encoding="utf-8")))["trial"]
    run(blowup, "replay", scratch / "one", trial, "--trace", scratch / "trace")
    tensors = load_file(scratch / "trace/tensors.safetensors")
    names = ("data.inputs", "data.targets", "layers.1.weight", "layers.2.weight")
    return [tensors[name].double() for name in names]


def losses(inputs, targets, hidden, output, rates, steps):
    """The loss before each update, `[pixel, step]`."""
    width, pixels = hidden.shape[1], len(rates[0])
    hidden, output = (w.expand(pixels, *w.shape).clone().requires_grad_() for w in (hidden, output))
    found = []
    for _ in range(steps):
        made = torch.tanh(inputs @ hidden / inputs.shape[1] ** 0.5) @ output / width
        loss = ((made - targets) ** 2).mean((1, 2))
        found.append(loss.detach())
        gradients = torch.autograd.grad(loss.sum(), (hidden, output))
        with torch.no_grad():
            hidden -= rates[0][:, None, None] * gradients[0]
            output -= rates[1][:, None, None] * gradients[1]
    return torch.stack(found, 1)


def trainability(losses):
    """The value of each pixel and whether it converged (Sohl-Dickstein 2024, arXiv 2402.06184)."""
    v = losses / losses[:, :1]
    v = torch.where(v < 1e6, v, 1e6)
    converged = v[:, -20:].mean(1) < 1
    return torch.where(converged, -v.sum(1), (1 / v).sum(1)), converged


def dimension(failed):
    """The median slope of box counts along the edge, as PoreSpy's `boxcount` takes it. The power of
    the last size may fall short of the side by its rounding."""
    blocks = numpy.stack((failed[1:, 1:], failed[:-1, 1:], failed[1:, :-1], failed[:-1, :-1]))
    edge = blocks.any(0) & ~blocks.all(0)
    sizes = numpy.unique((numpy.logspace(1, numpy.log10(min(edge.shape)), 10) + 1e-9).astype(int))
    counts = []
    for size in sizes:
        starts = [range(0, length, size) for length in edge.shape]
        boxes = [edge[i : i + size, j : j + size] for i in starts[0] for j in starts[1]]
        counts.append(sum(bool(box.any()) and not box.all() for box in boxes))
    return float(numpy.median(-numpy.gradient(numpy.log(counts), numpy.log(sizes))))


def main(blowup, scratch):
    spec, scratch = HERE / "map.toml", Path(scratch)
    scratch.mkdir(parents=True, exist_ok=True)
    run(blowup, "map", spec, "--out", scratch / "map", "--quiet")
    rows = list(csv.DictReader((scratch / "map/map.csv").open(encoding="utf-8")))
    column = lambda name: torch.tensor([float(row[name]) for row in rows], dtype=torch.float64)
    inputs, targets, hidden, output = start(blowup, scratch, spec)
    rates = (column("x"), column("y"))
    written = tomllib.loads(spec.read_text(encoding="utf-8"))
    drawn = [
        trainability(losses(inputs, targets, weights, output, rates, written["steps"]))
        for weights in (hidden, hidden * (1 + 1e-15))
    ]
    (value, converged), (other, _) = drawn
    calm = (value / other - 1).abs() < CALM
    apart = (column("value") / value - 1).abs()
    verdict = torch.tensor([row["converged"] == "true" for row in rows])
    wrong = int((calm & ((apart > CLOSE) | (verdict != converged))).sum())
    both = {bool(c) for c in converged[calm]} == {True, False}
    print(
        f"{len(rows)} pixels: {int(calm.sum())} are calm, of which {wrong} differ by more than {CLOSE:g}; "
        f"{int((verdict != converged).sum())} verdicts of all differ"
    )
    side = written["map"]["resolution"]
    counted = dimension(~verdict.numpy().reshape(side, side))
    said = tomllib.loads((scratch / "map/manifest.toml").read_text(encoding="utf-8"))["dimension"]
    print(f"dimension {said:.12f}, and {counted:.12f} by NumPy")
    fine = wrong == 0 and both and calm.double().mean() > 0.5 and abs(said - counted) < 1e-9
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
