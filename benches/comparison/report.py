"""A run of the comparison as Markdown, and the table of it in README.md."""

import re

from .goals import OURS, goals, ratio, reached, share
from .measure import ROOT, median, seconds
from .raw import JAX_LANES

MARKS = "<!-- speed: written by `make bench` -->", "<!-- /speed -->"


def markdown(results):
    parts = [head(results), "## Figures to reach\n", goal_table(results)]
    for name, section in (("real", real), ("raw", raw), ("overhead", overhead), ("growth", growth), ("gpu", gpu)):
        if name in results:
            parts.append(section(results[name]))
    return "\n".join(parts)


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
    machine["peers"] = ", ".join(f"{name} {version or 'could not be installed'}" for name, version in machine["peers"].items())
    kind = "A quick run: it shows that everything works, its figures mean nothing.\n\n" if results["quick"] else ""
    about = (
        "Written by `make bench`. Medians, in brackets the least and the most of n runs; runs of different programs took turns. Whole-process wall time,\n"
        "start and compilation included, where nothing else is said. Ratios are of medians of this run.\n"
    )
    return f"# Results of `make bench`\n\n{kind}{about}\n" + table(["", ""], machine.items())


def goal_table(results):
    rows = []
    for g in goals(results):
        written = "" if g["measured"] is None else g["unit"].format(g["measured"])
        verdict = {True: "reached", False: "**not reached**", None: "not measured"}[reached(g)]
        rows.append([g["what"], f"{g['bound']} {g['unit'].format(g['figure'])}", written, verdict])
    return table(["figure", "to reach", "measured", ""], rows) + "\nWhat was tried where a figure is not reached: [LOG.md](LOG.md).\n"


def real(widths):
    lines = ["## Real grid\n", "`benches/specs/real.toml`. `agree`: the share of trials with the same verdict; draws are not the same.\n"]
    for width, part in widths.items():
        ours = median(part["seconds"][OURS])
        rows = []
        for name, values in part["seconds"].items():
            check = part["checks"].get(name, {"diverged": part["diverged"], "agree": None})
            agree = "" if check["agree"] is None else f"{check['agree']:.0%}"
            rows.append([name, spread(values), f"{median(values) / ours:.2f}x", f"{check['diverged']:.0%}", agree])
        rows += [[name, "not installed", "", "", ""] for name in part["missing"]]
        lines += [f"Width {width}, {part['trials']} trials:\n", table(["", "seconds", "ratio", "diverged", "agree"], rows)]
    return "\n".join(lines)


def raw(cases):
    rows = []
    for case, figures in cases.items():
        network, activation, optimizer, width, lanes, _ = case.split()
        jax = [spread(figures["jax"], 1), f"{ratio(figures):.2f}x"] if "jax" in figures else ["not installed", ""]
        what = [f"{network}, {activation}, {optimizer}", width, lanes]
        rows.append([*what, spread(figures["step"], 1), spread(figures["products"], 1), f"{share(figures):.0%}", *jax])
    other = "".join(f", and takes {lanes} lanes at width {width}, where it is quicker with them" for width, lanes in JAX_LANES.items())
    about = (
        "Microseconds per trial and step on one core, without start and compilation: 16 hidden layers (the rnn: one, over 64 time steps), 64 samples, full\n"
        "batch, f32, norm clip for every other trial, none diverges. Products: the same batched matrix products and nothing else. blowup's step includes all\n"
        "its probes; JAX reads loss and gradient norm"
        f"{other}.\n"
    )
    header = ["", "width", "lanes", "blowup", "products", "share", "JAX jit(vmap(scan))", "JAX / blowup"]
    return f"## Raw step\n\n{about}\n" + table(header, rows)


