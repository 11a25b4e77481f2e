"""Names and texts without characters that break lines or turn the direction of what follows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from anndata import AnnData

_BREAKING = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
"""Control characters: line breaks, tabs, the bell."""
_UNSEEN = re.compile("[\u061c\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
"""Marks of no width, among them those that write what follows from right to left."""


def make_plain(adata: AnnData) -> list[str]:
    """Clean the names and the texts of samples and genes; what was changed, in words."""
    notes = []
    for what, axis in (("sample", "obs"), ("gene", "var")):
        frame: pd.DataFrame = getattr(adata, axis)
        names = _changed(map(str, frame.index))
        if names:
            setattr(adata, f"{axis}_names", [plain(str(name)) for name in frame.index])
            notes.append(_said(f"{what} names", names))
        titles = _changed(map(str, frame.columns))
        texts = {c: found for c in frame.columns if (found := _changed(_texts(frame[c])))}
        if titles or texts:
            clean = frame.copy()
            for column in texts:
                clean[column] = frame[column].map(_plain_cell, na_action="ignore")
            setattr(adata, axis, clean.rename(columns=lambda column: plain(str(column))))
            notes.append(_said(f"texts about {what}s", [*titles, *chain(*texts.values())]))
    return notes


def plain(text: str) -> str:
    """A blank for control characters, nothing for marks that cannot be seen."""
    return _UNSEEN.sub("", _BREAKING.sub(" ", text)).strip() if _is_odd(text) else text


def _is_odd(text: str) -> bool:
    return _BREAKING.search(text) is not None or _UNSEEN.search(text) is not None


def _plain_cell(cell: Any) -> Any:
    return plain(cell) if isinstance(cell, str) else cell


def _changed(texts: Iterable[str]) -> list[str]:
    return [text for text in texts if _is_odd(text)]


def _texts(column: pd.Series[Any]) -> list[str]:
    if pd.api.types.is_numeric_dtype(column.dtype):
        return []
    return [cell for cell in column.unique() if isinstance(cell, str)]


def _said(what: str, texts: list[str]) -> str:
    shown = ", ".join(plain(text)[:40] for text in texts[:3]) + (", ..." if len(texts) > 3 else "")
    return f"{what} with line breaks or unseen characters, cleaned: {len(texts)} ({shown})"
