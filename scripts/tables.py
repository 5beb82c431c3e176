#!/usr/bin/env python3
"""What the sweeps of grid.toml, article.toml, transformer.toml and mup.toml found: tables and
sentences, each with the numbers that it rests on.

usage: tables.py [grid | article | transformer | mup | write] (results/grid and so on; `make
findings` sweeps them)

`grid`, `article`, `transformer` and `mup` print what one sweep found. `write` puts all of them into
docs/findings.md, and a table of the transformers into README.md. A sentence whose condition does
not hold in the results ends the script with status 1: it must be written anew.
"""

import csv
import math
import sys
import textwrap
from collections import Counter
from pathlib import Path
from statistics import fmean, linear_regression, median

ROOT = Path(__file__).resolve().parent.parent
BLEW_UP = ("diverged", "nonfinite")
FAILED = (*BLEW_UP, "relapsed", "ruined")
FALSE = []


def rows(name):
    path = ROOT / "results" / name / "runs.csv"
    if not path.exists():
        sys.exit(
            f"error: there is no {path.relative_to(ROOT)}\nhint: target/release/blowup sweep experiments/{name}.toml"
        )
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def pick(trials, **cells):
    """The trials with these cells; a tuple allows several values, a range of floats its ends."""

    def fits(trial, column, wanted):
        if isinstance(wanted, tuple):
            return trial[column] in wanted
        return wanted(float(trial[column])) if callable(wanted) else trial[column] == wanted

    return [t for t in trials if all(fits(t, *cell) for cell in cells.items())]


def blown(trials):
    return sum(t["outcome"] in BLEW_UP for t in trials)


def failed(trials):
    return sum(t["outcome"] in FAILED for t in trials)


def converged(trials):
    return sum(t["outcome"] == "converged" for t in trials)


def rate(trials):
    return f"{blown(trials) / len(trials):.2f}" if trials else ""


def both_rates(trials):
    """The share that failed and, in brackets, the share that blew up."""
    return f"{failed(trials) / len(trials):.2f} ({rate(trials)})" if trials else ""


def of(count, trials):
    return f"{count:,} of {len(trials):,}"


def table(head, lines):
    lines = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def claim(holds, sentence):
    """A sentence with its numbers; `holds` is what it says."""
    if not holds:
        FALSE.append(sentence)
    return sentence


def inits(trials):
    name = lambda t: f"{t['init']}({t['init_scale']})" if t["init"] == "normal" else t["init"]
    return [(n, [t for t in trials if name(t) == n]) for n in dict.fromkeys(map(name, trials))]