def overhead(part):
    rows = []
    for name, values in part["seconds"].items():
        count = part["trials"][name]
        rows.append([name, f"{count:,}", spread(values), f"{count / median(values):,.1f}"])
    rows += [[name, "", "not installed", ""] for name in part["missing"]]
    about = (
        "Trials of one linear unit, one sample, one epoch. Optuna and Ray Tune, and joblib in its second row, compute them in plain Python, so that theirs is\n"
        "the time of the tool alone; blowup trains them on libtorch like any other. A peer whose time grows with the square of its trials, or that takes a second\n"
        "for each, runs few, and blowup as few beside it.\n"
    )
    return f"## Overhead\n\n{about}\n" + table(["", "trials", "seconds", "trials a second"], rows)


def growth(part):
    rows = []
    for key, runs in part["sweeps"].items():
        size, workers = map(int, key.split())
        memory = [f"{median([run[name] for run in runs]):.0f}" for name in ("memory", "memory_child")]
        rows.append([f"{size:,}", workers, spread(seconds(runs)), f"{median(seconds(runs)) / size * 1e6:.1f}", *memory])
    header = ["trials", "workers", "seconds", "microseconds a trial", "parent's peak, MB", "a worker's peak, MB"]
    scan = f"Resume of {part['sizes'][-1]:,} finished rows ({part['bytes'] / 1e6:.0f} MB): {spread(seconds(part['resume']))} seconds.\n"
    return "## Growth\n\nTrivial trials, whole sweeps.\n\n" + table(header, rows) + "\n" + scan


def gpu(part):
    rows = []
    for case, figures in part["cases"].items():
        _, _, _, width, lanes, _ = case.split()
        shown = [spread(figures[name], 3) if figures.get(name) else "does not fit" if name in figures else "not installed" for name in ("blowup", "jax")]
        both = figures["blowup"] and figures.get("jax")
        rows.append([width, f"{int(lanes):,}", *shown, f"{median(figures['jax']) / median(figures['blowup']):.2f}x" if both else ""])
    about = (
        f"Microseconds per trial and step on {part['gpu']} (JAX {part['jax']}), without start and compilation: 16 hidden tanh layers, 64 samples, full batch, f32, SGD, norm clip\n"
        "for every other trial. blowup's step includes all its probes; JAX reads loss and gradient norm.\n"
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
    """What a reader of the README wants to know."""
    machine, widths = results["machine"], results["real"]
    rows = []
    for name in next(iter(widths.values()))["seconds"]:
        cells = [(median(part["seconds"][name]), median(part["seconds"][OURS])) for part in widths.values()]
        rows.append([name, *(f"{seconds:.2f} s ({seconds / ours:.1f}x)" for seconds, ours in cells)])
    cases = results["raw"].items()
    steps = [
        [case.split()[0], case.split()[3], *(f"{median(figures[name]):,.0f}" for name in ("step", "products", "jax")), f"{ratio(figures):.2f}x"]
        for case, figures in cases
        if case.split()[1:3] == ["tanh", "sgd"] and "jax" in figures
    ]
    growth = results["growth"]
    million = growth["sweeps"][f"{growth['sizes'][-1]} 2"]
    return (
        f"Measured on {machine['cores']} cores of an {machine['cpu']}, {machine['date']}. A grid of {next(iter(widths.values()))['trials']} MLPs and RNNs, half of which blow up;\n"
        "whole processes, start and compilation included:\n\n"
        + table(["", *(f"width {width}" for width in widths)], rows)
        + "\nA step of one trial on one core, 16 hidden tanh layers (the rnn: one, over 64 time steps), 64 samples, SGD, in microseconds:\n\n"
        + table(["", "width", "blowup, all probes included", "its matrix products alone", "JAX", "JAX / blowup"], steps)
        + f"\n{growth['sizes'][-1]:,} trivial trials (one linear unit, one epoch) take {median(seconds(million)):.1f} s, the parent {median([run['memory'] for run in million]):.0f} MB, and a resume that finds\n"
        f"them all {median(seconds(growth['resume'])):.1f} s. All figures, and the goals that are not reached: [benches/RESULTS.md](benches/RESULTS.md), with the reasons in [benches/LOG.md](benches/LOG.md).\n"
    )
