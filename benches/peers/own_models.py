"""Models of one's own in PyTorch, on one core. `own_models.py export FOLDER` writes each as a
bundle. `own_models.py eager|vmap` answers each line `MODEL LANES STEPS` of stdin with microseconds
per trial and step: forward, backward and an update by SGD, in float32. Eager trains one trial after
the other, and vmap all lanes at once by torch.func; where it cannot, the answer is nan."""

import os
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

torch.set_num_threads(1)
torch.set_flush_denormal(True)


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x):
        rows, time_, width = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(rows, time_, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(rows, time_, width))
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    def __init__(self, symbols, length, width, layers=2, heads=4):
        super().__init__()
        self.token, self.place = nn.Embedding(symbols, width), nn.Embedding(length, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, symbols, bias=False)

    def forward(self, tokens):
        x = self.token(tokens) + self.place(torch.arange(tokens.shape[1]))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


def next_token(model, batch):
    return F.cross_entropy(model(batch[0]).flatten(0, 1), batch[1].flatten())


class Residual(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm1, self.norm2 = nn.GroupNorm(4, outputs), nn.GroupNorm(4, outputs)
        self.short = nn.Conv2d(inputs, outputs, 1, stride, bias=False) if stride > 1 else nn.Identity()

    def forward(self, x):
        return F.relu(self.short(x) + self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x))))))


def resnet():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 1, 1),
        Residual(8, 8, 1),
        Residual(8, 16, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 10),
    )


class ViT(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 32, 4, 4)
        self.place = nn.Parameter(torch.randn(1, 16, 32) * 0.02)
        self.blocks = nn.Sequential(Attend(32), Attend(32))
        self.head = nn.Linear(32, 10)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2) + self.place
        return self.head(self.blocks(x).mean(1))


class Attend(Block):
    def __init__(self, width):
        super().__init__(width, 4)


def classes(model, batch):
    return F.cross_entropy(model(batch[0]), batch[1])


class ActorCritic(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh())
        self.mean, self.value = nn.Linear(32, 2), nn.Linear(32, 1)
        self.log_std = nn.Parameter(torch.zeros(2))


def ppo(model, batch):
    seen, done, old, gain, target = batch
    h = model.body(seen)
    spread = model.log_std.exp()
    log = (-((done - model.mean(h)) ** 2) / (2 * spread**2) - model.log_std - 0.9189).sum(-1)
    ratio = (log - old).exp()
    clipped = ratio.clamp(0.8, 1.2)
    return -torch.min(ratio * gain, clipped * gain).mean() + 0.5 * F.mse_loss(model.value(h).squeeze(-1), target)


class Denoiser(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("rates", torch.linspace(0.99, 0.9, 100).cumprod(0))
        self.net = nn.Sequential(nn.Linear(34, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 2))

    def forward(self, x, at):
        angle = at[:, None] * torch.exp(torch.arange(16) * -0.5)
        return self.net(torch.cat([x, angle.sin(), angle.cos()], -1))


def denoise(model, batch):
    x, at, noise = batch
    kept = model.rates[at][:, None]
    return F.mse_loss(model(kept.sqrt() * x + (1 - kept).sqrt() * noise, at.float()), noise)


def mlp():
    layers = [nn.Linear(10, 64), nn.Tanh()]
    for _ in range(15):
        layers += [nn.Linear(64, 64), nn.Tanh()]
    return nn.Sequential(*layers, nn.Linear(64, 1))


def squares(model, batch):
    return F.mse_loss(model(batch[0]), batch[1])


def normal(*shape):
    return torch.randn(*shape)


MODELS = {
    "gpt-28k": (lambda: GPT(32, 16, 32), next_token, lambda: (torch.randint(32, (4, 16)), torch.randint(32, (4, 16)))),
    "gpt-106k": (lambda: GPT(65, 32, 64), next_token, lambda: (torch.randint(65, (8, 32)), torch.randint(65, (8, 32)))),
    "resnet": (resnet, classes, lambda: (normal(8, 3, 16, 16), torch.randint(10, (8,)))),
    "vit": (ViT, classes, lambda: (normal(8, 3, 16, 16), torch.randint(10, (8,)))),
    "ppo": (ActorCritic, ppo, lambda: (normal(64, 8), normal(64, 2), normal(64) - 3, normal(64), normal(64))),
    "diffusion": (Denoiser, denoise, lambda: (normal(64, 2), torch.randint(100, (64,)), normal(64, 2))),
    "mlp": (mlp, squares, lambda: (normal(64, 10), normal(64, 1))),
}


def export(folder):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))
    import blowup

    for name, (model, loss, batch) in MODELS.items():
        torch.manual_seed(0)
        made = blowup.export(Path(folder) / f"{name}.blowup", model=model, loss=loss, batch=batch(), seeds=1)
        print(f"{name}: {made.parameters} parameters, {made.nodes} nodes", file=sys.stderr)


def eager(name, steps):
    model, loss, batch = MODELS[name]
    torch.manual_seed(0)
    model, batch = model(), batch()
    optimizer = torch.optim.SGD(model.parameters(), 1e-5)

    def step():
        optimizer.zero_grad()
        value = loss(model, batch)
        value.backward()
        optimizer.step()

    return timed(step, steps)


def vmap(name, lanes, steps):
    model, loss, batch = MODELS[name]
    torch.manual_seed(0)
    model, batch = model(), batch()
    weights = {n: p.detach().expand(lanes, *p.shape).clone() for n, p in model.named_parameters()}

    def one(weights):
        with torch.nn.utils.stateless._reparametrize_module(model, weights):
            return loss(model, batch)

    all_lanes = torch.func.vmap(torch.func.grad(one), randomness="different")

    def step():
        gradients = all_lanes(weights)
        for name, gradient in gradients.items():
            weights[name].sub_(gradient, alpha=1e-5)

    return timed(step, steps) / lanes


def timed(step, steps):
    for _ in range(3):
        step()
    start = time.perf_counter()
    for _ in range(steps):
        step()
    return (time.perf_counter() - start) / steps * 1e6


def main():
    if sys.argv[1] == "export":
        export(sys.argv[2])
        return
    for line in sys.stdin:
        name, lanes, steps = line.split()
        try:
            print(eager(name, int(steps)) if sys.argv[1] == "eager" else vmap(name, int(lanes), int(steps)), flush=True)
        except Exception as error:
            print(f"{sys.argv[1]} {name}: {error}", file=sys.stderr)
            print("nan", flush=True)


if __name__ == "__main__":
    main()