class Grid:
    def __init__(self):
        self.all = rows("grid")
        self.mlp, self.rnn = pick(self.all, label="mlp"), pick(self.all, label="rnn")
        self.both = self.mlp + self.rnn
        self.plain = pick(self.both, clip="none")
        self.clipped = pick(self.both, clip="norm")
        self.deep = pick(self.all, network="mlp", depth="16", activation="relu")

    def cure(self, init, **cells):
        """The trials of a ReLU MLP of depth 16 with one cure; without one they are plain SGD."""
        sgd = dict(optimizer="sgd", norm="none", clip="none", weight_decay="0.0")
        return pick(self.deep, init=init, **(sgd | cells))

    def glance(self):
        clips = lambda of_init: [both_rates(pick(of_init, clip=clip)) for clip in ("none", "norm")]
        lines = [
            [init, *clips(of_mlp), *clips(of_rnn)]
            for (init, of_mlp), (_, of_rnn) in zip(inits(self.mlp), inits(self.rnn))
        ]
        return table(["init", "MLP", "with norm clip 1.0", "RNN", "with norm clip 1.0"], lines)

    def by_size(self, network, axis):
        trials = pick(self.plain, label=network)
        sizes = list(dict.fromkeys(t[axis] for t in trials))
        lines = []
        for init, of_init in inits(trials):
            for activation in dict.fromkeys(t["activation"] for t in trials):
                cells = [rate(pick(of_init, activation=activation, **{axis: size})) for size in sizes]
                lines.append([init, activation, *cells])
        return table(["init", "activation", *sizes], lines)

    def by_lr(self):
        rates = list(dict.fromkeys(t["lr"] for t in self.mlp))[::2]
        lines = [
            [name.upper(), *(rate(pick(self.plain, label=name, lr=lr)) for lr in rates)] for name in ("mlp", "rnn")
        ]
        return table(["lr", *rates], lines)

    def by_clip(self):
        lines = []
        for clip, trials in [("none", self.plain), ("norm", self.clipped)]:
            start = pick(trials, outcome="nonfinite", step_nonfinite="0")
            later = len(pick(trials, outcome="nonfinite")) - len(start)
            others = [len(pick(trials, outcome=outcome)) for outcome in ("diverged", "relapsed", "ruined", "converged")]
            lines.append([clip, *map(str, [len(trials), len(start), later, *others])])
        head = ["clip", "trials", "non-finite at the start", "non-finite later", "diverged", "relapsed", "ruined"]
        return table([*head, "converged"], lines)

    def cures(self):
        kinds = {
            "none": {},
            "norm clip 1.0": dict(clip="norm"),
            "Adam": dict(optimizer="adam"),
            "RMSprop": dict(optimizer="rmsprop"),
            "batch norm": dict(norm="batch"),
            "layer norm": dict(norm="layer"),
            "L2 1e-3": dict(weight_decay="0.001"),
            "L2 0.1": dict(weight_decay="0.1"),
        }
        lines = []
        for init, name in [("normal", "normal(0.5)"), ("xavier", "xavier"), ("he", "he")]:
            for count, what in [(failed, "failed"), (blown, "blew up"), (converged, "converged")]:
                cells = [self.cure(init, **cells) for cells in kinds.values()]
                lines.append([name, what, *(str(count(trials)) if trials else "" for trials in cells)])
        return table(["of 27 trials", "", *kinds], lines)

    def sentences(self):
        unbounded = pick(self.plain, activation=("relu", "linear"))
        large, tanh = pick(unbounded, init="normal"), pick(self.plain, activation="tanh", init="normal")
        moderate = lambda init: pick(self.plain, init=init, activation=("relu", "tanh"), lr=lambda lr: lr <= 0.01)
        yield claim(
            blown(large) > 0.98 * len(large) and blown(tanh) < 0.6 * len(tanh),
            f"Weights that start too large (normal(0.5)) blow up at nearly every learning rate in ReLU and linear nets ({of(blown(large), large)} trials); "
            f"with tanh, which is bounded, in {of(blown(tanh), tanh)}.",
        )
        normal, xavier, he = map(moderate, ("normal", "xavier", "he"))
        yield claim(
            blown(xavier) == 0 and blown(he) < 0.15 * len(he) and blown(normal) > 0.4 * len(normal),
            f"At learning rates up to 0.01, of ReLU and tanh nets, {of(blown(normal), normal)} blow up from normal(0.5), {of(blown(he), he)} from He and {of(blown(xavier), xavier)} from Xavier.",
        )
        linear, relu = (
            {
                depth: pick(self.plain, label="mlp", init="he", activation=activation, depth=depth)
                for depth in ("4", "64")
            }
            for activation in ("linear", "relu")
        )
        longer = {
            time: pick(self.plain, label="rnn", init="he", activation="relu", sequence_length=time)
            for time in ("16", "256")
        }
        yield claim(
            blown(linear["4"]) < blown(linear["64"])
            and blown(longer["16"]) < blown(longer["256"])
            and abs(blown(relu["4"]) - blown(relu["64"])) <= 2,
            f"Depth and length multiply what grows: from He, linear MLPs go from {rate(linear['4'])} at depth 4 to {rate(linear['64'])} at depth 64, ReLU RNNs "
            f"from {rate(longer['16'])} at 16 time steps to {rate(longer['256'])} at 256. Where the scale is kept they change little: ReLU MLPs from He go from {rate(relu['4'])} to {rate(relu['64'])}.",
        )
        finite = [t for t in self.clipped if t["step_nonfinite"] != "0"]
        later, diverged = pick(finite, outcome="nonfinite"), pick(finite, outcome="diverged")
        start = median(float(t["loss_initial"]) / float(t["loss_trivial"]) for t in diverged)
        yield claim(
            len(later) < 0.02 * len(finite) and all(t["label"] == "rnn" for t in later) and start > 1e6,
            f"Clipping by norm keeps training finite where the first pass is: {of(len(later), finite)} such trials still overflow, all of them recurrent. Where the first loss is "
            f"astronomical, steps of bounded length do not bring it down: {len(diverged)} diverge, and the median one of these starts at {start:.0e} times the loss of the best constant.",
        )
        finite, saved = self.clipped, [t for t in self.clipped if t["outcome"] in ("relapsed", "ruined")]
        lost = lambda trials: failed(trials) - blown(trials)
        yield claim(
            len(saved) > 0.25 * len(finite)
            and lost(self.clipped) > 4 * lost(self.plain)
            and blown(self.clipped) < 0.5 * blown(self.plain)
            and failed(self.clipped) > 0.8 * failed(self.plain),
            f"What clipping keeps finite is often lost all the same: {of(len(saved), finite)} clipped trials end ruined or relapsed, and {of(lost(self.plain), self.plain)} "
            f"without clipping. So it takes the share that blows up from {rate(self.plain)} to {rate(self.clipped)}, and the share that fails from "
            f"{failed(self.plain) / len(self.plain):.2f} to {failed(self.clipped) / len(self.clipped):.2f} only.",
        )
        adam, he_adam = self.cure("normal", optimizer="adam"), self.cure("he", optimizer="adam")
        yield claim(
            blown(adam) == blown(he_adam) and converged(adam) == 0 < converged(he_adam),
            f"Adam takes the blow-ups away but not the bad start: {of(blown(adam), adam)} blow up from normal(0.5) and {blown(he_adam)} from He, but {converged(adam)} and {converged(he_adam)} converge.",
        )
        rmsprop, he_rmsprop = self.cure("normal", optimizer="rmsprop"), self.cure("he", optimizer="rmsprop")
        yield claim(
            converged(rmsprop) == 0 < converged(he_rmsprop)
            and blown(rmsprop) > blown(adam)
            and blown(he_rmsprop) > blown(he_adam),
            f"RMSprop does likewise, at smaller steps: {blown(rmsprop)} and {blown(he_rmsprop)} blow up, {converged(rmsprop)} and {converged(he_rmsprop)} converge.",
        )
        batch, he_batch = self.cure("normal", norm="batch"), self.cure("he", norm="batch")
        layer, he_layer = self.cure("normal", norm="layer"), self.cure("he", norm="layer")
        small = pick(batch + he_batch + layer + he_layer, lr=lambda lr: lr < 0.04)
        yield claim(
            min(map(converged, (batch, he_batch, layer, he_layer))) > 0.3 * len(batch) and blown(small) == 0,
            f"Batch and layer normalization train from either start: {converged(batch)} and {converged(layer)} of {len(batch)} converge from normal(0.5), {converged(he_batch)} and {converged(he_layer)} from He; "
            f"at learning rates up to 0.03, {of(blown(small), small)} blow up.",
        )
        none, l2 = {}, {}
        for init in ("normal", "he"):
            none[init], l2[init] = (
                blown(self.cure(init)),
                [blown(self.cure(init, weight_decay=w)) for w in ("0.001", "0.1")],
            )
        yield claim(
            all(count == none[init] for init in none for count in l2[init]),
            f"L2 prevents nothing: {none['normal']} and {none['he']} blow up without it, with 1e-3 and with 0.1.",
        )

    def text(self):
        yield prose(
            "This table shows the share of trials that fail and, in brackets, that of those that blow up (diverge or become non-finite; the others are ruined "
            "or relapse without it), with all learning rates, sizes and activations together, in cells of 243 trials:"
        )
        yield self.glance()
        yield prose(
            "The next ones have the share that blows up. They are of trials without clipping, over nine learning rates from 1e-3 to 10 and three seeds, in cells of 27 trials. The first is of "
            "MLPs, by depth:"
        )
        yield self.by_size("mlp", "depth")
        yield "The second is of RNNs, by sequence length:\n"
        yield self.by_size("rnn", "sequence_length")
        yield "The third takes all of them together, by learning rate:\n"
        yield self.by_lr()
        yield "Clipping by norm at 1.0 changes these counts of trials, MLPs and RNNs together:\n"
        yield self.by_clip()
        yield prose(
            "Each cure was tried alone in a ReLU MLP of depth 16, over the same nine learning rates. The cells are counts of 27 trials:"
        )
        yield self.cures()
        yield "The tables say:\n"
        yield bullets(self.sentences())


