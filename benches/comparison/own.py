"""Models of one's own on one core: a bundle, PyTorch trial by trial, and torch.func.vmap of all
lanes; microseconds per trial and step, without starting, tracing or loading."""

import math
import subprocess

from . import measure
from .measure import SCRATCH, Service, say
from .peers import PYTHON, peer

# Model -> lanes, and steps, which make a good part of a second.
SIZES = {
    "gpt-28k": (8, 100),
    "gpt-106k": (8, 20),
    "resnet": (8, 60),
    "vit": (8, 60),
    "ppo": (64, 100),
    "diffusion": (64, 100),
    "mlp": (8, 100),
}
# The built-in step of the same network, data and lanes.
BUILT_IN = {"mlp": "mlp tanh sgd 64"}


def compare(quick, rounds, versions):
    if not versions["torch"]:
        say("models of one's own need PyTorch, which could not be installed")
        return None
    folder = SCRATCH / "own"
    folder.mkdir(parents=True, exist_ok=True)
    say("exporting models of one's own")
    subprocess.run([PYTHON, *peer("own_models", "export", folder)[1:]], check=True)
    blowup = Service("cargo", "bench", "--quiet", "--bench", "throughput", "--", "--serve")
    eager, vmap = Service(*peer("own_models", "eager")), Service(*peer("own_models", "vmap"))
    results = {name: {} for name in (["ppo", "mlp"] if quick else SIZES)}
    for number in range(rounds):
        say(f"models of one's own, round {number + 1} of {rounds}")
        for name, figures in results.items():
            lanes, steps = SIZES[name]
            steps = 3 if quick else steps
            asked = {
                "blowup": (blowup, f"bundle {folder}/{name}.blowup {lanes} {steps}"),
                "PyTorch eager": (eager, f"{name} {lanes} {steps}"),
                "torch.func.vmap": (vmap, f"{name} {lanes} {steps}"),
            }
            if name in BUILT_IN:
                asked["built in"] = (blowup, f"step {BUILT_IN[name]} {lanes} {steps}")
            for who, (service, question) in asked.items():
                answer = service.ask(question)
                if not math.isnan(answer):
                    figures.setdefault(who, []).append(answer)
            say(f"  {name}: " + ", ".join(f"{who} {measure.median(v):.0f}" for who, v in figures.items()) + " us")
    for service in (blowup, eager, vmap):
        service.close()
    return results
