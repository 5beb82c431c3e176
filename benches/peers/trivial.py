"""What the peers of the overhead comparison run: a trial of one linear unit, one sample, one epoch;
and the grid of N of them.

Every peer is called as PEER.py TRIALS OUT and writes one row for each trial.
"""

import csv
import sys


def arguments():
    count, out = sys.argv[1:]
    return int(count), out


def axes(count):
    """Ten learning rates and as many seeds as it takes, as in specs/trivial.toml."""
    return {"lr": [10 ** (-3 + i / 3) for i in range(10)], "seed": list(range(count // 10))}


def trial(lr, seed):
    import torch
    from torch.nn import functional as F

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    x, y = torch.ones(1, 1), torch.zeros(1, 1)
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    loss = F.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        return lr, seed, loss.item(), F.mse_loss(model(x), y).item()


def trial_in_python(lr, seed):
    """The same arithmetic without a framework."""
    import random

    random.seed(seed)
    w, b = random.uniform(-1, 1), random.uniform(-1, 1)
    loss = (w + b) ** 2
    step = lr * 2 * (w + b)
    return lr, seed, loss, (w + b - 2 * step) ** 2


def write(out, rows):
    with open(out, "w", newline="") as file:
        csv.writer(file).writerows([("lr", "seed", "loss_initial", "loss_final"), *rows])
