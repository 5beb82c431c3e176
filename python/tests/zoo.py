"""Models and losses as their authors would write them: nothing here knows of bundles."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.distributions import Categorical, Normal


@dataclass
class Example:
    """A model with what it is trained on.

    Attributes:
        model: makes the module, in float64.
        loss: takes the module and a batch.
        data: all samples.
        rows: the rows of a batch; None where each batch is the whole of the data.
        lr: a learning rate at which it learns.
        chaotic: whether two hundred steps make one rounding grow, in plain PyTorch as well. Each
            step is then taken from the weights of plain PyTorch.
    """

    model: Callable[[], nn.Module]
    loss: Callable[[nn.Module, Any], torch.Tensor]
    data: tuple[torch.Tensor, ...]
    rows: int | None
    lr: float = 0.05
    chaotic: bool = False

    @property
    def batch(self) -> tuple[torch.Tensor, ...]:
        return self.data if self.rows is None else tuple(x[: self.rows] for x in self.data)


class Attention(nn.Module):
    def __init__(self, width: int, heads: int, length: int, dropout: float, fused: bool) -> None:
        super().__init__()
        self.heads, self.fused, self.p = heads, fused, dropout
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.drop = nn.Dropout(dropout)
        self.register_buffer("causal", torch.ones(length, length).tril().bool())

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = (y.view(b, t, self.heads, c // self.heads).transpose(1, 2) for y in self.qkv(x).split(c, dim=2))
        if self.fused:
            y = F.scaled_dot_product_attention(q, k, v, dropout_p=self.p if self.training else 0.0, is_causal=True)
        else:
            scores = q @ k.transpose(-2, -1) / math.sqrt(k.size(-1))
            scores = scores.masked_fill(~self.causal[:t, :t], float("-inf"))
            y = self.drop(F.softmax(scores, dim=-1)) @ v
        return self.drop(self.out(y.transpose(1, 2).contiguous().view(b, t, c)))


class Block(nn.Module):
    def __init__(self, width: int, heads: int, length: int, dropout: float, fused: bool) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads, length, dropout, fused)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width), nn.Dropout(dropout)
        )

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    def __init__(self, dropout: float = 0.0, fused: bool = True, vocabulary: int = 11, width: int = 8) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(6, width)
        self.drop = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(Block(width, 2, 6, dropout, fused) for _ in range(2))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.tokens.weight = self.head.weight

    def forward(self, tokens):
        x = self.tokens(tokens) + self.positions(torch.arange(tokens.size(1), device=tokens.device))
        x = self.drop(x)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


def next_token(model, batch):
    tokens, targets = batch
    logits = model(tokens)
    return F.cross_entropy(logits.view(-1, logits.size(-1)), targets.reshape(-1), ignore_index=-1)


class Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = norm(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = norm(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = None
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), norm(outputs))

    def forward(self, x):
        out = self.norm2(self.conv2(self.relu(self.norm1(self.conv1(x)))))
        out += x if self.shortcut is None else self.shortcut(x)
        return self.relu(out)


class ResNet(nn.Module):
    def __init__(self, norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, 1, 1, bias=False), norm(4), nn.ReLU(inplace=True))
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = Residual(4, 4, 1, norm)
        self.layer2 = Residual(4, 8, 2, norm)
        self.average = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x = self.layer2(self.layer1(self.pool(self.stem(x))))
        return self.head(torch.flatten(self.average(x), 1))


def classes(model, batch):
    x, y = batch
    return F.cross_entropy(model(x), y, label_smoothing=0.1)


def double_conv(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1),
        nn.GroupNorm(2, outputs),
        nn.SiLU(),
        nn.Conv2d(outputs, outputs, 3, padding=1),
        nn.GroupNorm(2, outputs),
        nn.SiLU(),
    )


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inside = double_conv(1, 4)
        self.down1 = nn.Sequential(nn.MaxPool2d(2), double_conv(4, 8))
        self.down2 = nn.Sequential(nn.MaxPool2d(2), double_conv(8, 8))
        self.up1 = nn.ConvTranspose2d(8, 8, 2, stride=2)
        self.merge1 = double_conv(16, 4)
        self.up2 = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        self.merge2 = double_conv(8, 4)
        self.outside = nn.Conv2d(4, 1, 1)

    def forward(self, x):
        first = self.inside(x)
        second = self.down1(first)
        up = self.up1(self.down2(second))
        if up.shape[-1] != second.shape[-1]:
            up = F.pad(up, [0, second.shape[-1] - up.shape[-1], 0, second.shape[-2] - up.shape[-2]])
        up = self.merge1(torch.cat([second, up], dim=1))
        return self.outside(self.merge2(torch.cat([first, self.up2(up)], dim=1)))


def mask_loss(model, batch):
    x, y = batch
    return F.binary_cross_entropy_with_logits(model(x), y)


class ViT(nn.Module):
    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, stride=4)
        self.token = nn.Parameter(torch.zeros(1, 1, 8))
        self.position = nn.Parameter(torch.randn(1, 5, 8) * 0.02)
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout, "gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 5))

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.token.expand(x.shape[0], -1, -1), x), dim=1) + self.position
        return self.head(self.encoder(x)[:, 0])


class Field(nn.Module):
    """The solution of a differential equation as a network."""

    def __init__(self) -> None:
        super().__init__()
        sizes = [2, 12, 12, 1]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:]))

    def forward(self, xt):
        for layer in self.layers[:-1]:
            xt = torch.tanh(layer(xt))
        return self.layers[-1](xt)


def burgers(model, batch):
    inside, start, value = batch
    x, t = inside[:, :1].clone().requires_grad_(True), inside[:, 1:].clone().requires_grad_(True)
    u = model(torch.cat([x, t], dim=1))
    u_t = torch.autograd.grad(u, t, torch.ones_like(u), create_graph=True)[0]
    u_x = torch.autograd.grad(u, x, torch.ones_like(u), create_graph=True)[0]
    u_xx = torch.autograd.grad(u_x, x, torch.ones_like(u_x), create_graph=True)[0]
    return (u_t + u * u_x - (0.01 / math.pi) * u_xx).pow(2).mean() + F.mse_loss(model(start), value)


def burgers_by_transforms(model, batch):
    from torch.func import grad, vmap

    inside, start, value = batch

    def u(x, t):
        return model(torch.stack([x, t])[None]).squeeze()

    def residual(x, t):
        u_xx = grad(grad(u))(x, t)
        return grad(u, 1)(x, t) + u(x, t) * grad(u)(x, t) - (0.01 / math.pi) * u_xx

    return vmap(residual)(inside[:, 0], inside[:, 1]).pow(2).mean() + F.mse_loss(model(start), value)


class Sequences(nn.Module):
    def __init__(self, kind: type[nn.RNNBase], **options: Any) -> None:
        super().__init__()
        self.rnn = kind(3, 6, batch_first=True, **options)
        self.head = nn.Linear(12 if options.get("bidirectional") else 6, 5)

    def forward(self, x):
        return self.head(self.rnn(x)[0][:, -1])


class Cell(nn.Module):
    """An LSTM written out."""

    def __init__(self) -> None:
        super().__init__()
        self.inputs, self.hidden = nn.Linear(3, 24), nn.Linear(6, 24)
        self.head = nn.Linear(6, 5)

    def forward(self, x):
        h = torch.zeros(x.size(0), 6, dtype=x.dtype, device=x.device)
        c = torch.zeros_like(h)
        for step in range(x.size(1)):
            i, f, g, o = (self.inputs(x[:, step]) + self.hidden(h)).chunk(4, dim=1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        return self.head(h)


class Autoencoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3))
        self.decoder = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 12), nn.Sigmoid())

    def forward(self, x):
        return self.decoder(self.encoder(x))


def reconstruction(model, batch):
    (x,) = batch
    return F.binary_cross_entropy(model(x), x)


class VAE(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(12, 8), nn.LeakyReLU(0.1))
        self.mean, self.logvar = nn.Linear(8, 3), nn.Linear(8, 3)
        self.decoder = nn.Sequential(nn.Linear(3, 8), nn.Softplus(), nn.Linear(8, 12))

    def forward(self, x):
        h = self.body(x)
        mean, logvar = self.mean(h), self.logvar(h)
        return self.decoder(mean + torch.randn_like(mean) * torch.exp(0.5 * logvar)), mean, logvar


def evidence(model, batch):
    (x,) = batch
    out, mean, logvar = model(x)
    divergence = -0.5 * torch.sum(1 + logvar - mean.pow(2) - logvar.exp(), dim=1).mean()
    return F.mse_loss(out, x, reduction="sum") / x.shape[0] + divergence


class ActorCritic(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.actor = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
        self.critic = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
        self.log_std = nn.Parameter(torch.zeros(2))

    def forward(self, state):
        return Normal(self.actor(state), self.log_std.exp()), self.critic(state).squeeze(-1)


def ppo(model, batch):
    state, action, old, advantage, reward = batch
    policy, value = model(state)
    advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
    ratio = (policy.log_prob(action).sum(-1) - old).exp()
    clipped = torch.min(ratio * advantage, torch.clamp(ratio, 0.8, 1.2) * advantage)
    return -clipped.mean() + 0.5 * F.mse_loss(value, reward) - 0.01 * policy.entropy().sum(-1).mean()


class Policy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))

    def forward(self, state):
        return Categorical(logits=self.net(state))


def reinforce(model, batch):
    state, action, reward = batch
    policy = model(state)
    return -(policy.log_prob(action) * reward.squeeze(-1)).mean() - 0.01 * policy.entropy().mean()


class Denoiser(nn.Module):
    def __init__(self, steps: int = 50) -> None:
        super().__init__()
        self.steps = steps
        self.register_buffer("kept", torch.cumprod(1 - torch.linspace(1e-4, 0.02, steps), 0))
        self.time = nn.Sequential(nn.Linear(8, 12), nn.SiLU(), nn.Linear(12, 12))
        self.enter, self.leave = nn.Linear(2, 12), nn.Linear(12, 2)
        self.body = nn.Sequential(nn.LayerNorm(12), nn.Linear(12, 12), nn.SiLU(), nn.Linear(12, 12))

    def forward(self, x, t):
        frequency = torch.exp(-math.log(1e4) * torch.arange(4, device=t.device) / 4).to(x.dtype)
        angle = t[:, None] * frequency
        h = self.enter(x) + self.time(torch.cat([angle.sin(), angle.cos()], dim=-1))
        return self.leave(h + self.body(h))


def denoise(model, batch):
    (x,) = batch
    t = torch.randint(0, model.steps, (x.shape[0],), device=x.device)
    noise = torch.randn_like(x)
    kept = model.kept[t][:, None]
    return F.mse_loss(model(kept.sqrt() * x + (1 - kept).sqrt() * noise, t), noise)


class Messages(nn.Module):
    """A graph network: each node sums what its neighbours send."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Linear(4, 8)
        self.send = nn.ModuleList(nn.Linear(8, 8) for _ in range(2))
        self.leave = nn.Linear(8, 1)

    def forward(self, x, edges):
        source, target = edges
        h = torch.relu(self.enter(x))
        for send in self.send:
            sent = send(h)[source]
            summed = torch.zeros_like(h).scatter_add_(0, target[:, None].expand_as(sent), sent)
            h = h + torch.relu(summed)
        return self.leave(h)


