"""The raw step on one core: blowup, its matrix products alone, JAX; microseconds per trial and
step, without starting or compiling."""

from itertools import product

from . import measure
from .measure import Service, say
from .peers import peer

# Width -> lanes, as many as a sweep takes to keep the working set near the cache, and steps, which
# make a good part of a second.
SIZES = {16: (32, 300), 64: (8, 150), 128: (2, 100), 256: (1, 60)}
RNN = "rnn tanh sgd 64 4 60"
# Where JAX is quicker with other lanes (tried with ReLU and SGD: 1, 2, 4 and at widths 16 and 64 up
# to 64), it has them.
JAX_LANES = {128: 4, 256: 2}


def cases(quick):
    if quick:
        return ["mlp tanh sgd 16 16 3", "mlp relu adam 64 4 3", "rnn tanh sgd 64 4 3"]
    mlps = product(SIZES.items(), ["tanh", "relu"], ["sgd", "adam"])
    return [
        f"mlp {activation} {optimizer} {width} {lanes} {steps}"
        for (width, (lanes, steps)), activation, optimizer in mlps
    ] + [RNN]


def asked(name, case):
    """The question to a contender."""
    *kind, width, lanes, steps = case.split()
    if name == "jax":
        lanes = JAX_LANES.get(int(width), lanes)
    return " ".join([name, *kind, width, str(lanes), steps])


def compare(quick, rounds, versions):
    blowup = Service("cargo", "bench", "--quiet", "--bench", "throughput", "--", "--serve")
    services = {"step": blowup, "products": blowup}
    if versions["jax"]:
        services["jax"] = Service(*peer("raw_step"))
    results = {case: {name: [] for name in services} for case in cases(quick)}
    for number in range(rounds):
        say(f"raw step, round {number + 1} of {rounds}")
        for case, figures in results.items():
            for name, service in services.items():
                figures[name].append(service.ask(asked(name, case)))
            medians = ", ".join(f"{name} {measure.median(values):.1f}" for name, values in figures.items())
            say(f"  {case}: {medians} us")
    for service in {*services.values()}:
        service.close()
    return results
