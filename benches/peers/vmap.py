"""The real grid with torch.func: the trials of one shape stacked, one step of all of them by vmap.
Those with a NaN loss leave at the end of an epoch."""

import numpy as np
import torch
from torch.func import grad_and_value
from torch.func import vmap as over_trials

import trials as grid

ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh, "linear": lambda x: x}


def model(t):
    phi = ACTIVATIONS[t["activation"]]

    def mlp(p, x):
        for layer in range(t["depth"]):
            x = phi(x @ p[f"{layer}.w"] + p[f"{layer}.b"])
        return x @ p["out.w"] + p["out.b"]

    def rnn(p, x):
        read = x @ p["w"] + (p["b"] + p["c"])
        h = phi(read[0])
        for time in range(1, t["sequence_length"]):
            h = phi(read[time] + h @ p["r"])
        return h @ p["out.w"] + p["out.b"]

    return mlp if t["network"] == "mlp" else rnn


def train(group):
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    t = group[0]
    predict, dimension = model(t), 1 if t["network"] == "rnn" else 0
    x, y = map(torch.from_numpy, grid.data(t))
    starts = [grid.matrices(one) for one in group]
    params = {name: torch.from_numpy(np.stack([start[name] for start in starts])) for name in starts[0]}
    lr = torch.tensor([one["lr"] for one in group])
    clip = torch.tensor([grid.threshold(one) for one in group])

    def loss_of(p, x, y):
        return (predict(p, x) - y).square().mean()

    def one_step(p, lr, clip, x, y):
        grads, loss = grad_and_value(loss_of)(p, x, y)
        norm = torch.stack([g.square().sum() for g in grads.values()]).sum().sqrt()
        rate = lr * torch.where(clip.isinf(), 1.0, (clip / (norm + 1e-6)).clamp(max=1.0))
        return {name: p[name] - rate * grads[name] for name in p}, loss

    step = over_trials(one_step, in_dims=(0, 0, 0, None, None))
    evaluate = lambda: over_trials(loss_of, in_dims=(0, None, None))(params, x, y)

    initial, alive = evaluate(), torch.arange(len(group))
    losses = [[] for _ in group]
    for epoch in torch.from_numpy(grid.orders(t)):
        of_epoch = []
        for batch in epoch:
            whole = len(batch) == len(y)
            inputs, targets = (x, y) if whole else (x.index_select(dimension, batch), y[batch])
            params, loss = step(params, lr, clip, inputs, targets)
            of_epoch.append(loss)
        of_epoch = torch.stack(of_epoch, 1)
        for lane, values in zip(alive.tolist(), of_epoch.tolist()):
            losses[lane] += values
        stay = ~of_epoch[:, -1].isnan()
        if not stay.all():
            alive, lr, clip = alive[stay], lr[stay], clip[stay]
            params = {name: p[stay] for name, p in params.items()}
            if not len(alive):
                break
    final = torch.full((len(group),), torch.nan)
    if len(alive):
        final[alive] = evaluate()
    return [(o["trial"], grid.outcome(o, *rest)) for o, *rest in zip(group, losses, initial.tolist(), final.tolist())]


if __name__ == "__main__":
    trials, out, processes = grid.arguments()
    grid.write(out, grid.spread(train, grid.shapes(trials), processes))
