"""On which scale expression values are, judged from the values alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tybalt_like.pp.matrix import Floats

Scale = Literal["counts", "linear", "raw_intensity", "log2", "log_ratio", "z_scored", "zero_one"]

FAMILY: dict[Scale, str] = {
    "counts": "counts",
    "linear": "linear",
    "raw_intensity": "linear",
    "log2": "logged",
    "log_ratio": "logged",
    "z_scored": "logged",
    "zero_one": "unit",
}
"""Scales that a few new samples can be mistaken for within a family, but not across."""

LOG_CEILING = 30.0
"""No logarithm of an expression value is this large: it would stand for a billion reads. One value
in a thousand may be, by mistake, and all values of one gene in fifty (`FEW`)."""
SKEWED = 8.0
"""Times the median; of logged values, one in a hundred hardly ever exceeds 5 times the median."""
FEW = 0.02
"""Genes, as a share, that do not decide what the scale is: columns of another kind among them."""


@dataclass(frozen=True)
class Detected:
    """A scale, and what speaks for it in words."""

    scale: Scale
    evidence: str


def detect(x_ng: Floats, *, extremes: tuple[float, float] | None = None) -> Detected:
    """Judge the scale of a matrix.

    Parameters
    ----------
    x_ng
        Some samples with all their genes; missing and infinite values are left out.
    extremes
        Smallest and largest value of the whole matrix, if known.
    """
    finite = x_ng[np.isfinite(x_ng)]
    if not finite.size:
        return Detected("log2", "no finite value")
    low, high = extremes or (float(finite.min()), float(finite.max()))
    if low < 0:
        return _with_negatives(x_ng, finite, low, high)
    return _without_negatives(x_ng, finite, low, high)


def _is_large(x_ng: Floats) -> bool:
    """Whether some values are too large for logarithms: of more than a few genes, or where large
    values of the other genes are much larger than typical ones."""
    size_ng = np.where(np.isfinite(x_ng), np.abs(x_ng), 0)
    if size_ng.max() <= LOG_CEILING:
        return False
    if np.quantile(size_ng[size_ng > 0], 0.999) <= LOG_CEILING:
        return False
    rest = _of_most_genes(size_ng)
    typical, large = np.quantile(rest, [0.5, 0.99])
    return bool(rest.max() > LOG_CEILING or large > SKEWED * typical)


def _of_most_genes(x_ng: Floats) -> Floats:
    """The positive values of all but the few genes that have the highest."""
    high_g = x_ng.max(0, initial=0, where=np.isfinite(x_ng))
    rest_ng = x_ng[:, high_g <= np.quantile(high_g[high_g > 0], 1 - FEW)]
    return rest_ng[(rest_ng > 0) & np.isfinite(rest_ng)]


def _without_negatives(x_ng: Floats, finite: Floats, low: float, high: float) -> Detected:
    if (finite == np.rint(finite)).all():
        return Detected("counts", f"whole numbers from {low:.0f} to {high:.0f}")
    positive = finite[finite > 0]
    typical, large = np.quantile(_of_most_genes(x_ng), [0.5, 0.99])
    if _is_large(x_ng):
        whole = float(np.mean(positive == np.rint(positive)))
        if whole > 0.3:  # expected counts of RSEM and salmon
            return Detected("counts", f"{whole:.0%} of the values are whole, up to {high:.6g}")
        return Detected("linear", f"no negative value, fractions, up to {high:.6g}")
    if large > 20 * typical and high > 2:
        return Detected(
            "linear",
            f"long tail: median {typical:.3g}, 99 % quantile {large:.3g}, up to {high:.3g}",
        )
    if high <= 1:
        return Detected("zero_one", f"all values between {low:.3g} and {high:.3g}")
    return Detected("log2", f"values from {low:.3g} to {high:.3g}, median {np.median(finite):.3g}")


def _with_negatives(x_ng: Floats, finite: Floats, low: float, high: float) -> Detected:
    middle = float(np.median(finite))
    share = f"{np.mean(finite < 0):.1%} negative"
    if _is_large(x_ng):
        return Detected("raw_intensity", f"{share}, from {low:.6g} to {high:.6g}")
    known_ng = x_ng[:, np.isfinite(x_ng).all(0)]
    if known_ng.shape[1] and len(known_ng) > 1:
        mean_g, sd_g = known_ng.mean(0), known_ng.std(0)
        typical, between = float(np.median(sd_g[sd_g > 0])), float(mean_g.std())
        if _standardised(mean_g, sd_g[sd_g > 0], len(known_ng)):
            return Detected("z_scored", f"genes have mean 0 and standard deviation {typical:.2f}")
        if between < 1.5 * typical and abs(middle) < 1:
            return Detected(
                "log_ratio",
                f"{share}, all genes around 0 (means differ by {between:.2g}, "
                f"samples of a gene by {typical:.2g})",
            )
    return Detected("log2", f"{share}, from {low:.3g} to {high:.3g}, median {middle:.3g}")


def _standardised(mean_g: Floats, sd_g: Floats, n: int) -> bool:
    """Mean 0 and standard deviation 1 in most genes, within the error of n samples."""
    if n < 8:
        return False
    error = 0.1 + 1.5 / np.sqrt(n)
    low, high = np.quantile(sd_g, [0.25, 0.75])
    return bool(np.median(np.abs(mean_g)) < error and 1 - error < low <= high < 1 + error)
