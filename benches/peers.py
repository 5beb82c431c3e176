"""The raw step as users of Python would write it: prints microseconds per trial and step.

usage: peers.py METHOD TRIALS HIDDEN_LAYERS WIDTH STEPS
METHOD: manual (PyTorch tensors stacked over trials, backward written by hand, preallocated) | jax (jit of vmap of scan)

Each trial: tanh layers, 64 samples of 10 inputs, mean squared error, full batch, SGD with its own learning rate and norm clip; the loss
and the gradient norm are read every step.
"""

import os
import sys
import time

import numpy as np

SAMPLES, INPUTS = 64, 10


def draws(trials, sizes):
    rng = np.random.default_rng(1)
    x, y = (rng.standard_normal((SAMPLES, n), dtype="f4") for n in (INPUTS, 1))
    weights = [rng.standard_normal((trials, a, b), dtype="f4") / np.float32(a**0.5) for a, b in zip(sizes, sizes[1:])]
    lr = np.geomspace(1e-4, 10, trials, dtype="f4")
    clip = np.where(np.arange(trials) % 2, np.inf, 1).astype("f4")
    return x, y, weights, lr, clip


def manual(trials, sizes, steps):
    import torch

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    x, y, weights, lr, clip = draws(trials, sizes)
    weights = [torch.from_numpy(w) for w in weights]
    biases = [torch.zeros(trials, 1, w.shape[2]) for w in weights]
    params = weights + biases
    grads = [torch.empty_like(p) for p in params]
    depth = len(weights)
    acts = [torch.from_numpy(x).repeat(trials, 1, 1)] + [torch.empty(trials, SAMPLES, n) for n in sizes[1:]]
    signals = [torch.empty_like(a) for a in acts[1:]]
    lr, clip, y = torch.from_numpy(lr), torch.from_numpy(clip), torch.from_numpy(y)
    norms = torch.empty(len(params), trials)

    def step():
        for l, (w, b) in enumerate(zip(weights, biases)):
            torch.baddbmm(b, acts[l], w, out=acts[l + 1])
            if l + 1 < depth:
                acts[l + 1].tanh_()
        signal = torch.sub(acts[-1], y, out=signals[-1])
        loss = signal.square().mean((1, 2))
        signal.mul_(2 / SAMPLES)
        for l in range(depth - 1, -1, -1):
            signal = signals[l]
            torch.bmm(acts[l].mT, signal, out=grads[l])
            torch.sum(signal, 1, keepdim=True, out=grads[depth + l])
            if l:
                torch.bmm(signal, weights[l].mT, out=signals[l - 1])
                torch.ops.aten.tanh_backward.grad_input(signals[l - 1], acts[l], grad_input=signals[l - 1])
        for g, norm in zip(grads, norms):
            torch.linalg.vector_norm(g.flatten(1), dim=1, out=norm)
        norm = torch.linalg.vector_norm(norms, dim=0)
        rate = (-lr * (clip / (norm + 1e-6)).clamp(max=1)).view(-1, 1, 1)
        for p, g in zip(params, grads):
            p.addcmul_(g, rate)
        return loss.numpy().copy(), norm.numpy().copy()

    for _ in range(3):
        step()
    start = time.perf_counter()
    for _ in range(steps):
        step()
    return time.perf_counter() - start


def jax(trials, sizes, steps):
    import jax
    import jax.numpy as jnp

    x, y, weights, lr, clip = draws(trials, sizes)
    params = [(jnp.array(w), jnp.zeros((trials, w.shape[2]))) for w in weights]

    def loss_of(params):
        h = x
        for w, b in params[:-1]:
            h = jnp.tanh(h @ w + b)
        w, b = params[-1]
        return jnp.mean((h @ w + b - y) ** 2)

    def train(params, lr, clip):
        def step(params, _):
            loss, grads = jax.value_and_grad(loss_of)(params)
            norm = jnp.sqrt(sum(jnp.vdot(g, g) for g in jax.tree.leaves(grads)))
            rate = lr * jnp.minimum(1, clip / (norm + 1e-6))
            return jax.tree.map(lambda p, g: p - rate * g, params, grads), (loss, norm)

        return jax.lax.scan(step, params, length=steps)

    run = jax.jit(jax.vmap(train))
    jax.block_until_ready(run(params, lr, clip))  # compiles
    start = time.perf_counter()
    jax.block_until_ready(run(params, lr, clip))
    return time.perf_counter() - start


if __name__ == "__main__":
    os.sched_setaffinity(0, {0})  # one core: XLA would take them all
    method, (trials, layers, width, steps) = sys.argv[1], map(int, sys.argv[2:])
    seconds = {"manual": manual, "jax": jax}[method](trials, [INPUTS] + [width] * layers + [1], steps)
    print(seconds / trials / steps * 1e6)