def nodes(model, batch):
    x, edges, y = batch
    return F.mse_loss(model(x, edges), y)


class Experts(nn.Module):
    """A mixture of experts: all are computed, the best two of a sample count."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(6, 4)
        self.experts = nn.ModuleList(nn.Sequential(nn.Linear(6, 6), nn.GELU()) for _ in range(4))
        self.head = nn.Linear(6, 5)

    def forward(self, x):
        weight, chosen = self.gate(x).topk(2, dim=-1)
        everything = torch.stack([expert(x) for expert in self.experts], dim=1)
        picked = everything.gather(1, chosen[..., None].expand(-1, -1, x.size(-1)))
        return self.head((weight.softmax(-1)[..., None] * picked).sum(1))


class Logged(nn.Module):
    """Logs what it sees, as many programs do."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(6, 6), nn.RMSNorm(6), nn.Linear(6, 5))
        self.log: list[str] = []

    def forward(self, x):
        out = self.net(x)
        self.log.append(f"mean {out.mean().item():.3f}, largest {out.argmax().item()}")
        return out


def _data(*shapes: Any) -> tuple[torch.Tensor, ...]:
    """Normal numbers for a shape; integers below n for (n, shape)."""
    generator = torch.Generator().manual_seed(len(shapes))
    made = []
    for shape in shapes:
        if isinstance(shape[-1], tuple):
            made.append(torch.randint(0, shape[0], shape[1], generator=generator))
        else:
            made.append(torch.randn(*shape, generator=generator, dtype=torch.float64))
    return tuple(made)