class Article:
    def __init__(self):
        self.all = rows("article")
        self.of = {label: pick(self.all, label=label) for label in dict.fromkeys(t["label"] for t in self.all)}

    def outcomes(self):
        lines = []
        for label, trials in self.of.items():
            outcomes = ", ".join(f"{n} {name}" for name, n in Counter(t["outcome"] for t in trials).most_common())
            nan = sorted(int(t["epoch_nan"]) for t in trials if t["epoch_nan"])
            span = " to ".join(map(str, dict.fromkeys([nan[0], nan[-1]]))) if nan else "never"
            finals = [float(t["loss_final"]) for t in trials if t["loss_final"] != "NaN"]
            lines.append([label, outcomes, span, f"{median(finals):.3f}" if finals else "NaN"])
        return table(["", "5 seeds", "NaN in epoch", "median final loss"], lines)

    def sentences(self):
        counts = {label: blown(trials) for label, trials in self.of.items()}
        example = self.of["article"] + self.of["article, no clipping"]
        losses = [float(t["loss_final"]) for t in example]
        yield claim(
            blown(example) == 0 and min(losses) > 0.9 and max(losses) < 1.1,
            f"The usual example never explodes, clipped or not: {of(blown(example), example)} blow up, and the final losses are between {min(losses):.2f} and {max(losses):.2f}.",
        )
        baseline = self.of["baseline"]
        cured = ["clipping", "Xavier", "smaller steps", "Adam", "RMSProp"]
        yield claim(
            blown(baseline) == len(baseline) and not any(counts[f"cure: {cure}"] for cure in cured),
            f"The baseline explodes in {of(blown(baseline), baseline)} trials. Clipping, Xavier, smaller steps, and Adam and RMSProp at their own learning rate cure it alone: 0 of 5 each.",
        )
        nan = lambda label: median(float(t["epoch_nan"]) for t in self.of[label] if t["epoch_nan"])
        late = ["batch norm", "tanh", "fewer layers"]
        late_counts = [counts[f"cure: {cure}"] for cure in late]
        yield claim(
            counts["cure: layer norm"] in (1, 2)
            and min(late_counts) >= 4
            and all(nan(f"cure: {cure}") > nan("baseline") for cure in late),
            f"Layer norm almost does ({of(counts['cure: layer norm'], baseline)} blow up). Batch norm, tanh and fewer layers only delay it: "
            f"{late_counts[0]}, {late_counts[1]} and {late_counts[2]} of 5 blow up, and the median NaN comes in epoch "
            f"{nan('cure: batch norm'):.0f}, {nan('cure: tanh'):.0f} and {nan('cure: fewer layers'):.0f} instead of {nan('baseline'):.0f}.",
        )
        yield claim(
            counts["cure: L2"] == 5 and nan("cure: L2") == nan("baseline"),
            f"L2 does nothing: {counts['cure: L2']} of 5, the median NaN in epoch {nan('cure: L2'):.0f}.",
        )

    def text(self):
        yield self.outcomes()
        yield bullets(self.sentences())


