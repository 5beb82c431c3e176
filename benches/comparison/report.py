"""A run of the comparison as Markdown, and its short form in README.md."""

import re
import textwrap

from .goals import OURS, goals, ratio, reached, share
from .measure import ROOT, median, seconds
from .own import SIZES
from .raw import JAX_LANES
from .transformers import SIZES as TRANSFORMERS

MARKS = "<!-- speed: written by `make bench` -->", "<!-- /speed -->"


def markdown(results):
    parts = [head(results), "## Figures to reach\n", goal_table(results)]
    for name, section in (
        ("real", real),
        ("raw", raw),
        ("transformers", transformers),
        ("own", own),
        ("maps", maps),
        ("overhead", overhead),
        ("growth", growth),
        ("gpu", gpu),
    ):
        if name in results:
            parts.append(section(results[name]))
    return "\n".join(parts)


def prose(*sentences):
    """A paragraph, in lines of at most 100 columns."""
    return textwrap.fill(" ".join(sentences), 100, break_long_words=False, break_on_hyphens=False) + "\n"


def table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def spread(values, digits=2):
    """Median, least and most."""
    text = lambda value: f"{value:,.{digits}f}"
    if len(values) == 1:
        return text(values[0])
    return f"{text(median(values))} ({text(min(values))} to {text(max(values))}, n={len(values)})"


def head(results):
    machine = dict(results["machine"])
    machine["peers"] = ", ".join(
        f"{name} {version or 'could not be installed'}" for name, version in machine["peers"].items()
    )
    kind = (
        "This was a quick run: it shows that everything works, and its figures mean nothing.\n\n"
        if results["quick"]
        else ""
    )
    compared = prose(
        "`make bench` writes this page. It compares blowup with other ways to do the same on one machine: with PyTorch, torch.func",
        "and JAX on a real grid and step by step, with joblib, Optuna and Ray Tune on trivial trials, and with itself as a sweep grows",
        "to a million trials. Trials, sizes of the data, optimizer, clipping and, where the method allows it, the early stop are the",
        "same, and the shares of diverged trials are held against blowup's.",
    )
    run = prose(
        'The command installs the other programs, pinned, in `.venv-bench/` (6 GB). With `ARGS="--rounds 3"` it takes 15 minutes on',
        'two cores. `make bench ARGS=--quick` shows in two minutes whether everything works, and `make bench ARGS="--only raw"` runs',
        "one part; both write into `target/bench/` alone.",
    )
    about = prose(
        "Every figure is a median; the brackets hold the least and the most of n runs. Runs of different programs took turns. Times are",
        "wall times of whole processes, start and compilation included, unless something else is said. Ratios are ratios of medians of",
        "this run.",
    )
    return f"# Results of `make bench`\n\n{kind}{compared}\n{run}\n{about}\n" + table(["", ""], machine.items())


def goal_table(results):
    rows = []
    for g in goals(results):
        written = "" if g["measured"] is None else g["unit"].format(g["measured"])
        verdict = {True: "reached", False: "**not reached**", None: "not measured"}[reached(g)]
        rows.append([g["what"], f"{g['bound']} {g['unit'].format(g['figure'])}", written, verdict])
    return (
        table(["figure", "to reach", "measured", ""], rows)
        + "\n[LOG.md](LOG.md) says what was tried where a figure is not reached.\n"
    )


def own(models):
    rows = []
    for name, figures in models.items():
        ours = median(figures["blowup"])
        times = lambda who, figures=figures, ours=ours: (
            f"{median(figures[who]) / ours:.1f}x" if figures.get(who) else "cannot"
        )
        built = f"{ours / median(figures['built in']):.2f}x" if figures.get("built in") else ""
        row = [
            name,
            SIZES[name][0],
            spread(figures["blowup"], 0),
            times("PyTorch eager"),
            times("torch.func.vmap"),
            built,
        ]
        rows.append(row)
    about = prose(
        "A model and its loss are exported once as a bundle (docs/own-model.md) and trained on one core, many lanes at once, with all of",
        "blowup's probes. Beside it the same model trains in PyTorch, a trial after the other, and by torch.func.vmap over as many lanes;",
        "the last column is the bundle's time over that of the same network built in.",
    )
    header = ["model", "lanes", "us per trial and step", "PyTorch eager / blowup", "vmap / blowup", "blowup / built in"]
    return f"\n## Models of one's own\n\n{about}\n" + table(header, rows)


