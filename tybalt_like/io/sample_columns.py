"""Numbers about samples that stand among the genes of a table, such as age and days of survival."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tybalt_like.core.errors import DataError
from tybalt_like.core.messages import some
from tybalt_like.io.grid import Grid, repeated_genes_allowed
from tybalt_like.io.orientation import GENE_ID, is_about_genes, well_known

if TYPE_CHECKING:
    from anndata import AnnData

_WORDS = """
    age aged sex gender ethnicity bmi weight height smoking smoker packyears menopause parity
    trimester pregnancy
    grade gleason stage staging karnofsky ecog node nodes tumor tumour metastasis
    metastases lesion lesions diameter invasion breslow ploidy purity cellularity tmb aneuploidy
    survival status event dead deceased death alive vital relapse relapsed recurrence progression
    outcome prognosis censored followup
    time timepoint date day days week weeks month months year years
    treatment treated therapy chemo dose concentration response responder passage
    batch plate lane centre center hospital site country rin purity storage ischemia ischaemia
    libsize library depth reads mapped coverage percent pct fraction total count counts umis
    feature features size factor factors genes ncounts ngenes mitochondrial duplication score
    doublet cluster louvain leiden
    patient subject donor individual replicate cohort diagnosis histology subtype phenotype
    label class target outlier
    hemoglobin haemoglobin leukocytes platelets neutrophils lymphocytes glucose cholesterol
    creatinine systolic diastolic temperature
