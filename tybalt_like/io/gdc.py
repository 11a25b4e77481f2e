"""What the Genomic Data Commons says of the files that it hands out: whose they are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tybalt_like.core.errors import DataError
from tybalt_like.io.layout import decoded
from tybalt_like.io.source import Source

_FILE, _SAMPLE = "File Name", "Sample ID"
_OF_NO_SAMPLE = (_FILE, "Data Category", "Data Type")


@dataclass(frozen=True)
class Described:
    """Names of the samples in the files, what else is known of them, and what was understood."""

    names: list[str]
    data: pd.DataFrame
    notes: list[str]


def described(folder: Path, files: Sequence[Path]) -> Described | None:
    """By a sample sheet (``gdc_sample_sheet*.tsv``) or the metadata of a cart
    (``metadata.cart*.json``) in the folder or beside it; None if there is none of these files."""
    for place in (folder, folder.resolve().parent):
        for pattern, read in (("*sample_sheet*.tsv", _sheet), ("metadata*.json", _cart)):
            for path in sorted(place.glob(pattern)):
                known = read(path)
                rows = [known.get(file.name.removesuffix(".gz")) for file in files]
                if any(rows):
                    return _described(path, files, rows)
    return None


def _described(
    path: Path, files: Sequence[Path], rows: Sequence[dict[str, str] | None]
) -> Described:
    times: dict[str, int] = {}
    names, repeated = [], []
    for file, row in zip(files, rows, strict=True):
        name = row[_SAMPLE] if row else file.name.partition(".")[0]
        times[name] = times.get(name, 0) + 1
        if times[name] > 1:
            name = f"{name}_{times[name]}"
            repeated.append(name)
        names.append(name)
    data = pd.DataFrame([row or {} for row in rows], dtype=object)
    n = sum(row is not None for row in rows)
    notes = [f"samples are called by {path.name}, which knows {n} of {len(files)} files"]
    if repeated:
        shown = ", ".join(repeated[:5]) + (", ..." if len(repeated) > 5 else "")
        notes.append(f"further files of a sample, numbered: {len(repeated)} ({shown})")
    return Described(names, data.drop(columns=list(_OF_NO_SAMPLE), errors="ignore"), notes)


def _sheet(path: Path) -> dict[str, dict[str, str]]:
    lines = [line for block in Source(path).blocks() for line in block.splitlines()]
    header, *rows = (decoded(line).split("\t") for line in lines)
    if _FILE not in header or _SAMPLE not in header:
        return {}
    cells = [dict(zip(header, row, strict=False)) for row in rows]
    return {row[_FILE].removesuffix(".gz"): row for row in cells if row.get(_SAMPLE)}


def _cart(path: Path) -> dict[str, dict[str, str]]:
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
        return {row[_FILE].removesuffix(".gz"): row for row in map(_of_cart, listed)}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{path}: not the metadata of a GDC cart ({error!r}); remove it") from None


def _of_cart(entry: dict[str, Any]) -> dict[str, str]:
    of_sample = entry["associated_entities"][0]
    row = {_FILE: str(entry["file_name"]), _SAMPLE: str(of_sample["entity_submitter_id"])}
    return row | {"Case UUID": str(of_sample.get("case_id", ""))}
