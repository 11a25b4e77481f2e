"""Which columns of the sample table can be predicted at all."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MIN_PER_CLASS = 5
"""A class with fewer samples cannot be in every part of a five-fold cross-validation."""
MAX_CLASSES = 40
"""More classes are names, not groups; the pan-cancer atlas has 33 cancer types."""
UNKNOWN = frozenset(
    {
        *("", "nan", "na", "n/a", "none", "--", "unknown", "not reported", "not available"),
        *("[not available]", "[unknown]", "[not applicable]", "[discrepancy]"),
    }
)
"""Words, in lower case, for a value that is not known; those of TCGA are among them."""


@dataclass(frozen=True)
class Labels:
    """One way to group samples.

    Attributes
    ----------
    column
        Name in the sample table.
    classes
        Values with at least `MIN_PER_CLASS` samples, sorted.
    code_n
        Number of every sample's class, -1 for samples without one.
    """

    column: str
    classes: tuple[str, ...]
    code_n: NDArray[np.intp]

    @property
    def known_n(self) -> NDArray[np.bool_]:
        """Samples that have a class."""
        return self.code_n >= 0

    @property
    def n(self) -> int:
        return int(self.known_n.sum())

    def same_grouping(self, other: Labels) -> bool:
        """Whether both put the same samples together, under whatever names."""
        return np.array_equal(pd.factorize(self.code_n)[0], pd.factorize(other.code_n)[0]) and (
            np.array_equal(self.known_n, other.known_n)
        )


def grouped(values: pd.Series, group_n: NDArray[np.intp] | None = None) -> Labels:
    """The classes of a column that are large enough; there may be none.

    With groups of samples that stay together, classes of a single one do not count: whoever has
    not seen it cannot know them.

    Examples
    --------
    >>> import pandas as pd
    >>> from tybalt_like import evaluation
    >>> column = pd.Series(["basal"] * 5 + ["luminal"] * 7 + ["NA"], name="pam50")
    >>> evaluation.grouped(column).classes
    ('basal', 'luminal')
    """
    text = values.astype(str).str.strip()
    text = text.where(values.notna() & ~text.str.lower().isin(UNKNOWN))
    counts = text.value_counts()
    classes = set(counts.index[counts >= MIN_PER_CLASS])
    if group_n is not None:
        n_groups = pd.Series(group_n).groupby(text.to_numpy()).nunique()
        classes &= set(n_groups.index[n_groups > 1])
    names = sorted(classes)
    return Labels(str(values.name), tuple(names), pd.Index(names).get_indexer(text))


def label_columns(
    obs: pd.DataFrame,
    *,
    leave_out: Collection[str] = (),
    group_n: NDArray[np.intp] | None = None,
) -> tuple[list[Labels], list[str]]:
    """The columns that name between 2 and `MAX_CLASSES` groups of these samples.

    Left out are fractions and other numbers with many values, names of single samples, columns
    that group the samples as an earlier one does, and samples of classes with fewer than
    `MIN_PER_CLASS` or of one group only (`grouped`).

    Returns
    -------
    tuple
        The columns, and sentences on what was left out of them.
    """
    found: list[Labels] = []
    notes: list[str] = []
    rare: list[str] = []
    for name in obs.columns.difference(list(leave_out), sort=False):
        if _is_measurement(obs[name]):
            continue
        labels = grouped(obs[name], group_n)
        twin = next((other.column for other in found if labels.same_grouping(other)), None)
        if not 2 <= len(labels.classes) <= MAX_CLASSES:
            continue
        if twin is not None:
            notes.append(f"{name} groups the samples as {twin} does")
            continue
        found.append(labels)
        n_rare = int(obs[name].notna().sum()) - labels.n
        if n_rare:
            rare.append(f"{name} ({n_rare})")
    if rare:
        notes.append(
            f"samples of unknown or rare classes (fewer than {MIN_PER_CLASS} samples"
            f"{'' if group_n is None else ', or one group'}) are left out of {', '.join(rare)}"
        )
    return found, notes


def _is_measurement(values: pd.Series) -> bool:
    """True for numbers that are not a few whole ones."""
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        return False
    known = values.dropna()
    return bool((known % 1 != 0).any()) or known.nunique() > MAX_CLASSES
