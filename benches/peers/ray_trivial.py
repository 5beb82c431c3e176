"""Trivial trials in Ray Tune, in plain Python: a grid search, as many at once as there are
cores."""

import logging
import os
import tempfile

os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AIR_NEW_OUTPUT": "0"}

import ray
from ray import tune

import trivial


def trainable(config):
    _, _, initial, final = trivial.trial_in_python(config["lr"], config["seed"])
    tune.report({"loss_initial": initial, "loss_final": final})


if __name__ == "__main__":
    count, out = trivial.arguments()
    ray.init(num_cpus=2, include_dashboard=False, logging_level=logging.ERROR)
    space = {name: tune.grid_search(values) for name, values in trivial.axes(count).items()}
    with tempfile.TemporaryDirectory() as folder:
        config = tune.RunConfig(storage_path=folder, verbose=0)
        results = tune.Tuner(trainable, param_space=space, run_config=config).fit()
        trivial.write(
            out,
            [(r.config["lr"], r.config["seed"], r.metrics["loss_initial"], r.metrics["loss_final"]) for r in results],
        )
