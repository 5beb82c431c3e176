#!/usr/bin/env python3
"""Prints the tables of README.md from the results of a sweep: tables.py grid | article (results/<name>/runs.csv)."""

import csv
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def rows(name):
    with open(ROOT / "results" / name / "runs.csv", newline="") as file:
        return list(csv.DictReader(file))


def rate(trials):
    blown = sum(t["outcome"] in ("diverged", "nonfinite") for t in trials)
    return f"{blown / len(trials):.2f}" if trials else ""


def table(head, lines):
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for line in lines:
        print("| " + " | ".join(line) + " |")
    print()


def inits(trials):
    name = lambda t: f"{t['init']}({t['init_scale']})" if t["init"] == "normal" else t["init"]
    return [(n, [t for t in trials if name(t) == n]) for n in dict.fromkeys(map(name, trials))]


def grid():
    all_trials = rows("grid")
    mlp = [t for t in all_trials if t["label"] == "mlp"]
    rnn = [t for t in all_trials if t["label"] == "rnn"]
    plain = lambda trials: [t for t in trials if t["clip"] == "none"]
    print("At a glance, all learning rates, sizes and activations together:\n")
    clips = lambda of_init: [rate([t for t in of_init if t["clip"] == clip]) for clip in ("none", "norm")]
    lines = [[init, *clips(of_mlp), *clips(of_rnn)] for (init, of_mlp), (_, of_rnn) in zip(inits(mlp), inits(rnn))]
    table(["init", "MLP", "with norm clip 1.0", "RNN", "with norm clip 1.0"], lines)
    for net, trials, axis in [("MLP", mlp, "depth"), ("RNN", rnn, "sequence_length")]:
        sizes = list(dict.fromkeys(t[axis] for t in trials))
        lines = []
        for init, of_init in inits(trials):
            for activation in dict.fromkeys(t["activation"] for t in trials):
                cells = [rate([t for t in plain(of_init) if t["activation"] == activation and t[axis] == s]) for s in sizes]
                lines.append([init, activation, *cells])
        print(f"{net}, by {axis.replace('_', ' ')}:\n")
        table(["init", "activation", *sizes], lines)
    print("By learning rate, all of the above:\n")
    lrs = list(dict.fromkeys(t["lr"] for t in mlp))[::2]
    lines = [[net] + [rate([t for t in plain(trials) if t["lr"] == lr]) for lr in lrs] for net, trials in [("MLP", mlp), ("RNN", rnn)]]
    table(["lr", *lrs], lines)
    print("Clipping by norm at 1.0, MLP and RNN, trials:\n")
    lines = []
    for clip in ["none", "norm"]:
        chosen = [t for t in mlp + rnn if t["clip"] == clip]
        nonfinite = [t for t in chosen if t["outcome"] == "nonfinite"]
        at_start = sum(t["step_nonfinite"] == "0" for t in nonfinite)
        diverged = sum(t["outcome"] == "diverged" for t in chosen)
        lines.append([clip, *map(str, [len(chosen), at_start, len(nonfinite) - at_start, diverged])])
    table(["clip", "trials", "non-finite at the start", "non-finite later", "diverged"], lines)
    print("Cures, each alone, in a ReLU MLP of depth 16, over the same nine learning rates:\n")
    lines = []
    for init, of_init in inits([t for t in all_trials if t["network"] == "mlp" and t["depth"] == "16" and t["activation"] == "relu"]):
        pick = lambda **kw: rate([t for t in of_init if all(t[k] == v for k, v in kw.items())])
        sgd = dict(optimizer="sgd", norm="none", clip="none")
        lines.append([
            init, pick(weight_decay="0.0", **sgd), pick(clip="norm"), pick(optimizer="adam"), pick(optimizer="rmsprop"),
            pick(norm="batch"), pick(norm="layer"), pick(weight_decay="0.001", **sgd), pick(weight_decay="0.1", **sgd),
        ])
    table(["init", "none", "norm clip 1.0", "Adam", "RMSprop", "batch norm", "layer norm", "L2 1e-3", "L2 0.1"], lines)


def article():
    trials = rows("article")
    lines = []
    for label in dict.fromkeys(t["label"] for t in trials):
        chosen = [t for t in trials if t["label"] == label]
        outcomes = ", ".join(f"{n} {name}" for name, n in Counter(t["outcome"] for t in chosen).most_common())
        nan = sorted(int(t["epoch_nan"]) for t in chosen if t["epoch_nan"])
        ends = list(dict.fromkeys([nan[0], nan[-1]])) if nan else ["never"]
        span = " to ".join(map(str, ends))
        finals = sorted(float(t["loss_final"]) for t in chosen if t["loss_final"] != "NaN")
        lines.append([label, outcomes, span, f"{finals[len(finals) // 2]:.3f}" if finals else "NaN"])
    table(["", "5 seeds", "NaN in epoch", "median final loss"], lines)


if __name__ == "__main__":
    {"grid": grid, "article": article}[sys.argv[1]]()
