"""The Python side of blowup: your own training program as the trial of a sweep.

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
"""

from blowup._trials import Ended, Trial, grad_norm, trials, weight_norm

__all__ = ["Ended", "Trial", "grad_norm", "trials", "weight_norm"]
__version__ = "0.1.0"
