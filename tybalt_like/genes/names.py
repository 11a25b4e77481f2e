"""Gene names as files hold them, and what they were before a spreadsheet or a pipeline got them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_VERSION = re.compile(r"(ENS[A-Z]{0,4}[GTP]\d{11})\.\d+(_PAR_Y)?")
_WITH_ENTREZ = re.compile(r"(\S+)\|(\d+)")
_DAY_MONTH = re.compile(r"(?P<n>\d{1,2})-(?P<month>mar|sep|sept|dec)", re.IGNORECASE)
_MONTH_DAY = re.compile(r"(?P<month>mar|sep|sept|dec)-(?P<n>\d{1,2})", re.IGNORECASE)
_ISO_DATE = re.compile(r"\d{4}-(?P<month>03|09|12)-(?P<n>\d{2})(?: 00:00:00)?")
_MONTH = "jan|feb|mar|apr|may|jun|jul|aug|sept?|oct|nov|dec"
_ANY_DATE = re.compile(
    rf"\d{{1,2}}-({_MONTH})(-\d{{2,4}})?|({_MONTH})-\d{{1,2}}|\d{{1,2}}/\d{{1,2}}/\d{{2,4}}"
    r"|\d{4}-\d{2}-\d{2}( 00:00:00)?",
    re.IGNORECASE,
)
# What annotations write where they know no gene, and the numbers that make such names unique.
_PLACEHOLDER = re.compile(
    r"(unknown|unnamed|unassigned|unmapped|undefined|not[ _.]?(available|found|assigned)"
    r"|null|none|nan|n[./]?a|[-?.*]+)([-_.|]\d+)?",
    re.IGNORECASE,
)

_MONTHS = {"mar": "mar", "sep": "sep", "sept": "sep", "dec": "dec"} | {
    "03": "mar",
    "09": "sep",
    "12": "dec",
}
# Genes that Excel takes for a date: the symbol of today, the one that was typed.
_MARCHF = {n: (f"MARCHF{n}", f"MARCH{n}") for n in range(1, 12)}
_MTARC = {n: (f"MTARC{n}", f"MARC{n}") for n in (1, 2)}
_SEPTIN = {n: (f"SEPTIN{n}", f"SEPT{n}") for n in (*range(1, 13), 14)}
_SELENOF = {15: ("SELENOF", "SEP15")}
_DELEC = {1: ("DELEC1", "DEC1")}
_DAMAGED = {"mar": (_MARCHF, _MTARC), "sep": (_SEPTIN, _SELENOF), "dec": (_DELEC,)}
RENAMED = {
    typed: today
    for families in _DAMAGED.values()
    for family in families
    for today, typed in family.values()
}
"""Symbols that were given up in 2020 because spreadsheets take them for dates -> those of today."""


@dataclass(frozen=True)
class Cleaned:
    """Names after cleaning, in the same order, and what was changed, in words."""

    names: tuple[str, ...]
    notes: tuple[str, ...]


def clean(names: Iterable[str]) -> Cleaned:
    """Strip what files add to gene names, and repair what spreadsheets did to them.

    - blanks and quotes around a name;
    - version suffixes of Ensembl ids: ``ENSG00000141510.18``;
    - ``symbol|entrez`` becomes the symbol, or the Entrez id where the symbol is ``?`` or stands
      for several genes (``SLC35E2|9906``, ``SLC35E2|728661``);
    - dates, as Excel writes MARCH1, SEPT2 and DEC1 (``1-Mar``, ``Sep-02``, ``2001-12-01``),
      become today's symbols MARCHF1, SEPTIN2, DELEC1. ``1-Mar`` and ``2-Mar`` can also have been
      MARC1 and MARC2: they are repaired only if the other names leave one possibility, or if they
      occur once and neither gene is named elsewhere (then they are MARCHF, the better known).
    """
    raw = [str(name) for name in names]
    notes: list[str] = []
    found = [name.strip().strip("\"'").strip() for name in raw]
    _tell(notes, "blanks or quotes around gene names, removed", raw, found)
    unversioned = [_unversioned(name) for name in found]
    _tell(notes, "version suffixes of Ensembl ids, removed", found, unversioned)
    single = _without_entrez(unversioned)
    _tell(notes, "gene names of the form symbol|entrez, split", unversioned, single)
    repaired, unclear = _undated(single)
    _tell(notes, "gene names damaged by a spreadsheet, repaired", single, repaired)
    if unclear:
        which = ", ".join(unclear)
        notes.append(f"gene names that are dates and can stand for several genes, left: {which}")
    return Cleaned(tuple(repaired), tuple(notes))


def dates(names: Iterable[str]) -> list[str]:
    """Names that are dates, as spreadsheets make of MARCH1, SEPT2 or OCT4."""
    return [name for name in names if _ANY_DATE.fullmatch(name.strip())]


def is_placeholder(name: str) -> bool:
    """Whether a name says that the gene has none: ``---``, ``NA.1``, ``unknown_90288``."""
    return _PLACEHOLDER.fullmatch(name) is not None


def _tell(notes: list[str], what: str, before: Sequence[str], after: Sequence[str]) -> None:
    changed = [f"{a} -> {b}" for a, b in zip(before, after, strict=True) if a != b]
    if changed:
        shown = ", ".join(changed[:5]) + (", ..." if len(changed) > 5 else "")
        notes.append(f"{what}: {len(changed):,} ({shown})")


def _unversioned(name: str) -> str:
    match = _VERSION.fullmatch(name)
    return match[1] + (match[2] or "") if match else name


def _without_entrez(names: Sequence[str]) -> list[str]:
    split = [_WITH_ENTREZ.fullmatch(name) for name in names]
    times = Counter(match[1] for match in {m[0]: m for m in split if m}.values())
    return [
        name if m is None else m[2] if m[1] == "?" or times[m[1]] > 1 else m[1]
        for name, m in zip(names, split, strict=True)
    ]


def _undated(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names with dates repaired, and the dates that could not be."""
    known, times = set(names), Counter(names)
    repaired, unclear = list(names), dict[str, None]()
    for i, name in enumerate(names):
        genes = _dated(name)
        free = [today for today, typed in genes if not known & {today, typed}]
        if len(genes) == 1 or (free and times[name] == 1):
            repaired[i] = (free or [genes[0][0]])[0]
        elif genes:
            unclear[name] = None
    return repaired, list(unclear)


def _dated(name: str) -> list[tuple[str, str]]:
    """Genes that a date can have been, as (symbol of today, symbol as typed)."""
    for pattern in (_DAY_MONTH, _MONTH_DAY, _ISO_DATE):
        if match := pattern.fullmatch(name):
            families = _DAMAGED[_MONTHS[match["month"].lower()]]
            n = int(match["n"])
            return [family[n] for family in families if n in family]
    return []
