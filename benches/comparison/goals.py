"""The figures to reach, each a ratio or a number of one run. Ratios are of medians."""

from .measure import median, seconds

EAGER, JAX = "PyTorch eager", "JAX"
# How much faster a bundle is to be than each other way.
OWN = {
    "gpt-28k": {EAGER: 5, "torch.func.vmap": 1.5},
    "gpt-106k": {EAGER: 1.5},
    "resnet": {EAGER: 3.5},
    "vit": {EAGER: 3.5},
    "ppo": {EAGER: 15},
}
OURS, ALONE = "blowup, 2 workers", "blowup, 1 worker"


def goals(results):
    """Of the sections that ran. `measured` is None where what it is compared with did not run."""
    found = []

    def goal(what, measured, bound, figure, unit="{:.2f}x"):
        found.append({"what": what, "measured": measured, "bound": bound, "figure": figure, "unit": unit})

    for width, part in results.get("real", {}).items():
        goal(
            f"real grid, width {width}, PyTorch eager with joblib / blowup",
            of_peer(part, EAGER),
            ">=",
            {"16": 80, "64": 20}[width],
            "{:.1f}x",
        )
        goal(f"real grid, width {width}, best JAX / blowup", of_peer(part, JAX), ">=", 3)
        goal(
            f"real grid, width {width}, one worker / two",
            median(part["seconds"][ALONE]) / median(part["seconds"][OURS]),
            ">=",
            1.9,
        )
    if "raw" in results:
        step(results["raw"], goal)
    for batch, figures in results.get("transformers", {}).items():
        for who, figure in (("jax", 1.5), ("eager", 20)):
            measured = median(figures[who]) / median(figures["step"]) if who in figures else None
            name = {"jax": JAX, "eager": EAGER}[who]
            goal(f"transformer step, batch of {batch}, {name} / blowup", measured, ">=", figure)
    for name, figures in results.get("own", {}).items():
        for who, figure in OWN.get(name, {}).items():
            measured = median(figures[who]) / median(figures["blowup"]) if figures.get(who) else None
            goal(f"a model of one's own, {name}, {who} / blowup", measured, ">=", figure, "{:.1f}x")
        if figures.get("built in"):
            measured = median(figures["blowup"]) / median(figures["built in"])
            goal(f"a model of one's own, {name}, blowup / built in", measured, "<=", 1.3)
    for size, part in results.get("maps", {}).items():
        published = [median(values) for name, values in part["seconds"].items() if "whole picture" in name]
        for name, figure in (("blowup, every pixel", 10), ("blowup, refined", 40)):
            measured = published[0] / median(part["seconds"][name]) if published else None
            goal(f"map, {size} x {size}, JAX as published / {name}", measured, ">=", figure, "{:.1f}x")
        goal(f"map, {size} x {size}, wrong pixels when refined", part["wrong"], "<=", 0.005, "{:.2%}")
    if "overhead" in results:
        part = results["overhead"]
        best = max((n, name) for name, n in part["trials"].items() if name.startswith("blowup"))[1]
        goal("trivial trials a second", part["trials"][best] / median(part["seconds"][best]), ">=", 20_000, "{:,.0f}")
    if "growth" in results:
        grow(results["growth"], goal)
    return found


def step(raw, goal):
    for width, figure in ((16, 2), (64, 1.3), (256, 1.2)):
        goal(
            f"raw step, width {width}, JAX / blowup, least of its cases", least(raw, "mlp", width, ratio), ">=", figure
        )
    goal("raw step, RNN, JAX / blowup", least(raw, "rnn", 64, ratio), ">=", 1.2)
    for width in (64, 128, 256):
        goal(
            f"raw step, width {width}, least of its cases, share of products",
            least(raw, "mlp", width, share),
            ">=",
            0.7,
            "{:.0%}",
        )
    goal("raw step, RNN, share of products", least(raw, "rnn", 64, share), ">=", 0.7, "{:.0%}")


def grow(part, goal):
    sizes, million = part["sizes"], part["sizes"][-1]
    each = lambda size: median(seconds(part["sweeps"][f"{size} 2"])) / size
    first = sizes[1] if len(sizes) > 2 else sizes[0]
    goal(f"time per trial at {million:,} trials / at {first:,}", each(million) / each(first), "<=", 1.1)
    if len(sizes) > 3:
        # Without the start, which at the smaller sizes is most of the time.
        total = lambda size: each(size) * size
        further = lambda a, b: (total(b) - total(a)) / (b - a)
        measured = further(sizes[2], sizes[3]) / further(sizes[1], sizes[2])
        goal(
            f"time per further trial, {sizes[2]:,} to {sizes[3]:,} / {sizes[1]:,} to {sizes[2]:,}", measured, "<=", 1.1
        )
    parent = median([run["memory"] for run in part["sweeps"][f"{million} 2"]])
    goal(f"parent's peak memory at {million:,} trials", parent, "<=", 200, "{:.0f} MB")
    goal(f"resume scan of {million:,} rows", median(seconds(part["resume"])), "<=", 3, "{:.2f} s")
    one, two = (median(seconds(part["sweeps"][f"{million} {workers}"])) for workers in (1, 2))
    goal(f"{million:,} trivial trials, one worker / two", one / two, ">=", 1.6)


def of_peer(part, name):
    """The best of this name's variants over blowup."""
    medians = [median(values) for peer, values in part["seconds"].items() if peer.startswith(name)]
    return min(medians) / median(part["seconds"][OURS]) if medians else None


def ratio(figures):
    return median(figures["jax"]) / median(figures["step"]) if "jax" in figures else None


def share(figures):
    return median(figures["products"]) / median(figures["step"])


def least(raw, network, width, of):
    cases = (figures for case, figures in raw.items() if (case.split()[0], int(case.split()[3])) == (network, width))
    values = [value for value in map(of, cases) if value is not None]
    return min(values, default=None)


def reached(g):
    """None where nothing was measured."""
    if g["measured"] is None:
        return None
    return g["measured"] >= g["figure"] if g["bound"] == ">=" else g["measured"] <= g["figure"]
