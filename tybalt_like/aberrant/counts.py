"""Which matrices are counts, and which of their genes can be tested."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tybalt_like.aberrant.statistics import Floats
from tybalt_like.core.errors import DataError
from tybalt_like.pp.sameness import same_profiles
from tybalt_like.pp.transforms.median_of_ratios import MedianOfRatios
from tybalt_like.report.words import listed

if TYPE_CHECKING:
    from anndata import AnnData

MIN_SAMPLES = 10
"""Fewer cannot show what varies and how much."""
FEW_SAMPLES = 40
"""Fewer are tested with a warning."""


def checked_counts(adata: AnnData) -> Floats:
    """The matrix in double precision, (n, g).

    Raises
    ------
    DataError
        Names the first sample and gene whose value is missing or no whole number of at least 0,
        or a gene or sample that occurs twice.
    """
    for names, what in ((adata.var_names, "gene"), (adata.obs_names, "sample")):
        twice = names[names.duplicated()]
        if len(twice):
            raise DataError(f"{what} {twice[0]!r} occurs more than once; make the names unique")
    x = adata.X if isinstance(adata.X, np.ndarray) else adata.X.toarray()
    x_ng = np.asarray(x, dtype=np.float64)
    bad_ng = ~((x_ng >= 0) & (x_ng == np.floor(x_ng)))
    if bad_ng.any():
        row, column = np.argwhere(bad_ng)[0]
        where = f"sample {adata.obs_names[row]}, gene {adata.var_names[column]}"
        value = x_ng[row, column]
        if np.isnan(value):
            raise DataError(f"{where}: the count is missing; remove the gene or the sample")
        raise DataError(
            f"{where}: {value:g} is not a count ({bad_ng.mean():.1%} of the values are not whole "
            "numbers of at least 0); give raw counts, and round estimated ones (RSEM, salmon)"
        )
    empty_n = ~x_ng.any(axis=1)
    if empty_n.any():
        raise DataError(f"sample {adata.obs_names[empty_n][0]} has no counts at all; remove it")
    return x_ng


def expressed(x_ng: Floats, *, min_count: int) -> NDArray[np.bool_]:
    """Genes with at least `min_count` counts in at least half of the samples, (g,).

    Raises
    ------
    DataError
        If fewer than 10 genes remain.
    """
    kept_g = np.asarray((x_ng >= min_count).mean(axis=0) >= 0.5)
    if kept_g.sum() < 10:
        raise DataError(
            f"only {kept_g.sum()} of {len(kept_g):,} genes have at least {min_count} counts in "
            "half of the samples, too few to learn from; lower --min-count or check the matrix"
        )
    return kept_g


def size_reference(x_ng: Floats, *, say: Callable[[str], None]) -> MedianOfRatios:
    """What size factors of samples are read off: the median over genes of the ratio to the gene's
    geometric mean. Where every gene has a zero somewhere, positive counts make up the mean (the
    root is still that of the number of samples) and the ratios, as DESeq2's ``poscounts`` do.
    """
    if (x_ng > 0).all(axis=0).any():
        return MedianOfRatios.fit([x_ng])
    say("every gene has a sample without counts: size factors are those of the positive counts")
    log_ng = np.zeros_like(x_ng)
    np.log(x_ng, out=log_ng, where=x_ng > 0)
    mean_g = np.exp(log_ng.mean(axis=0))
    log_n = np.log(MedianOfRatios(mean_g).size_factors(x_ng))
    return MedianOfRatios(mean_g * np.exp(log_n.mean()))


def warnings(x_ng: Floats, samples: list[str]) -> list[str]:
    """What a user should know about the samples of a cohort, as sentences."""
    said = []
    if len(x_ng) < FEW_SAMPLES:
        said.append(
            f"{len(x_ng)} samples are few: hidden factors and noise are uncertain, and only large "
            "effects can be significant"
        )
    for rows in same_profiles(x_ng):
        names = listed([samples[row] for row in rows])
        said.append(
            f"samples {names} are the same: each hides what is aberrant in the others; keep one"
        )
    return said
