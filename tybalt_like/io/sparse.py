"""Sparse matrices from files, whose indices nobody has checked yet."""

from __future__ import annotations

from typing import Any


def check_indices(x: Any) -> None:
    """Refuse a CSR or CSC matrix whose indices would lead out of its memory.

    scipy trusts them, so that a wrong one ends the process; its own `check_format` looks at
    nothing when the last pointer is 0.

    Raises
    ------
    ValueError
        Says what is wrong.
    """
    if x.indptr[-1] != len(x.indices) or (x.indptr[1:] < x.indptr[:-1]).any():
        raise ValueError("the row pointers do not fit the values")
    x.check_format()
