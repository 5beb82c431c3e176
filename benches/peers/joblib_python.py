"""Trivial trials spread over two processes by joblib, in plain Python: no tensor is made, so this
is joblib's own time."""

from itertools import product

from joblib import Parallel, delayed

import trivial

if __name__ == "__main__":
    count, out = trivial.arguments()
    points = product(*trivial.axes(count).values())
    trivial.write(out, Parallel(n_jobs=2)(delayed(trivial.trial_in_python)(lr, seed) for lr, seed in points))
