"""The tanh map of arXiv 2402.06184 in JAX: 272 samples, width 16, f64, full batch. Every pixel
makes all of its updates: a compiled program cannot drop one.

    jax_map.py loop|scan PIXELS STEPS GROUP

`loop` is the published way, jit of vmap of one update in a loop of Python; `scan` is jit of vmap of
scan over all updates. GROUP is how many pixels one call trains. Prints the share of pixels that
diverged by the published measure."""

import sys

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", val=True)

WIDTH, SAMPLES, LAST, MOST = 16, 272, 20, 1e6


def start():
    draw = np.random.default_rng(0).standard_normal
    x, y = jnp.asarray(draw((SAMPLES, WIDTH))), jnp.asarray(draw((SAMPLES, 1)))
    return x, y, (jnp.asarray(draw((WIDTH, WIDTH))), jnp.asarray(draw((WIDTH, 1))))


def stepper(x, y):
    def loss_of(weights):
        first, last = weights
        hidden = jnp.tanh(jnp.sqrt(2.0 / WIDTH) * (x @ first))
        return jnp.mean((hidden @ last / WIDTH - y) ** 2)

    def step(weights, rates):
        loss, gradients = jax.value_and_grad(loss_of)(weights)
        return tuple(w - rate * g for w, rate, g in zip(weights, rates, gradients)), loss

    return step


def loop(step, steps):
    update = jax.jit(jax.vmap(step))

    def train(weights, rates):
        losses = []
        for _ in range(steps):
            weights, loss = update(weights, rates)
            losses.append(loss)
        return jnp.stack(losses, axis=1)

    return train


def scan(step, steps):
    def one(weights, rates):
        return jax.lax.scan(lambda weights, _: step(weights, rates), weights, None, steps)[1]

    return jax.jit(jax.vmap(one))


def diverged(losses):
    """Of losses [pixel, step]."""
    with np.errstate(all="ignore"):
        ratios = losses / losses[:, :1]
    ratios = np.where(ratios < MOST, ratios, MOST)
    return ratios[:, -LAST:].mean(axis=1) >= 1


def main(way, pixels, steps, group):
    x, y, weights = start()
    train = {"loop": loop, "scan": scan}[way](stepper(x, y), steps)
    rates = np.logspace(-3, 6, pixels)
    grid = np.stack(np.meshgrid(rates, rates), axis=-1).reshape(-1, 2)
    failed = 0
    for first in range(0, len(grid), group):
        part = grid[first : first + group]
        # The last part is filled up, so that nothing is compiled twice.
        full = np.resize(part, (min(group, len(grid)), 2))
        lanes = tuple(jnp.broadcast_to(w, (len(full), *w.shape)) for w in weights)
        per_lane = tuple(jnp.asarray(full[:, i, None, None]) for i in (0, 1))
        losses = np.asarray(train(lanes, per_lane))[: len(part)]
        failed += int(diverged(losses).sum())
    print(failed / len(grid))


if __name__ == "__main__":
    way, *numbers = sys.argv[1:]
    main(way, *map(int, numbers))