# What may save a transformer, as cells of its trials.
SAVES = {
    "none": {},
    "warmup": dict(schedule="warmup"),
    "norm clip 1.0": dict(clip="norm"),
    "QK norm": dict(qk_norm="true"),
    "warmup and clip": dict(schedule="warmup", clip="norm"),
    "warmup and QK norm": dict(schedule="warmup", qk_norm="true"),
    "all three": dict(schedule="warmup", clip="norm", qk_norm="true"),
}


class Transformer:
    def __init__(self):
        self.all = rows("transformer")

    def saved(self, **cells):
        """The trials with what saves them; without it there is nothing."""
        return pick(self.all, **(dict(schedule="constant", clip="none", qk_norm="false") | cells))

    def glance(self):
        places = {"pre": "before attention and MLP", "post": "behind the sums"}
        lines = [
            [place, *(of(converged(trials), trials) for trials in self.of_each_save(norm_position=position))]
            for position, place in places.items()
        ]
        return table(["norms stand", *SAVES], lines)

    def of_each_save(self, **cells):
        return [self.saved(**cells, **save) for save in SAVES.values()]

    def by_lr(self):
        rates = list(dict.fromkeys(t["lr"] for t in self.all))
        lines = []
        for position in ("pre", "post"):
            for name, save in SAVES.items():
                cells = [self.saved(norm_position=position, lr=lr, **save) for lr in rates]
                lines.append([position, name, *(str(converged(trials)) for trials in cells)])
        return table(["norm", "with", *(f"{float(lr):.2g}" for lr in rates)], lines)

    def by_depth(self):
        lines = []
        for position in ("pre", "post"):
            for depth in dict.fromkeys(t["depth"] for t in self.all):
                cells = self.of_each_save(norm_position=position, depth=depth)
                lines.append([f"{position}, depth {depth}", *(str(converged(trials)) for trials in cells)])
        return table(["of 10 trials", *SAVES], lines)

    def sentences(self):
        yield claim(
            blown(self.all) == 0 and failed(self.all) <= 0.02 * len(self.all),
            f"With norms and Adam none of these transformers diverges or becomes non-finite ({of(blown(self.all), self.all)}), and {failed(self.all)} of them relapses or ends ruined: what a step too "
            "large costs is that nothing is learned, and the loss stays at that of the best constant prediction.",
        )
        pre, post = (self.saved(norm_position=position) for position in ("pre", "post"))
        with_both = lambda position: self.saved(norm_position=position, **SAVES["warmup and QK norm"])
        best_pre, best_post = with_both("pre"), self.saved(norm_position="post", **SAVES["all three"])
        alone = lambda position: [
            converged(self.saved(norm_position=position, **SAVES[name]))
            for name in ("warmup", "norm clip 1.0", "QK norm")
        ]
        yield claim(
            converged(pre) > converged(post) and converged(best_pre) > converged(best_post) > converged(post),
            f"Norms before attention and MLP learn at larger steps than norms behind the sums: {of(converged(pre), pre)} against {of(converged(post), post)} trials without any help.",
        )
        yield claim(
            all(alone(position)[0] > max(alone(position)[1:]) for position in ("pre", "post"))
            and alone("pre")[2] == converged(pre),
            f"Of warmup, clipping and QK norm alone warmup saves most: {alone('pre')[0]} learn with pre and {alone('post')[0]} with post. QK norm alone saves none with pre.",
        )
        yield claim(
            converged(best_pre) == len(best_pre)
            and converged(with_both("post")) < converged(best_post) < len(best_post),
            f"Warmup and QK norm together save every trial with pre ({of(converged(best_pre), best_pre)}), at learning rates up to the largest. With post they save {converged(with_both('post'))}, "
            f"and {converged(best_post)} with clipping as well.",
        )
        logit = lambda **cells: median(float(t["attention_logit_max"]) for t in self.saved(**cells))
        high = lambda lr: lr > 0.02
        yield claim(
            logit(lr=high) > 50 * logit(lr=high, qk_norm="true"),
            f"At learning rates above 0.02 the largest attention logit of a trial is {logit(lr=high):.0f} in the median, and {logit(lr=high, qk_norm='true'):.0f} with QK norm.",
        )

    def text(self):
        yield self.by_lr()
        yield self.by_depth()
        yield (
            "![Share of the pre-norm transformers that learn, by learning rate and schedule, in panels by QK norm and clipping: with warmup and QK norm all do](figures/transformer.png)\n"
        )
        yield prose(
            "This is `blowup plot results/transformer --metric converged_rate --where norm_position=pre` with `--x lr --y schedule --facet qk_norm,clip`."
        )
        yield bullets(self.sentences())


