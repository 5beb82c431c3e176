"""A step of the transformer of benches/throughput/transformer.rs on one core, in PyTorch (`eager`)
or in JAX, jit(vmap(scan)) (`jax`). It answers each line `transformer BATCH LANES STEPS` of stdin
with microseconds per trial and step, without starting and compiling. Eager trains one trial after
the other, whatever the lanes are. JAX reads the loss and the gradient norm of every step."""

import math
import os
import sys
import time
from functools import cache

import numpy as np

os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # before XLA counts its cores
BLOCKS, HEADS, WIDTH, HIDDEN, TOKENS = 4, 4, 64, 256, 64
SYMBOLS = 78  # the different characters of experiments/data/opticks.txt


def eager(batch, lanes, steps):
    import torch
    import torch.nn.functional as F

    from own_models import GPT, timed

    torch.manual_seed(0)
    model = GPT(SYMBOLS, TOKENS, WIDTH, BLOCKS, HEADS)
    inputs, targets = torch.randint(SYMBOLS, (2, batch, TOKENS))
    optimizer = torch.optim.SGD(model.parameters(), 1e-4)

    def step():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
        loss.backward()
        optimizer.step()
        return loss.item()

    return timed(step, steps)


def parameters(lanes):
    rng = np.random.default_rng(0)
    layer = lambda a, b: {"w": rng.uniform(-1, 1, (lanes, a, b)) / math.sqrt(a), "b": np.zeros((lanes, b))}
    norm = lambda: {"scale": np.ones((lanes, WIDTH)), "shift": np.zeros((lanes, WIDTH))}
    block = lambda: {
        "norm1": norm(),
        "qkv": layer(WIDTH, 3 * WIDTH),
        "out": layer(WIDTH, WIDTH),
        "norm2": norm(),
        "up": layer(WIDTH, HIDDEN),
        "down": layer(HIDDEN, WIDTH),
    }
    return {
        "token": rng.standard_normal((lanes, SYMBOLS, WIDTH)) / math.sqrt(SYMBOLS),
        "place": rng.standard_normal((lanes, TOKENS, WIDTH)) / math.sqrt(TOKENS),
        "blocks": [block() for _ in range(BLOCKS)],
        "norm": norm(),
        "head": layer(WIDTH, SYMBOLS),
    }


@cache
def compiled(batch, lanes, steps):
    """A compiled function that has run once, and what it starts from."""
    import jax
    import jax.numpy as jnp

    rng = np.random.default_rng(1)
    inputs, targets = rng.integers(SYMBOLS, size=(2, batch, TOKENS))
    later = np.triu(np.ones((TOKENS, TOKENS), bool), 1)

    def normed(p, x):
        centred = x - x.mean(-1, keepdims=True)
        return centred * jax.lax.rsqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * p["scale"] + p["shift"]

    affine = lambda p, x: x @ p["w"] + p["b"]

    def attend(p, x):
        q, k, v = affine(p["qkv"], x).reshape(batch, TOKENS, 3, HEADS, -1).transpose(2, 0, 3, 1, 4)
        logits = q @ k.mT / math.sqrt(WIDTH // HEADS)
        mixed = jax.nn.softmax(jnp.where(later, -jnp.inf, logits)) @ v
        return affine(p["out"], mixed.transpose(0, 2, 1, 3).reshape(batch, TOKENS, WIDTH))

    def loss_of(p):
        x = p["token"][inputs] + p["place"]
        for block in p["blocks"]:
            x = x + attend(block, normed(block["norm1"], x))
            x = x + affine(
                block["down"], jax.nn.gelu(affine(block["up"], normed(block["norm2"], x)), approximate=False)
            )
        log = jax.nn.log_softmax(affine(p["head"], normed(p["norm"], x)))
        return -jnp.take_along_axis(log, targets[..., None], -1).mean()

    def one(p, lr):
        def step(p, _):
            loss, grads = jax.value_and_grad(loss_of)(p)
            norm = jnp.sqrt(sum(jnp.sum(g * g) for g in jax.tree.leaves(grads)))
            return jax.tree.map(lambda p, g: p - lr * g, p, grads), (loss, norm)

        return jax.lax.scan(step, p, None, steps)

    start = jax.tree.map(lambda a: jnp.asarray(a, "f4"), parameters(lanes))
    lr = jnp.logspace(-5, -3, lanes, dtype="f4")
    run = jax.jit(jax.vmap(one))
    jax.block_until_ready(run(start, lr))
    return run, start, lr


def jax_step(batch, lanes, steps):
    import jax

    run, start, lr = compiled(batch, lanes, steps)
    begun = time.perf_counter()
    _, (losses, norms) = jax.block_until_ready(run(start, lr))
    seconds = time.perf_counter() - begun
    assert np.isfinite(losses).all() and np.isfinite(norms).all(), "a trial of the benchmark diverged"
    return seconds / steps / lanes * 1e6


if __name__ == "__main__":
    step = {"eager": eager, "jax": jax_step}[sys.argv[1]]
    for line in sys.stdin:
        print(step(*map(int, line.split()[1:])), flush=True)