"""
WORDS = frozenset(_WORDS.split())
"""Words of clinical and laboratory tables, none of them a human gene."""

_SHORT = "os pfs dfs rfs dss dfi pfi mfs"
SHORT = frozenset(_SHORT.split())
"""Kinds of survival, which are words only where something stands between them and others."""

_APART = re.compile(r"[^A-Za-z0-9]+")
_BETWEEN_WORDS = re.compile(r"[^A-Za-z0-9]+|(?<=[a-z])(?=[A-Z])")
_SHAPES = {
    "id": GENE_ID,
    "symbol": re.compile(r"[A-Z][A-Z0-9.@/-]*(orf\d+)?[A-Z0-9.-]*"),
    "title": re.compile(r"[A-Z][a-z0-9.-]*(Rik)?"),
}
"""How the genes of one table are named for the most part."""
ONE_SHAPE = 0.9
"""Share of the names that have it."""
FEW = 0.01
"""Columns, as a share, that can stand outside of what others hold by chance."""
MOST_COMPARED = 500
"""Genes that a column is compared with, evenly spread."""
SMALL = 20
"""Numeric columns of a sample table, at most."""

Floats = NDArray[np.float32]


def set_aside(adata: AnnData, name: str) -> tuple[AnnData, list[str]]:
    """Columns that are no genes become sample columns; and what was done, in words.

    A column is no gene if its name is made of words of clinical tables; or if it stands before
    all others or after them, is named otherwise than nine in ten of them, and holds other numbers:
    larger or smaller ones, or whole ones among fractions.

    Raises
    ------
    DataError
        If hardly any column is left, and none that is known to be a gene.
    """
    names = [str(name) for name in adata.var_names]
    times = Counter(names)
    chosen = [times[name] == 1 and is_clinical(name) for name in names]
    if not all(chosen):
        chosen = [a or b for a, b in zip(chosen, _at_an_end(adata, names, chosen), strict=True)]
    moved_g = np.array(chosen)
    if not moved_g.any():
        return adata, []
    moved = [name for name, is_moved in zip(names, chosen, strict=True) if is_moved]
    rest = len(names) - len(moved)
    if rest <= min(SMALL, len(moved)) and not _has_genes(names):
        raise _sample_table(name, f"{len(names)} columns of numbers, among them {some(moved, 10)}")
    obs = adata.obs.copy()
    for column, value_n in zip(moved, np.asarray(adata.X)[:, moved_g].T, strict=True):
        obs[column] = value_n.astype(np.float64)
    with repeated_genes_allowed():
        adata = adata[:, ~moved_g].copy()
        adata.obs = obs
    return adata, [f"numbers about samples, no genes, kept as sample columns: {some(moved, 10)}"]


def refuse_sample_table(grid: Grid, name: str) -> None:
    """Refuse a table with more columns of text than of numbers, and no gene.

    Raises
    ------
    DataError
        Says how many columns are text.
    """
    texts = [str(column) for column in grid.row_data.columns]
    if len(grid.columns) > min(SMALL, len(texts) + 1) or not texts:
        return
    if is_about_genes(grid.corner, texts) or any(map(_has_genes, (grid.rows, grid.columns))):
        return
    raise _sample_table(
        name, f"{len(grid.columns) + len(texts) + 1} columns, {len(texts) + 1} of them text"
    )


def _sample_table(name: str, why: str) -> DataError:
    return DataError(
        f"{name}: {why}: this looks like a sample table; give it as the sample table (--obs), and "
        "the expression matrix as the data"
    )


def is_clinical(name: str) -> bool:
    """Whether a name is made of words of clinical tables, as ``age_at_diagnosis`` is."""
    short = (part.lower() for part in _APART.split(name) if part.isupper() or part.islower())
    words = (part.lower() for part in _BETWEEN_WORDS.split(name))
    return not (WORDS.isdisjoint(words) and SHORT.isdisjoint(short))


def _has_genes(names: Sequence[str]) -> bool:
    shown = names[:1000]
    ids = sum(GENE_ID.match(name) is not None for name in shown)
    return 2 * ids > len(shown) or len(well_known(names)) >= 3


def _at_an_end(adata: AnnData, names: Sequence[str], chosen: Sequence[bool]) -> list[bool]:
    """Columns before or after all genes, with other names and other numbers."""
    shapes = [_shape(name) for name in names]
    usual, n = Counter(shapes).most_common(1)[0]
    found = [False] * len(names)
    if not usual or n < ONE_SHAPE * len(names):
        return found
    x_ng = np.asarray(adata.X)
    genes = [g for g, shape in enumerate(shapes) if shape == usual and not chosen[g]]
    genes = genes[:: max(1, len(genes) // MOST_COMPARED)]
    others = _Others(x_ng[:, genes])
    for order in (range(len(names)), range(len(names) - 1, -1, -1)):
        for g in order:
            if chosen[g]:
                continue
            if shapes[g] == usual or not others.are_unlike(x_ng[:, g]):
                break
            found[g] = True
    return found


def _shape(name: str) -> str:
    return next((shape for shape, pattern in _SHAPES.items() if pattern.fullmatch(name)), "")


class _Others:
    """What genes hold, to compare a column with."""

    def __init__(self, x_ng: Floats) -> None:
        self._x_ng = x_ng

    @cached_property
    def _middles(self) -> tuple[float, float]:
        """Between which the medians of nearly all genes lie, and half as far beyond."""
        middle_g = [np.median(known_n) for known_n in map(_known, self._x_ng.T) if known_n.size]
        low, high = np.quantile(middle_g, [FEW / 2, 1 - FEW / 2]) if middle_g else (-np.inf, np.inf)
        return low - (high - low) / 2, high + (high - low) / 2

    @cached_property
    def _whole(self) -> float:
        """Share of genes that hold whole numbers alone."""
        return float(np.mean([_is_whole(_known(column_n)) for column_n in self._x_ng.T]))

    def are_unlike(self, column_n: Floats) -> bool:
        known_n = _known(column_n)
        if not known_n.size or known_n.min() == known_n.max():
            return False
        low, high = self._middles
        if not low <= np.median(known_n) <= high:
            return True
        return self._whole < FEW if _is_whole(known_n) else self._whole > 1 - FEW


def _known(column_n: Floats) -> Floats:
    return column_n[np.isfinite(column_n)]


def _is_whole(known_n: Floats) -> bool:
    return bool((known_n == np.rint(known_n)).all())
