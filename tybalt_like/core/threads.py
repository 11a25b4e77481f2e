"""How the threads that share an array wait for each other."""

from __future__ import annotations

import os


def brief_waits() -> dict[str, str]:
    """Environment variables, to be set before torch is loaded: ask for work, soon sleep.

    Threads that spin on make training many times slower where other programs share the cores. Those
    that sleep at once have to be woken for each of some thirty operations of an update, which costs
    up to a third of it on free cores. GNU's OpenMP takes 1,000 spins for 10 microseconds. Who has
    set ``OMP_WAIT_POLICY`` is obeyed: nothing then.
    """
    if "OMP_WAIT_POLICY" in os.environ:
        return {}
    return {
        "OMP_WAIT_POLICY": "PASSIVE",
        "GOMP_SPINCOUNT": os.environ.get("GOMP_SPINCOUNT", "1000"),
    }
