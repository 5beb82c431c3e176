"""Trivial trials in Optuna, in plain Python: the grid sampler, two threads, the study in memory."""

import optuna

import trivial

if __name__ == "__main__":
    count, out = trivial.arguments()
    axes = trivial.axes(count)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rows = []

    def objective(trial):
        row = trivial.trial_in_python(*(trial.suggest_categorical(name, values) for name, values in axes.items()))
        rows.append(row)
        return row[-1]

    study = optuna.create_study(sampler=optuna.samplers.GridSampler(axes))
    study.optimize(objective, n_trials=count, n_jobs=2)
    trivial.write(out, rows)
