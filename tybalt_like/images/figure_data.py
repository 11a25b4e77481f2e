"""What a model of images shows, as arrays and numbers: the figures are drawn from it alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

ARRAYS, TABLE = "images.npz", "images.tsv"
COLUMNS = ["measure", "model", "item", "x", "value"]


@dataclass
class FigureData:
    """Pictures and measurements, by name.

    Attributes
    ----------
    arrays
        Pictures (..., channels, height, width), 0 to 255, and codes of images; a name is
        ``<figure>/<model or item>``.
    table
        Rows of `COLUMNS`: a measure of a model, of an item of it (a pair of labels, say), at x.
    """

    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    table: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=COLUMNS))

    def keep(self, name: str, x_ng: NDArray[np.floating], *, shape: tuple[int, ...]) -> None:
        """Keep rows of pixels, 0 to 1, as pictures in an array of `shape`."""
        pixels = np.rint(255 * np.clip(x_ng, 0, 1)).astype(np.uint8)
        self.arrays[name] = pixels.reshape(shape)

    def measured(
        self, measure: str, value: Any, *, model: str = "", item: str = "", x: Any = np.nan
    ) -> None:
        """Add one row, or a row for each element of `value` and `x`."""
        values, xs = np.broadcast_arrays(np.atleast_1d(value), np.atleast_1d(x))
        rows = [[measure, model, item, *pair] for pair in zip(xs, values, strict=True)]
        new = pd.DataFrame(rows, columns=COLUMNS)
        self.table = new if self.table.empty else pd.concat([self.table, new], ignore_index=True)

    def join(self, other: FigureData) -> None:
        """Take in the pictures and measurements of another."""
        self.arrays |= other.arrays
        tables = [table for table in (self.table, other.table) if len(table)]
        self.table = pd.concat(tables, ignore_index=True) if tables else self.table

    def of(self, figure: str) -> dict[str, NDArray[Any]]:
        """The arrays of a figure by the rest of their names."""
        start = f"{figure}/"
        return {k.removeprefix(start): a for k, a in self.arrays.items() if k.startswith(start)}

    def rows(self, measure: str) -> pd.DataFrame:
        """The table's rows of one measure."""
        return self.table[self.table["measure"] == measure]

    def save(self, folder: Path) -> None:
        """Write ``images.npz`` and ``images.tsv``."""
        np.savez_compressed(folder / ARRAYS, **self.arrays)  # type: ignore[arg-type]
        self.table.to_csv(folder / TABLE, sep="\t", index=False)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; empty if it wrote nothing."""
        if not (folder / ARRAYS).exists():
            return cls()
        with np.load(folder / ARRAYS, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        text = {"measure": str, "model": str, "item": str}
        table = pd.read_csv(
            folder / TABLE,
            sep="\t",
            dtype=text,
            keep_default_na=False,
            na_values={"x": [""], "value": [""]},
        )
        return cls(arrays, table)


def by_measure(
    rows: pd.DataFrame,
    *,
    index: str,
    columns: str,
    headings: Mapping[str, str],
    main: str,
    name: Callable[[str], str] = str,
) -> dict[str, Any]:
    """Columns in the order of `headings`, and a row per item, the main one marked; empty if there
    are no rows."""
    if rows.empty:
        return {}
    wide = rows.pivot_table(index=index, columns=columns, values="value", sort=False)
    shown = [measure for measure in headings if measure in wide]
    return {
        "columns": [headings[measure] for measure in shown],
        "rows": [
            {"name": name(str(item)), "cells": list(row), "main": item == main}
            for item, row in wide[shown].iterrows()
        ],
    }
