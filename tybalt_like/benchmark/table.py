"""Measurements over seeds: kept while they are made, and printed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from tybalt_like.core.files import write_text


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


def keep(tables: Sequence[pd.DataFrame], file: Path | None) -> None:
    """Write all rows measured so far as JSON, whole or not at all; nothing without a file."""
    if file is None:
        return
    write_text(file, pd.concat(tables).to_json(orient="records", indent=1))
