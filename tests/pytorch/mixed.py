#!/usr/bin/env python3
"""Trains the trials of traces again in PyTorch's own mixed precision (torch.autocast,
torch.amp.GradScaler, float32 master weights of a bfloat16 model) and compares every step.

usage: mixed.py TRACES a folder of folders that `blowup replay RUN_DIR TRIAL --trace DIR` wrote

What must be the same: the loss scale at every step, which steps it skips, the outcome, the first
non-finite step, the NaN step and the number of steps. Losses and gradient norms are those of 16-bit
passes, in which an order of summation decides the last place. So each trial is trained in PyTorch
`PERTURBATIONS` times more from initial weights that are off by half a unit in the last place of the
16-bit dtype. A number may be `UNITS` units in the last place off, and as far as the perturbed runs
have been up to this step. Steps are compared while these stay below `FARTHEST`, and until PyTorch's
own perturbed runs skip other steps or differ in their verdict.

Exit status 1 if anything differs, if fewer than `FEWEST` trials were compared to their last step,
or if a value of `REQUIRED` was in none of those.
"""

import math
import multiprocessing
import os
import sys
from collections import Counter
from pathlib import Path

import torch

from guards import Clip
from models import build, norm
from rules import Together, optimizers, schedule
from training import CrossEntropy, Trace, outcome, values

PERTURBATIONS = 4
UNITS = 4
FARTHEST = 0.1
FEWEST = 24
REQUIRED = {
    "precision": ["amp_float16", "amp_bfloat16", "bfloat16_master"],
    "network": ["mlp", "rnn", "lstm", "gru", "transformer"],
    "norm": ["none", "batch before", "batch after", "layer before", "layer after", "rms before", "rms after"],
    "optimizer": ["sgd", "sgd momentum", "adam", "adamw"],
    "clip": ["none", "norm"],
    "accumulate": ["1", "more"],
    "parametrization": ["standard", "ntk"],
    "loss": ["mse", "cross_entropy"],
    "loss scale": ["fixed", "dynamic"],
    "skipped": ["none", "some"],
    "outcome": ["converged", "nonfinite"],
}
NARROW = {"amp_float16": torch.float16, "amp_bfloat16": torch.bfloat16, "bfloat16_master": torch.bfloat16}


class Fixed:
    """A loss scale that stays, with the calls of a GradScaler. It skips nothing."""

    def __init__(self, factor):
        self.factor = factor

    def get_scale(self):
        return self.factor

    def scale(self, loss):
        return loss * self.factor

    def unscale_(self, rule):
        for group in rule.param_groups:
            for p in group["params"]:
                p.grad *= torch.tensor(1 / self.factor, dtype=torch.float32)

    def step(self, rule):
        rule.step()

    def update(self):
        pass


