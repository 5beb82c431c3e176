"""A program that speaks to blowup by itself, without the Python package: what any language can do.

It fits a line to numbers that it draws, by hand. docs/program.md says what each
line means.
"""

import json
import math
import random
import sys


def number(x):
    """A JSON number; what is not finite travels as text."""
    return x if math.isfinite(x) else str(x)


def say(what, said):
    sys.stdout.write(json.dumps({what: said}) + "\n")


def train(trial):
    """The loss of each step, its gradient norm, and the epoch that it is in."""
    axes = trial["axes"]
    draw = random.Random(trial["seed"])
    inputs = [[draw.gauss(0, 1) for _ in range(axes["features"])] for _ in range(64)]
    targets = [1.0 if sum(x) > 0 else 0.0 for x in inputs]
    weights = [0.0] * axes["features"]
    for epoch in range(trial["epochs"]):
        loss, gradient = 0.0, [0.0] * len(weights)
        for x, y in zip(inputs, targets):
            score = sum(w * v for w, v in zip(weights, x))
            # The squared error, whose gradient grows with the score: too large a step explodes.
            loss += (score - y) * (score - y) / len(inputs)
            for i, v in enumerate(x):
                gradient[i] += 2 * (score - y) * v / len(inputs)
        norm = math.sqrt(sum(g * g for g in gradient)) if all(map(math.isfinite, gradient)) else math.nan
        say("step", {"loss": number(loss), "grad_norm": number(norm), "epoch": epoch})
        if math.isnan(loss):
            return
        weights = [w - axes["lr"] * g for w, g in zip(weights, gradient)]


say("ready", 1)
sys.stdout.flush()
for line in sys.stdin:
    trial = json.loads(line)
    say("begin", trial["trial"])
    train(trial)
    say("done", {})
    sys.stdout.flush()
