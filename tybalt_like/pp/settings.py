"""The settings of a normalisation: the recipe's table ``[normalize]``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from tybalt_like.errors import RecipeError
from tybalt_like.settings import checked


@dataclass(frozen=True)
class Normalisation:
    """How expression values become a model's input.

    Parameters
    ----------
    log
        ``"auto"`` takes log2(x + 1) of counts and other linear values and leaves logged ones
        alone; ``"yes"`` insists, and refuses values that are logged already; ``"no"`` never.
    n_genes
        Keep at most this many genes, those that vary most; None keeps all. 5,000 in Tybalt.
    select
        What "vary" means: mean absolute deviation from the mean (Tybalt's code), median absolute
        deviation from the median (Tybalt's paper), or variance.
    scale
        ``"zero_one"``: each gene's training range becomes [0, 1], new samples are clipped into
        it (as ADAGE's projector); ``"zscore"``: training mean 0 and standard deviation 1.
    max_missing
        Refuse new samples that lack more than this share of the genes.
    """

    log: Literal["auto", "yes", "no"] = "auto"
    n_genes: int | None = 5000
    select: Literal["mean_ad", "median_ad", "variance"] = "mean_ad"
    scale: Literal["zero_one", "zscore", "none"] = "zero_one"
    max_missing: float = 0.10

    def __post_init__(self) -> None:
        if self.n_genes is not None and self.n_genes < 1:
            raise RecipeError(f"normalize.n_genes is {self.n_genes}; it must be at least 1")
        if not 0 <= self.max_missing < 1:
            raise RecipeError(
                f"normalize.max_missing is {self.max_missing}; it must be from 0 to below 1"
            )

    @classmethod
    def configure(cls, **table: Any) -> Normalisation:
        """Checked settings.

        Raises
        ------
        RecipeError
            Names the unknown key or the value that does not fit.
        """
        return checked(cls, table, where="normalize")
