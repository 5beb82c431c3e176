"""The raw step in JAX, jit(vmap(scan)) on one core: answers each line `jax NETWORK ACTIVATION
OPTIMIZER WIDTH LANES STEPS` of stdin with microseconds per trial and step, compilation left out.
What a case is: benches/throughput/main.rs. Loss and gradient norm are read of every step."""

import os
import sys
import time
from functools import cache
from itertools import pairwise

os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # before XLA counts its cores

import jax
import jax.numpy as jnp
import numpy as np

DEPTH, TIMES, SAMPLES, INPUTS = 16, 64, 64, 10


def weights(recurrent, relu, width, lanes):
    rng = np.random.default_rng(0)
    layer = lambda a, b, gain=1.0: {
        "w": rng.standard_normal((lanes, a, b), "f4") * (gain / a) ** 0.5,
        "b": np.zeros((lanes, b), "f4"),
    }
    gain = 2.0 if relu else 1.0
    if recurrent:
        back = layer(width, width, gain)
        layers = {
            "in": layer(INPUTS, width, gain),
            "back": {"r": back["w"], "c": back["b"]},
            "out": layer(width, 1, gain),
        }
    else:
        sizes = [INPUTS, *[width] * DEPTH, 1]
        layers = [layer(a, b, gain) for a, b in pairwise(sizes)]
    return jax.tree.map(lambda a: jnp.asarray(a, "f4"), layers)


def data(recurrent):
    rng = np.random.default_rng(1)
    size = (TIMES, SAMPLES, INPUTS) if recurrent else (SAMPLES, INPUTS)
    return rng.standard_normal(size, "f4"), rng.standard_normal((SAMPLES, 1), "f4")


def predict(recurrent, phi, p, x):
    if recurrent:
        read = x @ p["in"]["w"] + (p["in"]["b"] + p["back"]["c"])
        h, _ = jax.lax.scan(lambda h, r: (phi(r + h @ p["back"]["r"]), None), jnp.zeros(read.shape[1:]), read)
        return h @ p["out"]["w"] + p["out"]["b"]
    for layer in p[:-1]:
        x = phi(x @ layer["w"] + layer["b"])
    return x @ p[-1]["w"] + p[-1]["b"]


@cache
def case(network, activation, optimizer, width, lanes, steps):
    """A compiled function that has run once, and what it starts from."""
    recurrent, relu, adam = network == "rnn", activation == "relu", optimizer == "adam"
    phi = jax.nn.relu if relu else jnp.tanh
    x, y = data(recurrent)
    params = weights(recurrent, relu, width, lanes)
    lr = (10 ** (-5 + 2 * np.arange(lanes) / lanes)).astype("f4")
    clip = np.where(np.arange(lanes) % 2, np.inf, 1).astype("f4")
    loss_of = lambda p: jnp.mean((predict(recurrent, phi, p, x) - y) ** 2)

    def one(p, lr, clip):
        def step(state, t):
            p, m, v = state
            loss, grads = jax.value_and_grad(loss_of)(p)
            norm = jnp.sqrt(sum(jnp.sum(g * g) for g in jax.tree.leaves(grads)))
            scale = jnp.where(jnp.isinf(clip), 1.0, jnp.minimum(clip / (norm + 1e-6), 1.0))
            if not adam:
                return (jax.tree.map(lambda p, g: p - lr * scale * g, p, grads), m, v), (loss, norm)
            grads = jax.tree.map(lambda g: scale * g, grads)
            m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, grads)
            v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, grads)
            rate, root = lr / (1 - 0.9 ** (t + 1)), jnp.sqrt(1 - 0.999 ** (t + 1))
            p = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) / root + 1e-8), p, m, v)
            return (p, m, v), (loss, norm)

        zeros = jax.tree.map(jnp.zeros_like, p) if adam else None
        return jax.lax.scan(step, (p, zeros, zeros), jnp.arange(steps, dtype="f4"))

    run = jax.jit(jax.vmap(one))
    jax.block_until_ready(run(params, lr, clip))
    return run, (params, lr, clip)


if __name__ == "__main__":
    for line in sys.stdin:
        _, network, activation, optimizer, *numbers = line.split()
        width, lanes, steps = map(int, numbers)
        run, start_from = case(network, activation, optimizer, width, lanes, steps)
        start = time.perf_counter()
        _, (losses, norms) = jax.block_until_ready(run(*start_from))
        seconds = time.perf_counter() - start
        assert np.isfinite(losses).all() and np.isfinite(norms).all(), "a trial of the benchmark diverged"
        print(seconds / steps / lanes * 1e6, flush=True)
