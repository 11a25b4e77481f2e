"""Sex by the genes of the X inactivation and of the Y chromosome, beside the recorded one: a sample
that looks otherwise was probably swapped."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like.core.messages import some
from tybalt_like.genes import align
from tybalt_like.genes.sex_genes import X_GENES, Y_GENES
from tybalt_like.pp.matrix import Floats, row_chunks
from tybalt_like.pp.scale import FAMILY, Scale

if TYPE_CHECKING:
    from anndata import AnnData

COLUMNS = ("sex", "gender")
"""Words in the name of a column that records the sex."""
APART, WITHIN = 2.0, 4.0
"""There are two groups if their means are as many log2 units apart, and as many standard deviations
of either."""
LEAST_Y = 2
"""Genes of the Y without which nothing is said."""
FEMALE, MALE = "female", "male"


@dataclass(frozen=True)
class Sexes:
    """What the genes say.

    Attributes
    ----------
    looks_n
        ``"female"``, ``"male"``, or ``""`` where X and Y genes do not tell the same.
    genes
        Those that were used.
    column, recorded_n
        The sample column that records the sex and what it says, in the same words; None and empty
        texts if there is none.
    """

    looks_n: NDArray[np.object_]
    genes: tuple[str, ...]
    column: str | None
    recorded_n: NDArray[np.object_]

    @property
    def finding(self) -> str:
        """What the genes say, in a sentence."""
        times = {sex: int((self.looks_n == sex).sum()) for sex in (FEMALE, MALE, "")}
        unclear = f", {times['']} unclear" if times[""] else ""
        return f"sex by {some(self.genes, 4)}: {times[FEMALE]} female, {times[MALE]} male{unclear}"

    @property
    def contradicted_n(self) -> NDArray[np.bool_]:
        """Whether the genes tell another sex than the sample column."""
        either_n = (self.looks_n != "") & (self.recorded_n != "")
        return np.asarray(either_n & (self.looks_n != self.recorded_n))

    def doubts(self, names: Sequence[str]) -> list[str]:
        """A sentence on samples that look otherwise than they are recorded, if there are any."""
        either_n = (self.looks_n != "") & (self.recorded_n != "")
        rows = np.flatnonzero(self.contradicted_n)
        if not len(rows):
            return []
        named = some([f"{names[int(row)]} looks {self.looks_n[row]}" for row in rows], 10)
        return [
            f"samples whose genes contradict column {self.column!r}: {len(rows)} of "
            f"{int(either_n.sum())} ({named}); swapped samples or a wrong entry"
        ]


def sexes(adata: AnnData, *, scale: Scale) -> Sexes | None:
    """The sex of every sample, if the genes allow it: two or more of the Y, which are high in some
    samples and low in others. Where XIST divides the samples too, both must tell the same.

    Parameters
    ----------
    adata
        As read.
    scale
        Of its values (`inspect`).
    """
    return SexGenes.of(adata).sexes(scale)


@dataclass(frozen=True)
class SexGenes:
    """What tells the sex of some samples, to be joined with that of others.

    Attributes
    ----------
    genes
        Those of the X and the Y that the matrix has.
    value_ng, total_n
        Their values as read, and the sum of all genes of each sample.
    column, recorded_n
        As in `Sexes`.
    """

    genes: tuple[str, ...]
    value_ng: Floats
    total_n: Floats
    column: str | None
    recorded_n: NDArray[np.object_]

    @classmethod
    def of(cls, adata: AnnData) -> Self:
        """Look at every sample once."""
        wanted = (*X_GENES, *Y_GENES)
        columns = [found[0] if found else -1 for found in align(adata, wanted).columns]
        genes = [gene for gene, at in zip(wanted, columns, strict=True) if at >= 0]
        places = [at for at in columns if at >= 0]
        values, totals = [np.empty((0, len(places)))], [np.empty(0)]
        if np.isin(genes, Y_GENES).sum() >= LEAST_Y:
            for x_ng in row_chunks(adata):
                values.append(np.nan_to_num(x_ng[:, places]))
                totals.append(np.nansum(np.maximum(x_ng, 0), axis=1))
        column, recorded_n = _recorded(adata.obs)
        return cls(tuple(genes), np.concatenate(values), np.concatenate(totals), column, recorded_n)

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """That of all samples, from those of parts of them."""
        return cls(
            parts[0].genes,
            np.concatenate([part.value_ng for part in parts]),
            np.concatenate([part.total_n for part in parts]),
            next((part.column for part in parts if part.column), None),
            np.concatenate([part.recorded_n for part in parts]),
        )

    def sexes(self, scale: Scale) -> Sexes | None:
        """See `sexes`, of these samples."""
        of_y = np.isin(self.genes, Y_GENES)
        if of_y.sum() < LEAST_Y:
            return None
        value_ng = self._logged(scale)
        high_y_n = _is_high(value_ng[:, of_y].mean(1))
        high_x_n = None if of_y.all() else _is_high(value_ng[:, ~of_y].mean(1))
        if high_y_n is None:
            return None
        looks_n, genes = np.where(high_y_n, MALE, FEMALE).astype(object), self.genes
        if high_x_n is None:
            genes = tuple(gene for gene in genes if gene in Y_GENES)
        else:
            looks_n[high_x_n == high_y_n] = ""
        return Sexes(looks_n, genes, self.column, self.recorded_n)

    def _logged(self, scale: Scale) -> Floats:
        """Values on a logarithmic scale, or on that of the matrix if it is no linear one."""
        if FAMILY[scale] in ("counts", "linear"):
            total_n1 = np.maximum(self.total_n, 1e-12)[:, None]
            return np.asarray(np.log2(1 + np.maximum(self.value_ng, 0) / total_n1 * 1e6))
        if FAMILY[scale] == "unit":
            return np.asarray(self.value_ng / np.maximum(self.value_ng.std(0), 1e-12))
        return self.value_ng


def _is_high(value_n: Floats) -> NDArray[np.bool_] | None:
    """Which samples are in the upper of two groups, cut where they vary least (Otsu 1979); None if
    there are no two."""
    if len(value_n) < 2:
        return None
    order, n = np.sort(value_n), len(value_n)
    low_n = np.arange(1, n)
    total_n = np.cumsum(order)
    low, high = total_n[:-1] / low_n, (total_n[-1] - total_n[:-1]) / (n - low_n)
    at = int(np.argmax(low_n * (n - low_n) * (high - low) ** 2)) + 1
    apart = float(high[at - 1] - low[at - 1])
    within = max(order[:at].std(), order[at:].std())
    if apart < max(APART, WITHIN * within):
        return None
    return np.asarray(value_n >= order[at])


def _recorded(obs: pd.DataFrame) -> tuple[str | None, NDArray[np.object_]]:
    """The column that records the sex, and what it says in our words."""
    for column in obs.columns:
        if not set(re.split(r"[^a-z]+", str(column).lower())) & set(COLUMNS):
            continue
        text_n = obs[column].astype(object).map(str, na_action="ignore")
        recorded_n = text_n.map(_word, na_action="ignore").fillna("").to_numpy(object)
        if set(recorded_n) & {FEMALE, MALE}:
            return str(column), recorded_n
    return None, np.full(len(obs), "", dtype=object)


def _word(value: str) -> str:
    word = value.strip().lower()
    if word in ("f", "female", "woman", "girl", "w"):
        return FEMALE
    return MALE if word in ("m", "male", "man", "boy") else ""
