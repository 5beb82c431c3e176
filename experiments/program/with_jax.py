"""A program in JAX, with the Python package (`pip install ./python`) and its lines.

It trains a small net of tanh layers on fixed noise by plain gradient descent.
"""

import blowup
import jax
import jax.numpy as jnp


@blowup.trials
def train(trial):
    keys = jax.random.split(jax.random.PRNGKey(trial.seed), trial.depth + 3)
    sizes = [8] + [trial.hidden] * trial.depth + [1]
    weights = [trial.gain * jax.random.normal(key, (n, m)) / jnp.sqrt(n) for key, n, m in zip(keys, sizes, sizes[1:])]
    x, y = jax.random.normal(keys[-2], (64, 8)), jax.random.normal(keys[-1], (64, 1))

    def loss_of(weights):
        h = x
        for matrix in weights[:-1]:
            h = jnp.tanh(h @ matrix)
        return jnp.mean((h @ weights[-1] - y) ** 2)

    step = jax.jit(jax.value_and_grad(loss_of))
    for epoch in range(trial.epochs):
        loss, gradient = step(weights)
        norm = jnp.sqrt(sum(jnp.sum(g * g) for g in gradient))
        trial.step(loss, norm, epoch=epoch)
        weights = [w - trial.lr * g for w, g in zip(weights, gradient)]
    return loss_of(weights)
