"""How many threads linear algebra takes: one, in every process of the product."""

import os

VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""Read by the libraries behind numpy and scipy when they are loaded."""


def one_each() -> None:
    """Let numpy, not loaded yet, and every child process compute on one thread; a user's own setting stays.

    Matrices here have a hundred rows: more threads only wait for each other. Measured on two busy
    cores, the outages of a chifeng96 day: 16 s of CPU with two threads, 2.3 s with one.
    """
    for name in VARIABLES:
        os.environ.setdefault(name, "1")