def real(widths):
    lines = [
        "## Real grid\n",
        "The grid is `benches/specs/real.toml`. `agree` is the share of trials with the same verdict; the draws are not the same.\n",
    ]
    for width, part in widths.items():
        ours = median(part["seconds"][OURS])
        rows = []
        for name, values in part["seconds"].items():
            check = part["checks"].get(name, {"diverged": part["diverged"], "agree": None})
            agree = "" if check["agree"] is None else f"{check['agree']:.0%}"
            rows.append([name, spread(values), f"{median(values) / ours:.2f}x", f"{check['diverged']:.0%}", agree])
        rows += [[name, "not installed", "", "", ""] for name in part["missing"]]
        lines += [
            f"Width {width}, {part['trials']} trials:\n",
            table(["", "seconds", "ratio", "diverged", "agree"], rows),
        ]
    return "\n".join(lines)


def raw(cases):
    rows = []
    for case, figures in cases.items():
        network, activation, optimizer, width, lanes, _ = case.split()
        jax = [spread(figures["jax"], 1), f"{ratio(figures):.2f}x"] if "jax" in figures else ["not installed", ""]
        what = [f"{network}, {activation}, {optimizer}", width, lanes]
        rows.append([*what, spread(figures["step"], 1), spread(figures["products"], 1), f"{share(figures):.0%}", *jax])
    other = " and ".join(f"{lanes} lanes at width {width}" for width, lanes in JAX_LANES.items())
    about = prose(
        "The figures are microseconds per trial and step on one core, without start and compilation. The nets have 16 hidden layers",
        "(the rnn has one, over 64 time steps), and train in f32 on 64 samples as a full batch. Every other trial clips by norm; none",
        "diverges. `products` are the same batched matrix products and nothing else. blowup's step includes all its probes; JAX reads",
        f"loss and gradient norm, and takes {other}, where it is quicker with so few.",
    )
    header = ["", "width", "lanes", "blowup", "products", "share", "JAX jit(vmap(scan))", "JAX / blowup"]
    return f"## Raw step\n\n{about}\n" + table(header, rows)


def transformers(batches):
    rows = []
    for batch, figures in batches.items():
        lanes, of_jax, _ = TRANSFORMERS[int(batch)]
        ours = median(figures["step"])
        peers = []
        for name in ("jax", "eager"):
            shown = [spread(figures[name], 0), f"{median(figures[name]) / ours:.2f}x"] if name in figures else []
            peers += shown or ["not installed", ""]
        blowup = [spread(figures["step"], 0), spread(figures["products"], 0), f"{share(figures):.0%}"]
        rows.append([batch, lanes, *blowup, of_jax, *peers])
    about = prose(
        "The figures are microseconds per trial and step on one core, without start and compilation. The transformer has 4 blocks of",
        "pre-norm, causal attention with 4 heads and an MLP, width 64 and 64 tokens, 214,000 parameters, and trains in f32 by SGD on the",
        "next character of a text. `products` are the same matrix products and nothing else. blowup's step includes all its probes, among",
        "them the entropy of every head; JAX reads loss and gradient norm. PyTorch trains one trial after the other, with its fused",
        "attention. Each has the number of lanes at which it is quickest.",
    )
    header = ["batch", "lanes", "blowup", "products", "share", "JAX's lanes", "JAX jit(vmap(scan))", "JAX / blowup"]
    header += ["PyTorch eager", "eager / blowup"]
    return f"## Transformers\n\n{about}\n" + table(header, rows)


def maps(sizes):
    parts = []
    for size, part in sizes.items():
        header = [f"{size} x {size} pixels", "seconds", "pixels a second"]
        rows = [
            [name, spread(values), f"{int(size) ** 2 / median(values):,.0f}"]
            for name, values in part["seconds"].items()
        ]
        rows += [[name, "not installed", ""] for name in part["missing"]]
        about = prose(
            f"{part['diverged']:.1%} of the pixels diverge. Refined, {part['trained']:.1%} of them are trained, and",
            f"{part['wrong']:.2%} of all have another verdict than with every pixel trained.",
        )
        parts.append(about + "\n" + table(header, rows))
    about = prose(
        "This is the tanh map of arXiv 2402.06184 (docs/fractal.md): 272 samples, width 16, f64, 500 updates of the full batch for each",
        "pixel, whole processes on two cores. JAX trains every pixel to the end; a pixel of blowup ends at its first NaN or at rest.",
    )
    return f"## Maps\n\n{about}\n" + "\n".join(parts)


