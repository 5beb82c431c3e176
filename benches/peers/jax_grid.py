"""The real grid in JAX: jit of vmap over the trials of one shape of scan over all steps. A compiled
scan cannot drop a trial, so none leaves early."""

import jax
import jax.numpy as jnp
import numpy as np

import trials as grid

ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jnp.tanh, "linear": lambda x: x}


def model(t):
    phi = ACTIVATIONS[t["activation"]]

    def mlp(p, x):
        for layer in range(t["depth"]):
            x = phi(x @ p[f"{layer}.w"] + p[f"{layer}.b"])
        return x @ p["out.w"] + p["out.b"]

    def rnn(p, x):
        read = x @ p["w"] + (p["b"] + p["c"])
        h, _ = jax.lax.scan(lambda h, read: (phi(read + h @ p["r"]), None), jnp.zeros(read.shape[1:]), read)
        return h @ p["out.w"] + p["out.b"]

    return mlp if t["network"] == "mlp" else rnn


def train(group):
    t = group[0]
    predict, axis = model(t), 1 if t["network"] == "rnn" else 0
    x, y = map(jnp.asarray, grid.data(t))
    order = jnp.asarray(grid.orders(t).reshape(-1, t["batch"]))
    whole = t["batch"] == t["samples"]
    starts = [grid.matrices(one) for one in group]
    params = {name: jnp.asarray(np.stack([start[name] for start in starts])) for name in starts[0]}
    lr = jnp.array([one["lr"] for one in group], "f4")
    clip = jnp.array([grid.threshold(one) for one in group], "f4")

    def loss_of(p, x, y):
        return jnp.mean((predict(p, x) - y) ** 2)

    def one(p, lr, clip):
        def step(p, batch):
            inputs, targets = (x, y) if whole else (jnp.take(x, batch, axis), y[batch])
            loss, grads = jax.value_and_grad(loss_of)(p, inputs, targets)
            norm = jnp.sqrt(sum(jnp.sum(g * g) for g in grads.values()))
            rate = lr * jnp.where(jnp.isinf(clip), 1.0, jnp.minimum(clip / (norm + 1e-6), 1.0))
            return {name: p[name] - rate * grads[name] for name in p}, loss

        initial = loss_of(p, x, y)
        p, losses = jax.lax.scan(step, p, order)
        return losses, initial, loss_of(p, x, y)

    results = map(np.asarray, jax.jit(jax.vmap(one))(params, lr, clip))
    return [(o["trial"], grid.outcome(o, *rest)) for o, *rest in zip(group, *results)]


if __name__ == "__main__":
    trials, out, processes = grid.arguments()
    grid.write(out, grid.spread(train, grid.shapes(trials), processes))
