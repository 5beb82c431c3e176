"""The real grid in plain PyTorch: modules, autograd, torch.optim; one trial at a time, the trials
spread over processes by joblib."""

import math

import torch
from joblib import Parallel, delayed
from torch import nn
from torch.nn import functional as F

import trials as grid

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "linear": nn.Identity}


class Mlp(nn.Module):
    def __init__(self, t):
        super().__init__()
        layers = []
        for layer in range(t["depth"]):
            layers += [nn.Linear(t["width"] if layer else t["inputs"], t["width"]), ACTIVATIONS[t["activation"]]()]
        self.layers = nn.Sequential(*layers, nn.Linear(t["width"], 1))

    def forward(self, x):
        return self.layers(x)


class Rnn(nn.Module):
    def __init__(self, t):
        super().__init__()
        self.rnn = nn.RNN(t["inputs"], t["width"], nonlinearity=t["activation"])
        self.output = nn.Linear(t["width"], 1)

    def forward(self, x):
        return self.output(self.rnn(x)[1][0])


class LinearRnn(nn.Module):
    """nn.RNN has no linear one."""

    def __init__(self, t):
        super().__init__()
        self.width = t["width"]
        self.read = nn.Linear(t["inputs"], t["width"])
        self.back = nn.Linear(t["width"], t["width"])
        self.output = nn.Linear(t["width"], 1)

    def forward(self, x):
        h = torch.zeros(x.shape[1], self.width)
        for read in self.read(x):
            h = read + self.back(h)
        return self.output(h)


@torch.no_grad()
def load(model, t):
    """The initial weights; modules keep theirs in the same order, matrices transposed."""
    weights = grid.matrices(t)
    if isinstance(model, Rnn):
        weights = {name: weights[name] for name in ("w", "r", "b", "c", "out.w", "out.b")}
    for parameter, value in zip(model.parameters(), weights.values(), strict=True):
        parameter.copy_(torch.from_numpy(value.T))


def train(t):
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    x, y = map(torch.from_numpy, grid.data(t))
    dimension = 1 if t["network"] == "rnn" else 0
    model = Mlp(t) if t["network"] == "mlp" else LinearRnn(t) if t["activation"] == "linear" else Rnn(t)
    load(model, t)
    optimizer = torch.optim.SGD(model.parameters(), lr=t["lr"])

    @torch.no_grad()
    def evaluate():
        return F.mse_loss(model(x), y).item()

    initial, losses = evaluate(), []
    for epoch in torch.from_numpy(grid.orders(t)):
        for batch in epoch:
            whole = len(batch) == len(y)
            inputs, targets = (x, y) if whole else (x.index_select(dimension, batch), y[batch])
            loss = F.mse_loss(model(inputs), targets)
            losses.append(loss.item())
            if math.isnan(losses[-1]):
                return t["trial"], "nonfinite"
            optimizer.zero_grad()
            loss.backward()
            if t["clip"] == "norm":
                nn.utils.clip_grad_norm_(model.parameters(), t["clip_threshold"])
            optimizer.step()
    return t["trial"], grid.outcome(t, losses, initial, evaluate())


if __name__ == "__main__":
    trials, out, processes = grid.arguments()
    grid.write(out, Parallel(n_jobs=processes)(delayed(train)(t) for t in trials))
