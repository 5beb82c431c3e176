"""A training step of a transformer on one core: blowup, its matrix products alone, JAX, and PyTorch
trial by trial; microseconds per trial and step, without starting or compiling."""

from . import measure
from .measure import Service, say
from .peers import peer

# Samples of a batch -> lanes of blowup, lanes of JAX, and steps, which make a good part of a
# second. Either has the lanes at which it is quickest, of 1, 2, 4, 8 and 16.
SIZES = {1: (8, 8, 60), 8: (2, 1, 30)}


def compare(quick, rounds, versions):
    blowup = Service("cargo", "bench", "--quiet", "--bench", "throughput", "--", "--serve")
    services = {"step": blowup, "products": blowup}
    if versions["jax"]:
        services["jax"] = Service(*peer("transformer_step", "jax"))
    if versions["torch"]:
        services["eager"] = Service(*peer("transformer_step", "eager"))
    results = {batch: {name: [] for name in services} for batch in ([1] if quick else SIZES)}
    for number in range(rounds):
        say(f"transformers, round {number + 1} of {rounds}")
        for batch, figures in results.items():
            lanes, of_jax, steps = SIZES[batch]
            for name, service in services.items():
                asked = f"{batch} {of_jax if name == 'jax' else lanes} {3 if quick else steps}"
                command = f"{name} " if service is blowup else ""
                figures[name].append(service.ask(f"{command}transformer {asked}"))
            medians = ", ".join(f"{name} {measure.median(values):.0f}" for name, values in figures.items())
            say(f"  batches of {batch}: {medians} us")
    for service in {*services.values()}:
        service.close()
    # The keys are what they are when they are read again.
    return {str(batch): figures for batch, figures in results.items()}
