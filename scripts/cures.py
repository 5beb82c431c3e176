#!/usr/bin/env python3
"""What each cure of experiments/cures.toml saves, and what it costs, trial by trial.

usage: cures.py [write] (results/cures; `make cures` sweeps it)

Without `write` it prints docs/cures.md; with it, it writes that page and the table in README.md. A
sentence whose condition does not hold in the results ends the script with status 1.
"""

import csv
import sys
from collections import defaultdict
from math import inf, sqrt
from statistics import median
from typing import NamedTuple

from tables import BLEW_UP, FAILED, FALSE, ROOT, between, bullets, claim, prose, table

PATH = ROOT / "results/cures/runs.csv"
SEPARATOR = ", "
# What a run may be that was not lost: it learned, or stayed where the best constant is.
FINE = ("converged", "unsettled", "stalled")
# The cures of README.md, in the order of this list.
GLANCE = [
    "clip norm(1.0)",
    "clip norm(0.1)",
    "clip value(0.1)",
    "an eighth of lr",
    "warmup",
    "Adam",
    "Xavier",
    "layer norm",
    "batch norm",
    "clip norm(1.0) and cosine",
    "clip norm(1.0) and Adam",
]


class Trial(NamedTuple):
    outcome: str
    loss: float
    seed: int

    def blew_up(self):
        return self.outcome in BLEW_UP

    def failed(self):
        return self.outcome in FAILED

    def is_fine(self):
        return self.outcome in FINE


class Pair(NamedTuple):
    before: Trial
    now: Trial


def read():
    """The trials by block and cure (None: as the block stands), then by the place of their learning
    rate in its list, and seed."""
    if not PATH.exists():
        sys.exit(f"error: there is no {PATH.relative_to(ROOT)}\nhint: make cures")
    trials = defaultdict(dict)
    with open(PATH, newline="") as file:
        lines = csv.reader(file)
        header = next(lines)
        columns = [header.index(name) for name in ("label", "lr", "seed", "outcome", "loss_final")]
        for line in lines:
            label, lr, seed, outcome, loss = (line[at] for at in columns)
            block, _, cure = label.partition(SEPARATOR)
            trials[block, cure or None][float(lr), int(seed)] = Trial(outcome, float(loss or "nan"), int(seed))
    return {key: ranked(of) for key, of in trials.items()}


def ranked(trials):
    places = {lr: at for at, lr in enumerate(sorted({lr for lr, _ in trials}))}
    return {(places[lr], seed): trial for (lr, seed), trial in trials.items()}


class Share(NamedTuple):
    """A share of pairs, with its 95% interval by seeds: the variance of a ratio of two sums over
    the seeds."""

    hits: int
    all: int
    half: float

    @classmethod
    def of(cls, pairs, counts):
        by_seed = defaultdict(lambda: [0, 0])
        for pair in pairs:
            of_seed = by_seed[pair.before.seed]
            of_seed[0] += counts(pair)
            of_seed[1] += 1
        hits, total = (sum(of[at] for of in by_seed.values()) for at in (0, 1))
        share, k = hits / total if total else 0, len(by_seed)
        squares = sum((h - share * n) ** 2 for h, n in by_seed.values())
        return cls(hits, total, 1.96 * sqrt(k / (k - 1) * squares) / total if k > 1 else inf)

    def share(self):
        return self.hits / self.all

    def __str__(self):
        if not self.all:
            return ""
        low, high = max(0, self.share() - self.half), min(1, self.share() + self.half)
        return f"{self.share():.2f} ({low:.2f} to {high:.2f})"

    def short(self):
        return f"{self.share():.2f}" if self.all else ""


class Cure:
    def __init__(self, name, by_block):
        self.name, self.by_block = name, by_block
        self.pairs = [pair for pairs in by_block.values() for pair in pairs]
        self.saved = self.saves(self.pairs)
        self.finite = Share.of(self.blown(self.pairs), lambda pair: not pair.now.blew_up())
        self.harmed = self.harms(self.pairs)
        kept = [p for p in self.pairs if p.before.is_fine() and p.now.is_fine() and p.before.loss > 0]
        ratios = [p.now.loss / p.before.loss for p in kept]
        self.ratio = median(ratios) if ratios else None

    @staticmethod
    def blown(pairs):
        return [pair for pair in pairs if pair.before.blew_up()]

    @classmethod
    def saves(cls, pairs):
        return Share.of(cls.blown(pairs), lambda pair: not pair.now.failed())

    @staticmethod
    def harms(pairs):
        return Share.of([pair for pair in pairs if pair.before.is_fine()], lambda pair: pair.now.failed())