class Mup:
    def __init__(self):
        self.all = rows("mup")
        self.widths = list(dict.fromkeys(t["width"] for t in self.all))

    def losses(self, label, width):
        """The mean final loss of the seeds, by learning rate."""
        trials = pick(self.all, label=label, width=width)
        return {
            float(lr): fmean(float(t["loss_final"]) for t in pick(trials, lr=lr))
            for lr in sorted({t["lr"] for t in trials}, key=float)
        }

    def best(self, label, width):
        """The learning rate at the lowest point of the parabola, in ln(lr), through the lowest loss
        and those beside it. It is None where the lowest loss is at an end of the rates."""
        points = list(self.losses(label, width).items())
        at = min(range(len(points)), key=lambda at: points[at][1])
        if at in (0, len(points) - 1):
            return None
        (_, below), (lr, lowest), (above_lr, above) = points[at - 1 : at + 2]
        shift = (below - above) / (2 * (below - 2 * lowest + above))
        return lr * (above_lr / lr) ** shift

    def table(self):
        cell = lambda best: "beyond the rates" if best is None else f"{best:.2g}"
        loss = lambda label, width: f"{min(self.losses(label, width).values()):.2f}"
        lines = [
            [
                width,
                *(of(label, width) for label in ("mup", "standard") for of in (lambda *a: cell(self.best(*a)), loss)),
            ]
            for width in self.widths
        ]
        return table(["width", "mup: best rate", "its loss", "standard: best rate", "its loss"], lines)

    def sentences(self):
        bests = {label: [self.best(label, width) for width in self.widths] for label in ("mup", "standard")}
        known = all(best is not None for of_label in bests.values() for best in of_label)
        if not known:
            yield claim(False, "At some width the best learning rate is at an end of those that were tried.")
            return
        moves = {label: max(of_label) / min(of_label) for label, of_label in bests.items()}
        power = {
            label: linear_regression(
                [math.log(float(width)) for width in self.widths], [*map(math.log, of_label)]
            ).slope
            for label, of_label in bests.items()
        }
        yield claim(
            moves["mup"] < 1.5,
            f"Under mup the best learning rate moves by a factor of {moves['mup']:.2f} from width {self.widths[0]} to {self.widths[-1]}: it goes as width to the power {power['mup']:.2f}.",
        )
        yield claim(
            moves["standard"] > 8,
            f"In the standard parametrization it moves by a factor of {moves['standard']:.0f}, and goes as width to the power {power['standard']:.2f}.",
        )

        lowest = {label: min(self.losses(label, self.widths[-1]).values()) for label in bests}
        yield claim(
            lowest["standard"] < lowest["mup"],
            f"That a rate serves every width does not mean that it serves best: after so few updates the lowest loss at width {self.widths[-1]} is {lowest['mup']:.2f} under mup and "
            f"{lowest['standard']:.2f} in the standard parametrization.",
        )

    def text(self):
        yield self.table()
        yield bullets(self.sentences())


