"""The Python side of blowup: sweeps and their results, and your own training program as the trial.

`sweep` trains the trials of a spec and `read_runs` reads what came of them, with the program
``blowup``, which the wheel brings along::

    import blowup

    swept = blowup.sweep("spec.toml", out="results/mine")
    runs = swept.read()                                     # pandas; or frame="polars"

A spec names the program, and the axes of your own that it takes::

    [program]
    command = ["python", "train.py"]
    axes    = { hidden = "integer", dropout = "float" }

The program trains whatever it likes and says how each step went::

    import blowup

    @blowup.trials
    def train(trial):
        model = make_model(trial.hidden, trial.dropout, seed=trial.seed)
        for epoch in range(trial.epochs):
            for x, y in loader:
                loss = ...
                trial.step(loss, blowup.grad_norm(model), epoch=epoch)

``blowup sweep`` starts it once per worker and hands it one trial after the other.
``docs/program.md`` of the project says what the lines between the two are, for programs in other
languages.

`export` writes a model and its loss as a bundle instead: one file from which any number of models
train at once. It needs PyTorch 2.11.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Callable

from blowup._program import SweepError, Swept, read_runs, sweep
from blowup._refused import Place, Refused
from blowup._trials import Ended, Trial, grad_norm, trials, weight_norm

if TYPE_CHECKING:
    import torch

    from blowup._export import Exported

__all__ = [
    "Ended",
    "Place",
    "Refused",
    "SweepError",
    "Swept",
    "Trial",
    "export",
    "grad_norm",
    "read_runs",
    "sweep",
    "trials",
    "weight_norm",
]
__version__ = "0.1.0"


def export(
    path: str | os.PathLike[str],
    *,
    model: Callable[[], torch.nn.Module],
    loss: Callable[[torch.nn.Module, Any], torch.Tensor],
    batch: Any,
    data: Any = None,
    seeds: int | list[int] = 8,
    drop_last: bool = False,
) -> Exported:
    """Writes a model's training step, its data and its initial weights into one file, a bundle.

    The model and the loss stay as they are. Their forward and backward pass is traced into one
    graph of PyTorch's own operators, which trains any number of models at once, each with its own
    weights. Before the file is written the graph is held against the program, in float64.

    Needs PyTorch 2.11, on the CPU.

    Args:
        path: the file to write, by custom ``NAME.blowup``.
        model: makes the module. It is called once for each seed, with all generators seeded. What
            it returns is trained in the mode (train or eval) that it is in.
        loss: takes the module and a batch and returns a tensor with one element.
        batch: an example of a batch: a tensor or an array, or tuples, lists and dictionaries of
            them. Its shapes are those that the graph is for.
        data: all samples, in the form of ``batch`` with the samples as the first dimension; or a
            data set (``__len__`` and ``__getitem__``) or a ``DataLoader``, which is read once. A
            tensor whose shape is that of the example is no sample: every step gets the whole of it.
            Without data the batch is all there is.
        seeds: how many seeds to store initial weights of (0, 1, ...), or the seeds themselves.
        drop_last: leaves out an epoch's last batch where it is smaller than the others, instead of
            tracing a second graph for it.

    Returns:
        What was made: the ``path``, the ``nodes`` of the main graph, its streams of random numbers
        (``draws``), the trained ``parameters`` of one model, and the largest relative
        ``difference`` that the self-check found.

    Raises:
        Refused: if the program is none that a graph can hold (a branch that depends on the data, a
            shape that does), or if the graph does not compute what the program does. The message
            has file, line and expression. Nothing is written.
    """
    from blowup._export import export as make

    return make(path, model=model, loss=loss, batch=batch, data=data, seeds=seeds, drop_last=drop_last)
