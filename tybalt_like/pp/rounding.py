"""Whole numbers for a table of shares, at random and right on average."""

from __future__ import annotations

from itertools import islice

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

NOTHING = 1e-9
"""Smaller differences from a whole number come from rounding."""


def whole_numbers(table_cp: Array, weight_c: Array, rng: np.random.Generator) -> NDArray[np.intp]:
    """Round every cell up or down, so that rows keep their sums and columns nearly do.

    The expected value of a cell is the cell itself. Columns keep their weighted sums to the next
    whole number if all weights are 1, as in controlled rounding (Cox, JASA 82:520, 1987), and
    otherwise to a few of the last rows; this is the flight and the landing of the cube method
    (Deville & Tillé, Biometrika 91:893, 2004): where fractional cells form a cycle through rows
    and columns, they rise and fall in turn until one of them is whole.

    Parameters
    ----------
    table_cp
        Rows with whole sums. Rows are taken in their order, so that sums over any first rows are
        nearly kept too.
    weight_c
        What one unit of each row counts in the columns.
    rng
        Chooses up or down.
    """
    total_p = weight_c @ table_cp
    to_whole_p = np.ceil(total_p - NOTHING) - total_p
    table_cp, weight_c = np.vstack([table_cp, to_whole_p]), np.append(weight_c, 1)
    whole_cp = np.floor(table_cp + NOTHING)
    rest_cp = table_cp - whole_cp
    waiting = iter(np.flatnonzero(_is_open(rest_cp).any(1)).tolist())
    rows: list[int] = []
    while True:
        rows = [row for row in rows if _is_open(rest_cp[row]).any()]
        rows += islice(waiting, rest_cp.shape[1] - len(rows))  # among so many there is a cycle
        cycle = _cycle(_is_open(rest_cp[rows]))
        if not cycle:
            break
        at = np.array([rows[row] for row, _ in cycle]), np.array([column for _, column in cycle])
        rest_cp[at] = _one_of_them_whole(rest_cp[at], weight_c[at[0]], rng)
    for row in rows:
        ends = np.append(0, rest_cp[row].cumsum())
        ends[-1] = np.rint(ends[-1])
        rest_cp[row] = np.diff(np.floor(ends + rng.random()))
    return np.asarray((whole_cp + rest_cp)[:-1].round(), dtype=np.intp)


def _is_open(rest: Array) -> NDArray[np.bool_]:
    return (rest > NOTHING) & (rest < 1 - NOTHING)


def _cycle(open_rp: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Cells that share a row and a column in turn, the last with the first; none if that is not
    to be had."""
    core_rp, n_left = open_rp.copy(), -1
    while n_left != (n_left := int(core_rp.sum())):  # without what leads nowhere
        core_rp &= (core_rp.sum(1, keepdims=True) > 1) & (core_rp.sum(0) > 1)
    if not n_left:
        return []
    path = [int(core_rp.any(1).argmax())]  # a row, a column, a row, ...
    cells: list[tuple[int, int]] = []
    while True:
        here, before, in_row = path[-1], path[-2:-1], len(path) % 2
        line = core_rp[here] if in_row else core_rp[:, here]
        following = next(int(at) for at in np.flatnonzero(line) if at not in before)
        cells.append((here, following) if in_row else (following, here))
        if following in path[in_row::2]:
            return cells[2 * path[in_row::2].index(following) + in_row :]
        path.append(following)


def _one_of_them_whole(rest_m: Array, weight_m: Array, rng: np.random.Generator) -> Array:
    """The cells of a cycle, moved as far as they go in one direction or, as often as keeps their
    expected values, in the other."""
    step_m = np.where(np.arange(len(rest_m)) % 2, 1, -1) / weight_m
    room_m = np.where(step_m > 0, 1 - rest_m, rest_m)
    forward, backward = (weight_m * room_m).min(), (weight_m * (1 - room_m)).min()
    chosen = forward if rng.random() * (forward + backward) < backward else -backward
    return np.asarray(rest_m + chosen * step_m)
