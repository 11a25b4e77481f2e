"""The settings of a normalisation: the recipe's table ``[normalize]``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tybalt_like.core.errors import RecipeError
from tybalt_like.core.settings import checked, table
from tybalt_like.pp import transforms as _transforms  # noqa: F401 - all are registered
from tybalt_like.pp.columns import Duplicates
from tybalt_like.pp.scale import Scale
from tybalt_like.pp.transforms.base import Transform


@table("normalize")
@dataclass(frozen=True)
class Normalisation:
    """How expression values become a model's input, step by step, in this order.

    Parameters
    ----------
    units
        Scale of the values as read; ``"auto"`` finds out, and every other value overrules it.
    duplicates
        Several columns of one gene: take the one with the largest training mean, their mean, or
        the first, or refuse.
    library
        Counts only: ``"cpm"`` (what ``"auto"`` does), ``"median_of_ratios"`` (DESeq2), ``"tmm"``
        (edgeR) or ``"none"``.
    log
        ``"auto"`` takes log2(x + 1) of counts and other linear values and leaves logged ones
        alone; ``"yes"`` insists, and refuses values that are logged already; ``"log1p"`` is the
        same with the natural logarithm; ``"no"`` never.
    floor
        Before the logarithm, raise smaller values to this one and take log2(x) instead of
        log2(x + 1). None: 20 for raw array intensities, otherwise no floor.
    quantile
        Give every sample the mean distribution of the training samples.
    missing
        Missing values: refuse them, drop genes that have any in training, or fill in the training
        median or the mean of the five nearest training samples (``"knn"``).
    centre_by
        obs column of batches whose training means are made equal.
    genes
        Use these genes instead of those that vary most.
    n_genes
        Keep at most this many genes, those that vary most; None keeps all. 5,000 in Tybalt.
    keep
        Genes that are kept beside these, however little they vary.
    select
        What "vary" means: mean absolute deviation from the mean (Tybalt's code), median absolute
        deviation from the median (Tybalt's paper), variance, or, for counts, ``"dispersion"``: the
        variance beyond what the mean explains (Seurat v3, through scanpy). ``"all"`` keeps every
        column in its place, also those without variation, as images need it.
    scale
        ``"zero_one"``: each gene's training range becomes [0, 1], new samples are clipped into
        it (as ADAGE's projector); ``"zscore"``: training mean 0, standard deviation 1;
        ``"robust_z"``: the same with median and MAD; ``"inverse_normal"``: normal scores of the
        ranks among the training samples; ``"none"``.
    max_missing
        Refuse new samples that lack more than this share of the genes.
    """

    units: Scale | Literal["auto"] = "auto"
    duplicates: Duplicates = "max_mean"
    library: str = "auto"
    log: Literal["auto", "yes", "log1p", "no"] = "auto"
    floor: float | None = None
    quantile: bool = False
    missing: str = "refuse"
    centre_by: str | None = None
    genes: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    n_genes: int | None = 5000
    select: Literal["mean_ad", "median_ad", "variance", "dispersion", "all"] = "mean_ad"
    scale: str = "zero_one"
    max_missing: float = 0.10

    def __post_init__(self) -> None:
        self._one_of("library", ["auto", "none"])
        self._one_of("missing", ["refuse", "drop_genes", "median"])
        self._one_of("scale", ["none"])
        if self.n_genes is not None and self.n_genes < 1:
            raise RecipeError(f"normalize.n_genes is {self.n_genes}; it must be at least 1")
        if self.floor is not None and self.floor <= 0:
            raise RecipeError(f"normalize.floor is {self.floor}; it must be above 0")
        if not 0 <= self.max_missing < 1:
            raise RecipeError(
                f"normalize.max_missing is {self.max_missing}; it must be from 0 to below 1"
            )

    def _one_of(self, setting: str, others: Sequence[str]) -> None:
        known = [*others, *sorted(Transform.choices(setting))]
        if getattr(self, setting) not in known:
            raise RecipeError(
                f"normalize.{setting} is {getattr(self, setting)!r}; choose one of: "
                f"{', '.join(known)}"
            )

    @classmethod
    def configure(cls, **settings: Any) -> Normalisation:
        """Checked settings.

        Raises
        ------
        RecipeError
            Names the unknown key or the value that does not fit.
        """
        return checked(cls, settings, where="normalize")
