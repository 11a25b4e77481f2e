"""Who was followed for how long, and what ended it: two columns of a sample table, checked."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like.core.errors import DataError
from tybalt_like.core.messages import some
from tybalt_like.evaluation.labels import UNKNOWN

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

MIN_EVENTS = 10
"""Fewer events do not carry one coefficient (Peduzzi et al., J Clin Epidemiol 1995)."""
HAPPENED = frozenset(
    {
        *("1", "1.0", "true", "t", "yes", "y", "event", "dead", "deceased", "died", "death"),
        *("relapse", "relapsed", "recurrence", "recurred", "progression", "progressed"),
    }
)
"""Words, in lower case, for an event that was seen."""
CENSORED = frozenset(
    {
        *("0", "0.0", "false", "f", "no", "n", "no event", "censored", "alive", "living"),
        *("disease free", "disease-free", "no relapse", "no recurrence", "no progression"),
    }
)
"""Words for a follow-up that ended without one."""
UNITS = {"day": "days", "week": "weeks", "month": "months", "mo": "months"}
UNITS |= {"year": "years", "yr": "years"}
_UNIT = re.compile(r"(?:^|[^a-z])(day|week|month|mo|year|yr)s?(?:$|[^a-z])")


@dataclass(frozen=True)
class FollowUp:
    """Times and events of samples.

    Attributes
    ----------
    time_n
        Until the event or the end of the follow-up; NaN where that, or the event, is not known.
    event_n
        Whether the event was seen; False where nothing is known.
    unit
        ``"days"``, ``"weeks"``, ``"months"``, ``"years"``, or empty where the column's name does
        not say it.
    notes
        Sentences on samples that are left out.
    """

    time_n: Array
    event_n: Mask
    unit: str = ""
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, obs: pd.DataFrame, *, time: str, event: str) -> FollowUp:
        """Read the columns `time` and `event` of a sample table.

        Events may be 0 and 1, True and False, or words such as ``dead`` and ``alive``
        (`HAPPENED`, `CENSORED`); of cBioPortal's ``1:DECEASED`` the number decides.

        Raises
        ------
        DataError
            If a column does not exist, an entry is no time or cannot be understood, a time is
            below 0, only samples with an event have a time, or fewer than `MIN_EVENTS` are left.
        """
        for column in (time, event):
            if column not in obs:
                raise DataError(
                    f"there is no sample column {column!r}; columns: {some(_names(obs), 12)}"
                )
        names = np.asarray(obs.index, dtype=str)
        time_n, happened_n = _times(obs[time], names), _events(obs[event])
        known_n = np.isfinite(time_n) & np.isfinite(happened_n)
        event_n = known_n & (happened_n == 1)
        without_time_n = np.isnan(time_n) & (happened_n == 0)
        if known_n.any() and event_n[known_n].all() and without_time_n.any():
            raise DataError(
                f"{time!r} is missing in all {without_time_n.sum()} samples without the event: "
                "these need the time until they were last seen, in the same column"
            )
        if event_n.sum() < MIN_EVENTS:
            raise DataError(
                f"{event_n.sum()} events with a time in {event!r} and {time!r}; at least "
                f"{MIN_EVENTS} are needed"
            )
        notes = []
        if len(unknown := list(names[~known_n])):
            left_out = f"{len(unknown)} samples without {time} or {event} are left out"
            notes.append(f"{left_out}: {some(unknown)}")
        return cls(np.where(known_n, time_n, np.nan), event_n, _unit(time), tuple(notes))

    @property
    def known_n(self) -> Mask:
        """Samples of which time and event are known."""
        return np.isfinite(self.time_n)

    def __getitem__(self, rows: Mask | NDArray[np.intp]) -> FollowUp:
        return FollowUp(self.time_n[rows], self.event_n[rows], self.unit)


def _names(obs: pd.DataFrame) -> list[str]:
    return [str(name) for name in obs.columns] or ["none"]


def _missing(values: pd.Series) -> Mask:
    text = values.astype(str).str.strip().str.lower()
    return np.asarray(values.isna() | text.isin(UNKNOWN))


def _times(values: pd.Series, names: NDArray[np.str_]) -> Array:
    missing_n = _missing(values)
    numbers = pd.to_numeric(values.astype(object), errors="coerce")
    time_n: Array = numbers.astype(float).to_numpy().astype(np.float64, copy=True)
    time_n[missing_n] = np.nan
    wrong_n = ~missing_n & ~np.isfinite(time_n)
    if wrong_n.any():
        at = int(np.argmax(wrong_n))
        raise DataError(
            f"{values.name!r} of sample {names[at]} is {str(values.iloc[at])!r}, which is no time"
        )
    if (time_n < 0).any():
        below = [f"{names[i]} ({time_n[i]:g})" for i in np.flatnonzero(time_n < 0)]
        raise DataError(
            f"{values.name!r} is below 0 in {some(below)}: correct these times or empty them"
        )
    return time_n


def _events(values: pd.Series) -> Array:
    """1 where the event was seen, 0 where not, NaN where that is not known."""
    text = values.astype(str).str.strip().str.lower().str.replace(r"^([01]):.*", r"\1", regex=True)
    happened_n = np.where(text.isin(HAPPENED), 1.0, np.where(text.isin(CENSORED), 0.0, np.nan))
    missing_n = _missing(values)
    unclear = sorted(set(values[~missing_n & np.isnan(happened_n)].astype(str)))
    if unclear:
        found = sorted(set(values[~missing_n].astype(str)))
        raise DataError(
            f"{values.name!r} holds {some(found)}: which of them is the event is unclear; write 1 "
            "for the event and 0 for none"
        )
    return np.asarray(np.where(missing_n, np.nan, happened_n))


def _unit(name: str) -> str:
    found = _UNIT.search(name.lower().replace("_", " "))
    return UNITS[found[1]] if found else ""