class Cures:
    def __init__(self):
        trials = read()
        self.blocks = [block for block, cure in trials if cure is None]
        names = dict.fromkeys(cure for _, cure in trials if cure is not None)
        self.base = {block: list(trials[block, None].values()) for block in self.blocks}
        pairs = lambda block, now: [Pair(before, now[key]) for key, before in trials[block, None].items()]
        self.cures = [
            Cure(name, {b: pairs(b, trials[b, name]) for b in self.blocks if (b, name) in trials}) for name in names
        ]
        self.cures.sort(key=lambda cure: -cure.saved.share())

    def count(self, counts):
        return sum(counts(trial) for trials in self.base.values() for trial in trials)

    def named(self, name):
        return next(cure for cure in self.cures if cure.name == name)

    def glance(self):
        lines = [self.line(self.named(name)) for name in GLANCE]
        head = ["cure", "saved", "no blow-up", "fine runs that fail", "final loss of fine runs"]
        return table(head, lines)

    @staticmethod
    def line(cure):
        ratio = "" if cure.ratio is None else f"{cure.ratio:.2f}x"
        return [cure.name, str(cure.saved), cure.finite.short(), str(cure.harmed), ratio]

    def saved(self):
        lines = [
            [c.name, str(c.saved), c.finite.short(), *(self.of_block(c, b, Cure.saves) for b in self.blocks)]
            for c in self.cures
        ]
        return table(["cure", "saved", "no blow-up", *self.blocks], lines)

    def harmed(self):
        order = sorted(self.cures, key=lambda cure: -cure.harmed.share())
        lines = [
            [c.name, str(c.harmed), self.line(c)[-1], *(self.of_block(c, b, Cure.harms) for b in self.blocks)]
            for c in order
        ]
        return table(["cure", "fine runs that fail", "final loss", *self.blocks], lines)

    @staticmethod
    def of_block(cure, block, share):
        return share(cure.by_block[block]).short() if block in cure.by_block else ""

    def bases(self):
        counts = (Trial.blew_up, Trial.failed, Trial.is_fine)
        lines = [
            [block, str(len(trials)), *(str(sum(map(of, trials))) for of in counts)]
            for block, trials in self.base.items()
        ]
        return table(["", "runs", "blow up", "fail", "are fine"], lines)

    def sentences(self):
        named = lambda *names: [self.named(name) for name in names]
        share = lambda cure: f"{cure.saved.share():.2f}"
        (clip,) = named("clip norm(1.0)")
        yield claim(
            clip.finite.share() > 0.85 > 0.5 > clip.saved.share(),
            f"Clipping the norm at 1.0 stops {clip.finite.short()} of the blow-ups and saves {share(clip)} of the runs: the others end ruined or relapse, with steps that are too large still.",
        )
        tight, value = named("clip norm(0.1)", "clip value(0.1)")
        yield claim(
            tight.saved.share() > value.saved.share() > clip.saved.share() + 0.2 and tight.harmed.share() > 0.05,
            f"What counts is how far a clipped step goes: at 0.1 the norm saves {share(tight)} and the value {share(value)}. The price is that {tight.harmed.short()} of the fine runs fail with norm 0.1.",
        )
        own, same = named("Adam", "Adam at the same lr")
        yield claim(
            own.saved.share() > 0.95 and same.saved.share() < 0.5,
            f"Adam at learning rates of its own saves {share(own)}; at the learning rates of SGD it saves {share(same)}. Most of the cure is the smaller step.",
        )
        lower, norms = self.named("an eighth of lr"), named("layer norm", "batch norm", "rms norm")
        yield claim(
            lower.saved.share() > 0.5 > max(norm.saved.share() for norm in norms),
            f"An eighth of the learning rate saves {share(lower)}, more than any normalization ({', '.join(f'{c.name} {share(c)}' for c in norms)}) and any initialization "
            f"(Xavier {share(self.named('Xavier'))}, orthogonal {share(self.named('orthogonal'))}).",
        )
        late = named("clip zclip(2.5)", "skip zscore(6)")
        yield claim(
            all(cure.saved.share() < 0.02 for cure in late),
            f"Rules that compare a step with the ones before it cannot help a run that blows up in its first updates: zclip saves {share(late[0])} and skipping by the z-score {share(late[1])}. "
            "They are made for a spike in a long run that is sound, and these runs have 40 updates.",
        )
        (skip,) = named("skip norm(10)")
        yield claim(
            skip.finite.share() > 0.5 and skip.saved.share() < 0.05,
            f"Skipping each update whose gradient norm is above 10 keeps {skip.finite.short()} finite and saves {share(skip)}: a run that is skipped for ever stays where it was.",
        )
        wide, decay = named("float64", "weight decay")
        yield claim(
            wide.saved.share() < 0.06 and decay.saved.share() < 0.06,
            f"float64 saves {share(wide)} and weight decay {share(decay)}: it is not the range of the numbers that is too small.",
        )
        cosine, both = named("cosine", "clip norm(1.0) and cosine")
        yield claim(
            both.saved.share() > 0.95 and max(cosine.saved.share(), clip.saved.share()) < 0.5,
            f"Clipping and a cosine schedule together save {share(both)}, where clipping alone saves {share(clip)} and the schedule alone {share(cosine)}: clipping keeps a run finite "
            "while its steps are too large, and the schedule ends that.",
        )
        xavier, late = named("clip norm(1.0) and Xavier", "clip norm(1.0) and warmup")
        there = Cure.saves([pair for block in xavier.by_block for pair in clip.by_block[block]])
        yield claim(
            abs(xavier.saved.share() - there.share()) < 0.05 and late.saved.share() < clip.saved.share(),
            f"Other pairs add little to clipping: Xavier beside it saves {share(xavier)} of the MLPs, of which clipping alone saves {there.short()}; warmup beside it saves {share(late)} of all.",
        )
        worst = sorted(self.cures, key=lambda cure: -cure.harmed.share())[:3]
        yield claim(
            worst[0].harmed.share() > 0.2,
            f"A cure can be the cause: of the runs that were fine, {', '.join(f'{c.harmed.short()} fail with {c.name}' for c in worst)}.",
        )

    def text(self):
        yield "# What each cure saves, and what it costs\n"
        yield prose(
            f"`make cures` writes this page. It sweeps `experiments/cures.toml`: {self.count(lambda _: True):,} runs of 40 updates without a cure, and each of them once more with "
            f"{len(self.cures)} cures, where a cure can be tried. Most of their learning rates are too large: {self.count(Trial.blew_up):,} blow up. The blocks, without a cure:"
        )
        yield self.bases()
        yield "In short, of some of them:\n"
        yield self.glance()
        yield prose(
            "A run is *saved* if it blows up without the cure, and with the cure neither blows up, relapses nor ends ruined. Each run is compared with the one of the same seed "
            "and of the same place in the list of learning rates. A cell is empty where the cure cannot be tried. The intervals of 95% go by seeds. Adam, AdamW, RMSprop, Muon and Lion have learning rates of their own."
        )
        yield self.saved()
        yield prose(
            "Where a cure does harm: of the runs that are fine without it (they do not fail), the share that fails with it, and by what factor it changes the final loss of those "
            "that are fine both times, in the median. All of them make the same number of updates."
        )
        yield self.harmed()
        yield "The tables say:\n"
        yield bullets(self.sentences())


def main():
    cures = Cures()
    page = "\n".join(cures.text())
    match sys.argv[1:]:
        case []:
            print(page)
        case ["write"]:
            (ROOT / "docs/cures.md").write_text(page)
            readme = ROOT / "README.md"
            readme.write_text(between(readme.read_text(), "cures", "make cures", cures.glance()))
        case _:
            sys.exit(__doc__)
    if FALSE:
        sys.exit("error: the results do not bear out what is said:\n" + bullets(FALSE))


if __name__ == "__main__":
    main()