def _double(made: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    return lambda: made().double()


_tokens = _data((11, (22, 6)), (11, (22, 6)))
_images = _data((14, 3, 8, 8), (5, (14,)))
_rows = _data((26, 6), (5, (26,)))
_sequences = _data((14, 7, 3), (5, (14,)))
_points = _data((12, 2), (6, 2), (6, 1))
_noisy = _data((9, 1, 8, 8))[0]
_played = _data((26, 4), (26, 2), (26, 1), (26, 1), (26, 1))

ZOO: dict[str, Example] = {
    "mlp": Example(
        _double(lambda: nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 5))),
        classes,
        _rows,
        8,
    ),
    "transformer, fused attention": Example(_double(GPT), next_token, _tokens, 4),
    "transformer, fused attention, dropout": Example(_double(lambda: GPT(0.1)), next_token, _tokens, 4),
    "transformer, written out": Example(_double(lambda: GPT(fused=False)), next_token, _tokens, 4),
    "transformer, written out, dropout": Example(_double(lambda: GPT(0.1, fused=False)), next_token, _tokens, 4),
    "resnet, group norm": Example(_double(lambda: ResNet(lambda c: nn.GroupNorm(2, c))), classes, _images, 4),
    "resnet, batch norm": Example(_double(lambda: ResNet(nn.BatchNorm2d)), classes, _images, 4),
    "u-net": Example(_double(UNet), mask_loss, (_noisy, (_noisy > 0).double()), 4),
    "vit": Example(_double(ViT), classes, _images, 4, chaotic=True),
    "vit, dropout": Example(_double(lambda: ViT(0.1)), classes, _images, 4, chaotic=True),
    "pinn": Example(_double(Field), burgers, _points, None, 0.01),
    "pinn by torch.func": Example(_double(Field), burgers_by_transforms, _points, None, 0.01),
    "lstm": Example(_double(lambda: Sequences(nn.LSTM)), classes, _sequences, 4),
    "lstm by hand": Example(_double(Cell), classes, _sequences, 4),
    "gru of two layers, dropout": Example(
        _double(lambda: Sequences(nn.GRU, num_layers=2, dropout=0.2, bidirectional=True)), classes, _sequences, 4
    ),
    "autoencoder": Example(_double(Autoencoder), reconstruction, (_data((26, 12))[0].sigmoid(),), 8),
    "vae": Example(_double(VAE), evidence, _data((26, 12)), 8, 0.005),
    "ppo": Example(_double(ActorCritic), ppo, (*_played[:2], *(x.squeeze(-1) - 1 for x in _played[2:])), 8),
    "reinforce": Example(_double(Policy), reinforce, _data((26, 4), (3, (26,)), (26, 1)), 8),
    "diffusion": Example(_double(Denoiser), denoise, _data((26, 2)), 8),
    "graph network": Example(_double(Messages), nodes, _data((10, 4), (10, (2, 24)), (10, 1)), None),
    "mixture of experts": Example(_double(Experts), classes, _rows, 8),
    "logging": Example(_double(Logged), classes, _rows, 8),
}
