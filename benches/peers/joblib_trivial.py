"""Trivial trials spread over two processes by joblib."""

from itertools import product

from joblib import Parallel, delayed

import trivial

if __name__ == "__main__":
    count, out = trivial.arguments()
    points = product(*trivial.axes(count).values())
    trivial.write(out, Parallel(n_jobs=2)(delayed(trivial.trial)(lr, seed) for lr, seed in points))