def bullets(sentences):
    return "".join(prose(sentence, first="- ", rest="  ") for sentence in sentences)


def prose(text, first="", rest=""):
    """A paragraph, in lines of at most 100 columns."""
    return textwrap.fill(text, 100, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False) + "\n"


def write(grid, article, transformer, mup):
    head = prose(
        "`make findings` writes this page: it sweeps `experiments/grid.toml`, `experiments/article.toml`, `experiments/transformer.toml` and `experiments/mup.toml` and counts what came out. It fails where the "
        "results do not bear out a sentence. Another kind of CPU rounds differently, which now and then changes the outcome of a trial near a boundary, and "
        "so the last digit of a share."
    )
    example = prose(
        "`experiments/article.toml` has the example by which exploding gradients are usually introduced: a 10-50-1 ReLU net on fresh noise, with Adam and "
        "clipping at 1.0. Its baseline does explode: it has 20 hidden layers, He and a learning rate of 0.3. Each cure is applied to the baseline alone."
    )
    characters = prose(
        "`experiments/transformer.toml` trains small transformers on the next character of a text, with Adam and without dropout, at two depths and two widths, one seed each. The first "
        "table counts, of 4 trials each, those that learn (outcome converged), by learning rate; the second counts them over all learning rates."
    )
    transfer = prose(
        "`experiments/mup.toml` looks for the learning rate that is best for a transformer of two blocks on the same text, at five widths, under mup with the base width 32 and in the "
        "standard parametrization, after 60 updates with Adam, as the mean of eight seeds up to width 128 and of two above. The rates that were tried are a factor of the root of 2 apart, and the best one is the lowest point of a parabola through the "
        "lowest loss and its two neighbours."
    )
    parts = [
        "# What the main sweeps found\n",
        head,
        "## The main grid\n",
        *grid.text(),
        "## The usual example\n",
        example,
        *article.text(),
        "## Transformers\n",
        characters,
        *transformer.text(),
        "## Learning rates across widths\n",
        transfer,
        *mup.text(),
    ]
    (ROOT / "docs/findings.md").write_text("\n".join(parts))
    readme = ROOT / "README.md"
    readme.write_text(between(readme.read_text(), "transformers", "make findings", transformer.glance()))


def between(text, name, command, new):
    """`text` with what stands between the two comments of this name replaced."""
    first, last = f"<!-- {name}: written by `{command}` -->\n", f"<!-- /{name} -->"
    before, rest = text.split(first)
    _, after = rest.split(last)
    return before + first + new + last + after


def main():
    match sys.argv[1:]:
        case ["grid"]:
            print(*Grid().text(), sep="\n")
        case ["article"]:
            print(*Article().text(), sep="\n")
        case ["transformer"]:
            print(*Transformer().text(), sep="\n")
        case ["mup"]:
            print(*Mup().text(), sep="\n")
        case ["write"]:
            write(Grid(), Article(), Transformer(), Mup())
        case _:
            sys.exit(__doc__)
    if FALSE:
        sys.exit("error: the results do not bear out what is said:\n" + bullets(FALSE))


if __name__ == "__main__":
    main()