class Run:
    """One training run: its losses, gradient norms (None where a step was skipped) and scales."""

    def __init__(self, trace, perturbation=None):
        self.trace, a = trace, trace.axes
        self.dtype, self.is_autocast = NARROW[a["precision"]], a["precision"].startswith("amp")
        self.model = build(trace, watched=False)
        if perturbation is not None:
            self.perturb(perturbation)
        self.copy = None
        if not self.is_autocast:
            self.copy = build(trace, watched=False).to(self.dtype)
        self.criterion = torch.nn.MSELoss() if a["loss"] == "mse" else CrossEntropy(a["z_loss"])
        self.whole = a["batch"] == trace.about["samples"]
        self.losses, self.gradients, self.scales, self.skipped, self.epoch_losses = [], [], [], [], []
        self.step_nonfinite = self.step_nan = None
        self.loss_final = math.nan
        self.loss_initial = self.evaluate()
        self.train()

    @torch.no_grad()
    def perturb(self, seed):
        generator = torch.Generator().manual_seed(seed)
        for p in self.model.parameters():
            sign = (torch.rand(p.shape, generator=generator) < 0.5).to(p.dtype) * 2 - 1
            p.mul_(1 + sign * torch.finfo(self.dtype).eps / 2)

    def loss(self, inputs, targets):
        if self.is_autocast:
            with torch.autocast("cpu", self.dtype):
                return self.criterion(self.model(inputs), targets)
        with torch.no_grad():
            for narrow, wide in zip(self.copy.parameters(), self.model.parameters(), strict=True):
                narrow.copy_(wide)
        targets = targets.to(self.dtype) if targets.is_floating_point() else targets
        return self.criterion(self.copy(inputs.to(self.dtype)), targets)

    def backward(self, loss):
        loss.backward()
        if self.is_autocast:
            return
        for narrow, wide in zip(self.copy.parameters(), self.model.parameters(), strict=True):
            gradient = narrow.grad.float()
            wide.grad = gradient if wide.grad is None else wide.grad + gradient
            narrow.grad = None

    def evaluate(self):
        total = count = 0
        with torch.no_grad():
            for inputs, targets in self.trace.evaluation():
                total += self.loss(inputs, targets).item() * len(targets)
                count += len(targets)
        return total / count

    def train(self):
        trace, a = self.trace, self.trace.axes
        rules = optimizers(trace, self.model)
        rates = Together([schedule(trace, rule) for rule in rules])
        clip = Clip(trace, self.model, rules[0])
        if "growth_interval" in a:
            scaler = torch.amp.GradScaler(device="cpu", growth_interval=a["growth_interval"])
            assert scaler.get_scale() == a["loss_scale"], "both start alike"
        else:
            scaler = Fixed(a["loss_scale"])
        dynamic, epoch = "growth_interval" in a, []
        for step in range(trace.steps + 1):
            last = step == trace.steps
            batches = [trace.evaluation()[0]] if last and step > 0 else list(trace.batches(step))
            Together(rules).zero_grad()
            value = 0.0
            for inputs, targets in batches:
                loss = self.loss(inputs, targets)
                value += loss.item() / len(batches)
                self.backward(scaler.scale(loss / len(batches)))
            for rule in rules:
                scaler.unscale_(rule)
            gradient = norm(p.grad for p in self.model.parameters())
            overflow = dynamic and not math.isfinite(gradient)
            known = None if overflow and scaler.get_scale() > 1 else gradient
            if last:
                self.loss_final = value if self.whole else self.evaluate()
                value = self.loss_final
            if self.step_nonfinite is None and not (math.isfinite(value) and (known is None or math.isfinite(known))):
                self.step_nonfinite = step
            if self.step_nan is None and math.isnan(value):
                self.step_nan = step
            if last:
                self.scales.append(scaler.get_scale())
                return
            self.losses.append(value)
            self.gradients.append(known)
            self.scales.append(scaler.get_scale())
            epoch.append((value, sum(len(targets) for _, targets in batches)))
            if math.isnan(value):
                self.epoch_losses.append(math.nan)
                return
            self.skipped.append(overflow)
            if not overflow:
                clip()
            before = self.model.output.weight.detach().clone()
            for rule in rules:
                scaler.step(rule)
            scaler.update()
            if overflow:
                assert torch.equal(before, self.model.output.weight), "the scaler skips what is not finite"
            rates.step()
            if (step + 1) % trace.epoch_steps == 0 or step + 1 == trace.steps:
                self.epoch_losses.append(sum(x * n for x, n in epoch) / sum(n for _, n in epoch))
                epoch = []

    def verdict(self):
        trivial, ratio = self.trace.measured["loss_trivial"], self.trace.about["loss_ratio"]
        nan = self.step_nan is not None
        found = outcome(self.trace, self.epoch_losses, self.loss_initial, self.loss_final, nan, trivial, ratio)
        dynamic = "growth_interval" in self.trace.axes
        return {
            "outcome": found,
            "step_nonfinite": self.step_nonfinite,
            "step_nan": self.step_nan,
            "steps_run": len(self.skipped),
            "loss_scale_final": self.scales[-1],
            "steps_skipped": sum(self.skipped) if dynamic else None,
        }