def overhead(part):
    rows = []
    for name, values in part["seconds"].items():
        count = part["trials"][name]
        rows.append([name, f"{count:,}", spread(values), f"{count / median(values):,.1f}"])
    rows += [[name, "", "not installed", ""] for name in part["missing"]]
    about = prose(
        "A trial is one linear unit with one sample and one epoch. Optuna and Ray Tune, and joblib in its second row, compute it in",
        "plain Python, so that their times are those of the tools alone; blowup trains it on libtorch like any other. A peer whose time",
        "grows with the square of its trials, or that takes a second for each, runs few trials, and blowup runs as few beside it.",
    )
    return f"## Overhead\n\n{about}\n" + table(["", "trials", "seconds", "trials a second"], rows)


def growth(part):
    rows = []
    for key, runs in part["sweeps"].items():
        size, workers = map(int, key.split())
        memory = [f"{median([run[name] for run in runs]):.0f}" for name in ("memory", "memory_child")]
        rows.append([f"{size:,}", workers, spread(seconds(runs)), f"{median(seconds(runs)) / size * 1e6:.1f}", *memory])
    header = ["trials", "workers", "seconds", "microseconds a trial", "parent's peak, MB", "a worker's peak, MB"]
    scan = f"A resume that finds {part['sizes'][-1]:,} finished rows ({part['bytes'] / 1e6:.0f} MB) takes {spread(seconds(part['resume']))} seconds.\n"
    return "## Growth\n\nThese are whole sweeps of trivial trials.\n\n" + table(header, rows) + "\n" + scan


def gpu(part):
    rows = []
    for case, figures in part["cases"].items():
        _, _, _, width, lanes, _ = case.split()
        shown = [
            spread(figures[name], 3) if figures.get(name) else "does not fit" if name in figures else "not installed"
            for name in ("blowup", "jax")
        ]
        both = figures["blowup"] and figures.get("jax")
        rows.append(
            [
                width,
                f"{int(lanes):,}",
                *shown,
                f"{median(figures['jax']) / median(figures['blowup']):.2f}x" if both else "",
            ]
        )
    about = prose(
        f"The figures are microseconds per trial and step on {part['gpu']} (JAX {part['jax']}), without start and compilation. The nets have",
        "16 hidden tanh layers and train in f32 by SGD on 64 samples as a full batch. Every other trial clips by norm. blowup's step",
        "includes all its probes; JAX reads loss and gradient norm.",
    )
    return f"## GPU\n\n{about}\n" + table(["width", "lanes", "blowup", "JAX jit(vmap(scan))", "JAX / blowup"], rows)


def into_readme(results):
    """Between the marks; everything else stays."""
    readme = ROOT / "README.md"
    pattern = "(?s)" + ".*".join(map(re.escape, MARKS))
    written, found = re.subn(pattern, lambda _: f"{MARKS[0]}\n{short(results)}{MARKS[1]}", readme.read_text())
    assert found == 1, "README.md has lost its marks"
    readme.write_text(written)


def short(results):
    """What a reader of the README wants to know: the real grid, blowup and each other program at
    its fastest."""
    machine, widths = results["machine"], results["real"]
    names = [name for name in next(iter(widths.values()))["seconds"] if ", 1 " not in name]
    rows = []
    for name in names:
        cells = [(median(part["seconds"][name]), median(part["seconds"][OURS])) for part in widths.values()]
        rows.append(
            [
                name,
                *(
                    f"{seconds:.2f} s" if name == OURS else f"{seconds:.2f} s ({seconds / ours:.1f}x)"
                    for seconds, ours in cells
                ),
            ]
        )
    grid = prose(
        f"A grid of {next(iter(widths.values()))['trials']} MLPs and RNNs, half of which blow up, was timed on {machine['cores']} cores of an {machine['cpu']}",
        f"({machine['date']}), start and compilation included; in brackets stand multiples of blowup's time:",
    )
    growth = results["growth"]
    million = growth["sweeps"][f"{growth['sizes'][-1]} 2"]
    rest = prose(
        f"{growth['sizes'][-1]:,} trivial trials take {median(seconds(million)):.1f} s. All figures are in [benches/RESULTS.md](benches/RESULTS.md).",
    )
    return grid + "\n" + table(["", *(f"width {width}" for width in widths)], rows) + "\n" + rest
