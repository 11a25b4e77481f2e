"""Measurements over seeds: kept while they are made, and printed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from tybalt_like.core.errors import DataError
from tybalt_like.io import write_table

NUMBERS = (
    *("value", "minus_pca", "auroc", "auroc_low", "auroc_high", "auprc", "ahead", "ahead_error"),
    *("p_10", "p_05", "p_01", "power_10", "power_05", "false_10", "false_05"),
    *("nominal", "smallest", "p_001", "any_10", "any_05", "planted"),
    *("seconds", "prevalence"),
    *("asked", "draw", "k", "n_samples", "lowest", "limit", "size", "unexplained", "few_genes"),
    *("p_0001", "any", "first_10", "first_50", "set_1", "set_2"),
    *(f"{what}_{size}_{n}" for what in ("power", "false") for size in (6, 8) for n in (5, 50)),
    *("level", "flagged", "p_05_recentred", "p_10_recentred", "auroc_before", "se"),
)
"""Columns in which nothing means that nothing was measured."""


def print_table(title: str, rows: Mapping[str, Iterable[str]], columns: Iterable[str]) -> None:
    """A titled table of ready cells, the names of the rows in front."""
    table = Table(title=title, title_justify="left")
    table.add_column("", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right")
    for name, cells in rows.items():
        table.add_row(name, *cells)
    Console(width=max(140, Console().width)).print(table)


def mean_sd(values: Iterable[float]) -> str:
    """``mean ± SD``; only the number if there is one, nothing if there is none."""
    known = np.array([value for value in values if not np.isnan(value)])
    if len(known) == 0:
        return ""
    spread = f" ± {known.std(ddof=1):.3f}" if len(known) > 1 else ""
    return f"{known.mean():.3f}{spread}"


class Kept:
    """Rows that are measured part by part, written after each, and not measured again.

    Parameters
    ----------
    file
        TSV (``.tsv.gz``: compressed) that is read and written; None keeps nothing.
    key
        Columns that tell parts apart.
    """

    def __init__(self, file: Path | None, key: Sequence[str]) -> None:
        self.file, self.key = file, list(key)
        self._tables: list[pd.DataFrame] = []
        self._parts: set[tuple[object, ...]] = set()
        if file and file.exists():
            self._take(read_rows(file))

    def _take(self, table: pd.DataFrame) -> None:
        self._tables.append(table)
        self._parts |= set(table[self.key].itertuples(index=False, name=None))

    def has(self, *part: object) -> bool:
        """Whether a part is there."""
        return part in self._parts

    def add(self, table: pd.DataFrame) -> None:
        """Add a part and write all, whole or not at all."""
        self._take(table)
        if self.file is not None:
            rows = self.rows()
            write_table(rows.set_index(rows.columns[0]), self.file)

    def rows(self) -> pd.DataFrame:
        """All parts; none is an error.

        Raises
        ------
        DataError
            If nothing was measured.
        """
        if not self._tables:
            raise DataError("none of the cohorts is on this machine; set TYBALT_LIKE_DATA")
        return pd.concat(self._tables, ignore_index=True)


def read_rows(file: Path) -> pd.DataFrame:
    """Rows that `Kept` wrote, to the last digit."""
    names = (
        *("label", "column", "remark", "case", "anomaly", "detector", "encoder", "dataset"),
        *("group", "half", "what"),
    )
    return pd.read_csv(
        file,
        sep="\t",
        dtype=dict.fromkeys(names, str),
        keep_default_na=False,
        na_values={name: [""] for name in NUMBERS},
        float_precision="round_trip",
    )