def apart(a, b):
    """Relative distance; 0 where both are the same or both are missing."""
    if a is None or b is None:
        return 0.0 if a is b else math.inf
    if a == b or (math.isnan(a) and math.isnan(b)):
        return 0.0
    return abs(a - b) / max(abs(a), abs(b)) if math.isfinite(a) and math.isfinite(b) else math.inf


def compare(folder):
    torch.set_num_threads(1)
    # As blowup's workers do.
    torch.set_flush_denormal(True)
    trace = Trace(Path(folder))
    run = Run(trace)
    others = [Run(trace, seed) for seed in range(PERTURBATIONS)]
    unit = torch.finfo(run.dtype).eps
    rows, findings, far, worst, covered = trace.step_rows(), [], 0.0, 0.0, 0
    number = lambda text: float(text) if text else None
    for step in range(len(run.losses)):
        here = lambda r, step=step: (
            (r.losses[step], r.gradients[step], r.scales[step]) if step < len(r.losses) else None
        )
        if any(here(other) is None or here(other)[2] != run.scales[step] for other in others):
            break
        pairs = [pair for other in others for pair in zip(here(run)[:2], here(other)[:2])]
        far = max([far] + [apart(a, b) for a, b in pairs])
        if not far < FARTHEST:
            break
        if step >= len(rows):
            findings.append(f"step {step} is not in the trace")
            break
        told = [number(rows[step][column]) for column in ("loss", "grad_norm", "loss_scale")]
        if told[2] != run.scales[step]:
            findings.append(f"loss scale {told[2]} in step {step}, {run.scales[step]} in PyTorch")
            break
        for name, a, b in zip(("loss", "gradient norm"), told, here(run)):
            off = apart(a, b)
            worst = max(worst, off / unit)
            if off > UNITS * unit + far:
                findings.append(f"{name} of step {step}: {a} and {b} in PyTorch, {off / unit:.2g} units")
        covered += 1
    verdict = run.verdict()
    steady = {column for column in verdict if all(other.verdict()[column] == verdict[column] for other in others)}
    complete = covered == len(run.losses)
    for column, found in verdict.items():
        told = trace.measured.get(column)
        if complete and column in steady and told != found:
            findings.append(f"{column}: {told} in the trace, {found} in PyTorch")
    words = values(trace)
    words["precision"] = trace.axes["precision"]
    words["loss scale"] = "dynamic" if "growth_interval" in trace.axes else "fixed"
    words["skipped"] = "some" if any(run.skipped) else "none"
    name = f"{trace.about['trial']} {trace.about['label']} {words['precision']}"
    return name, words, findings, complete, covered, len(run.losses), worst, far / unit


def main():
    folders = sorted(str(path.parent) for path in Path(sys.argv[1]).glob("*/trace.toml"))
    with multiprocessing.Pool(os.cpu_count()) as pool:
        results = pool.map(compare, folders, chunksize=2)
    seen, full, steps, all_steps, wrong, largest = Counter(), 0, 0, 0, 0, 0.0
    for name, words, findings, complete, covered, total, worst, _ in results:
        for finding in findings:
            print(f"DIFFERS {name}: {finding}")
        wrong += bool(findings)
        full += complete
        steps, all_steps, largest = steps + covered, all_steps + total, max(largest, worst)
        if complete:
            seen.update((axis, word) for axis, word in words.items())
    missing = [f"{axis} {word}" for axis, wanted in REQUIRED.items() for word in wanted if not seen[axis, word]]
    print(
        f"mixed precision: {len(results)} trials, {full} of them compared to the last step, {steps} of "
        f"{all_steps} steps; at most {largest:.2g} units in the last place of 16 bits apart"
    )
    if missing:
        print("NOT COVERED: " + ", ".join(missing))
    if full < FEWEST:
        print(f"TOO FEW: {full} trials were compared to the last step, {FEWEST} are wanted")
    print(f"{wrong} DIFFER" if wrong else "all agree")
    return 1 if wrong or missing or full < FEWEST else 0


if __name__ == "__main__":
    sys.exit(main())
