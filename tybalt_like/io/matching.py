"""Which row of a sample table belongs to which sample: by any column, of either side.

Ids are compared exactly first. Where that leaves samples without a row, one named difference of
spelling (`spelling.SPELLINGS`), or as few together as possible, is overcome if it makes pairs:
one sample, one row. Names of samples come before columns that the matrix carries beside them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import pandas as pd

from tybalt_like.io import spelling
from tybalt_like.io.layout import is_number
from tybalt_like.io.spelling import Spelling

Ids = dict[str, list[int]]
"""Where each id stands."""


class Clash(NamedTuple):
    """Ids of samples, or rows, that cannot be told apart."""

    samples: list[str]
    rows: list[int]


@dataclass(frozen=True)
class Key:
    """A column in which ids may stand.

    Parameters
    ----------
    frame
        The sample table, or what the matrix knows of its samples.
    column
        One of its columns.
    alike
        For each row the first one that says the same.
    """

    frame: pd.DataFrame
    column: str
    alike: Sequence[int]

    @cached_property
    def _all(self) -> Ids:
        return ids_of(self.frame[self.column])

    @cached_property
    def ids(self) -> Ids:
        """Rows of each id; cells without one are left out, and so are `repeats`."""
        if not self.repeats:
            return self._all
        found = self._all.items()
        return {id: [row for row in rows if row not in self.repeats] for id, rows in found}

    @cached_property
    def repeats(self) -> frozenset[int]:
        """Rows that say what another one says of the same id."""
        repeats = set[int]()
        for rows in self._all.values():
            seen = set[int]()
            for row in rows if len(rows) > 1 else ():
                if self.alike[row] in seen:
                    repeats.add(row)
                seen.add(self.alike[row])
        return frozenset(repeats)

    @cached_property
    def _spelled(self) -> dict[str, dict[str, list[str]]]:
        return {}

    def spelled(self, how: Spelling) -> dict[str, list[str]]:
        """The ids that are spelled alike."""
        if how.words not in self._spelled:
            self._spelled[how.words] = _by_spelling(self.ids, how)
        return self._spelled[how.words]


@dataclass(frozen=True)
class Match:
    """Rows for samples.

    Attributes
    ----------
    right
        Table and column where the ids were found.
    left
        Column of the matrix that they are compared with; None means the names of the samples.
    rows
        Row number for each sample, -1 where there is none.
    spelling
        The difference that was overcome, if any was.
    loose
        Sample and id of the table, where they differ.
    clash
        What stands in the way of this match.
    refused
        A match that would find more, but for its clash.
    """

    right: Key
    left: str | None
    rows: list[int]
    spelling: Spelling | None = None
    loose: tuple[tuple[str, str], ...] = ()
    clash: Clash | None = None
    refused: Match | None = None

    @cached_property
    def hits(self) -> int:
        """Samples that have a row."""
        return sum(row >= 0 for row in self.rows)


def ids_of(cells: Iterable[object]) -> Ids:
    """Where each id stands; missing cells have none."""
    known = pd.Series(list(cells), dtype=object).dropna().astype(str)
    ids: Ids = {}
    for i, cell in known[known != ""].items():
        ids.setdefault(cell, []).append(int(str(i)))
    return ids


def find(
    names: Sequence[str], carried: pd.DataFrame, keys: Sequence[Key], *, exactly: bool = False
) -> Match:
    """The match by which most samples have a row.

    Parameters
    ----------
    names
        Of the samples.
    carried
        What the matrix knows of them, in their order.
    keys
        Columns of the table.
    exactly
        Whether only equal ids count.

    Returns
    -------
    Match
        With a clash if the best one has one, and no rows if there is none.
    """
    n, half = len(names), min(len(names), len(keys[0].frame)) / 2
    best = _best(ids_of(names), None, n, keys, exactly=exactly)
    if best.hits >= half:
        return best
    for column in carried.columns:
        ids = ids_of(carried[column])
        if told := [key for key in keys if _may_mean(ids, str(column), key, n)]:
            found = _best(ids, str(column), n, told, exactly=exactly)
            if found.hits > best.hits and found.hits >= half and found.clash is None:
                best = found
    return best


def _may_mean(ids: Ids, column: str, key: Key, n: int) -> bool:
    """Whether a column beside the matrix may hold ids that stand in a column of the table: both
    have one name, or there are many texts in it. Numbers are too often equal by chance."""
    if column.casefold() == key.column.casefold():
        return True
    return 2 * len(ids) >= n and not all(map(is_number, ids))


def _best(ids: Ids, left: str | None, n: int, keys: Sequence[Key], *, exactly: bool) -> Match:
    """Equal ids if they find all samples, or as many as any spelling does; else the spelling that
    finds most. A clash counts only where nothing else finds half as many."""

    def tried(how: Spelling | None, among: Sequence[Key] = keys) -> list[Match]:
        open_ = (id for id in ids if any(id not in key.ids for key in among))
        mine = {} if how is None else _by_spelling(open_, how)
        return [_match(ids, left, n, key, how, mine) for key in among]

    found = tried(None)
    equal = max(one.hits for one in found)
    richer = [key for key in keys if len(key.ids) > equal]  # others cannot find more
    if not exactly and equal < n:
        for how in (*spelling.SPELLINGS, *spelling.barcodes(list(ids))):
            found += tried(how, keys if how.shared or left else richer)
            if any(one.hits == n and one.clash is None for one in found):
                break
        else:
            for most in sorted(tried(spelling.ALL, richer), key=_order)[-1:]:
                if most.hits > max(one.hits for one in found):
                    found += [one for how in spelling.several() for one in tried(how, [most.right])]
    clean = [one for one in found if one.clash is None]
    best = max(found, key=_order)
    other = max(clean, key=_order, default=best)
    exact_clash = best.clash is not None and best.spelling is None
    if exact_clash or 2 * other.hits < best.hits:
        return best
    return replace(other, refused=best) if best.hits > other.hits else other


def _order(match: Match) -> tuple[int, bool]:
    return match.hits, match.clash is None


def _match(
    ids: Ids, left: str | None, n: int, key: Key, how: Spelling | None, mine: dict[str, list[str]]
) -> Match:
    """Equal ids, and then those that are left and equal in some spelling."""
    theirs = {} if how is None else key.spelled(how)
    equal, alike = ids.keys() & key.ids.keys(), mine.keys() & theirs.keys()
    rows, clash, loose = [-1] * n, None, list[tuple[str, str]]()
    for id in sorted(equal, key=lambda id: key.ids[id]):
        found = key.ids[id]
        _put(rows, ids[id], found[0])
        if len(found) > 1 and clash is None:
            clash = Clash([id], found)
    for spelled in sorted(alike, key=lambda spelled: key.ids[theirs[spelled][0]]):
        ours = [id for id in mine[spelled] if id not in key.ids]
        others = [id for id in theirs[spelled] if id not in ids]
        if not ours or not others or how is None:
            continue
        found = [row for id in others for row in key.ids[id]]
        if clash is None and (len(found) > 1 or (len(ours) > 1 and not how.shared)):
            clash = Clash(ours, found)
        for id in ours:
            _put(rows, ids[id], found[0])
            loose.append((id, others[0]))
    return Match(key, left, rows, how, tuple(loose), clash)


def _put(rows: list[int], samples: Iterable[int], row: int) -> None:
    for sample in samples:
        rows[sample] = row


def _by_spelling(ids: Iterable[str], how: Spelling) -> dict[str, list[str]]:
    """The ids that are spelled alike; those of which nothing is left are like no other."""
    spelled: dict[str, list[str]] = {}
    for id in ids:
        spelled.setdefault(how.key(id) or id, []).append(id)
    return spelled


_COMPARED = 200
"""Ids of a column that are compared with a tenth as many samples, to find near ones."""


def nearest(names: Sequence[str], keys: Sequence[Key], most: int = 3) -> Iterator[str]:
    """Pairs of a name and an id of the table that are spelled alike, in words."""
    from difflib import get_close_matches

    shown = 0
    for key in keys:
        ids = list(key.ids)[:_COMPARED]
        if 2 * len(key.ids) < len(key.frame) or all(map(is_number, ids)):
            continue
        for name in names[: _COMPARED // 10]:
            if shown < most and (near := get_close_matches(name, ids, n=1, cutoff=0.7)):
                shown += 1
                yield f"{name!r} and {near[0]!r} of column {key.column!r}"
