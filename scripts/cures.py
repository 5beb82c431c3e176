#!/usr/bin/env python3
"""What each cure of experiments/cures.toml saves, and what it costs, trial by trial.

usage: cures.py [write] (results/cures; `make cures` sweeps it)

Without `write` it prints docs/cures.md; with it, it writes that page and the table in README.md. A
sentence whose condition does not hold in the results ends the script with status 1.
"""

import csv
import sys
from collections import defaultdict
from math import inf, isfinite, sqrt
from statistics import median
from typing import NamedTuple

from tables import BLEW_UP, FAILED, ROOT, between, bullets, claim, FALSE, prose, table

PATH = ROOT / "results/cures/runs.csv"
SEPARATOR = ", "


class Trial(NamedTuple):
    outcome: str
    loss: float
    seed: int

    def blew_up(self):
        return self.outcome in BLEW_UP

    def failed(self):
        return self.outcome in FAILED

    def converged(self):
        return self.outcome == "converged"


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
        kept = [p for p in self.pairs if p.before.converged() and not p.now.failed() and p.before.loss > 0]
        ratios = [p.now.loss / p.before.loss for p in kept if isfinite(p.now.loss)]
        self.ratio = median(ratios) if ratios else None

    @staticmethod
    def blown(pairs):
        return [pair for pair in pairs if pair.before.blew_up()]

    @classmethod
    def saves(cls, pairs):
        return Share.of(cls.blown(pairs), lambda pair: not pair.now.failed())

    @staticmethod
    def harms(pairs):
        return Share.of([pair for pair in pairs if pair.before.converged()], lambda pair: pair.now.failed())


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

    def blown(self):
        return sum(trial.blew_up() for trials in self.base.values() for trial in trials)

    def all(self):
        return sum(len(trials) for trials in self.base.values())
