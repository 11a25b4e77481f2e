"""Fits with several numbers of factors, averaged; p-values for the cohort and for new samples.

A cohort's own samples and new ones are not alike, as the fit has seen the first: each have their
own noise and tails. Those of new samples come from parts of the cohort that are left out in turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from tybalt_like.aberrant.low_rank import CLIP, LowRank, Residuals, robust_sd, winsorised_rms
from tybalt_like.aberrant.statistics import Floats
from tybalt_like.aberrant.tails import Tail, Tails

SHARES = (0.6, 0.8, 1.0, 1.3, 1.6)
"""Numbers of factors that are averaged over, relative to the best guess."""
FOLDS = 5


class Judged(NamedTuple):
    """Residuals in units of their noise, logarithms of expected counts at the size factor 1, and
    two-sided p-values, (n, g) each."""

    t_ng: Floats
    expected_ng: Floats
    p_ng: Floats


@dataclass(frozen=True)
class Ensemble:
    """Fits to one cohort.

    Attributes
    ----------
    fits
        One for each of `SHARES`.
    spread_g
        Noise of the averaged residuals of new samples.
    own, new
        Tails of the cohort's own residuals, and of those of new samples.
    """

    fits: tuple[LowRank, ...]
    spread_g: Floats
    own: Tails
    new: Tails

    @classmethod
    def fit(
        cls, log_ng: Floats, design_nc: Floats, *, rank: int | None = None, seed: int = 0
    ) -> tuple[Self, Judged]:
        """Learn from a cohort and judge its own samples; arguments as of `LowRank.fit`."""
        fits, own = _fitted(log_ng, design_nc, rank=rank)
        t_ng = own.t_ng / _noise(own.t_ng)
        tails = Tails.fit(t_ng)
        new_ng = _left_out(log_ng, design_nc, fits, rank=rank, seed=seed)
        spread_g = _noise(new_ng)
        new_ng /= spread_g
        # A residual has a share in the noise that it is divided by; a new one will have none.
        n = len(log_ng)
        new_ng *= np.sqrt((n - 1) / np.maximum(n - new_ng.clip(-CLIP, CLIP) ** 2, 1))
        fitted = cls(fits, spread_g, tails, Tails.fit(new_ng))
        return fitted, Judged(t_ng, own.expected_ng, tails.p_values(t_ng))

    @property
    def n_factors(self) -> int:
        """The best guess."""
        return len(self.fits[SHARES.index(1.0)].axes_kg)

    def judge(self, log_ng: Floats, design_nc: Floats) -> Judged:
        """Judge new samples, each by itself; genes that are NaN in all of them stay NaN."""
        known_g = np.asarray(~np.isnan(log_ng).all(axis=0))
        log_ng = log_ng[:, known_g]
        parts = [fit.only(known_g) for fit in self.fits]
        found = _averaged([part.residuals(log_ng, design_nc, part.noise_g) for part in parts])
        t_ng = found.t_ng / self.spread_g[known_g]
        all_ng = np.full((3, len(log_ng), len(known_g)), np.nan)
        all_ng[:, :, known_g] = t_ng, found.expected_ng, self.new.p_values(t_ng)
        return Judged(*all_ng)

    def arrays(self) -> dict[str, Floats]:
        """To be saved."""
        flat = {
            f"{name}.{i}": a for i, fit in enumerate(self.fits) for name, a in vars(fit).items()
        }
        tails = {"own": np.array(self.own), "new": np.array(self.new)}
        return flat | {"spread_g": self.spread_g} | tails

    @classmethod
    def from_arrays(cls, arrays: dict[str, Floats]) -> Self:
        """What `arrays` gave."""
        fits = tuple(
            LowRank(**{name: arrays[f"{name}.{i}"] for name in LowRank.__dataclass_fields__})
            for i in range(len(SHARES))
        )
        own, new = (
            Tails(*(Tail(*map(float, pair)) for pair in arrays[of])) for of in ("own", "new")
        )
        return cls(fits, arrays["spread_g"], own, new)


def in_cohort(log_ng: Floats, design_nc: Floats, *, rank: int | None = None) -> Judged:
    """A cohort's own samples, without a fit to keep."""
    found = _fitted(log_ng, design_nc, rank=rank)[1]
    t_ng = found.t_ng / _noise(found.t_ng)
    return Judged(t_ng, found.expected_ng, Tails.fit(t_ng).p_values(t_ng))


def _fitted(
    log_ng: Floats, design_nc: Floats, *, rank: int | None
) -> tuple[tuple[LowRank, ...], Residuals]:
    fits, found = zip(
        *(LowRank.fit(log_ng, design_nc, share=share, rank=rank) for share in SHARES), strict=True
    )
    return fits, _averaged(found)


def _left_out(
    log_ng: Floats, design_nc: Floats, fits: tuple[LowRank, ...], *, rank: int | None, seed: int
) -> Floats:
    """Averaged residuals of samples by fits without them, in units of the whole cohort's noise."""
    fold_n = np.random.default_rng(seed).permutation(len(log_ng)) % FOLDS
    t_ng = np.zeros_like(log_ng)
    for fold in range(FOLDS):
        out_n = fold_n == fold
        for share, whole in zip(SHARES, fits, strict=True):
            part = LowRank.fit(log_ng[~out_n], design_nc[~out_n], share=share, rank=rank)[0]
            found = part.residuals(log_ng[out_n], design_nc[out_n], whole.noise_g)
            t_ng[out_n] += found.t_ng / len(SHARES)
    return t_ng


def _averaged(found: Sequence[Residuals]) -> Residuals:
    return Residuals(*(sum(each) / len(found) for each in zip(*found, strict=True)))


def _noise(t_ng: Floats) -> Floats:
    """Of each gene, (g,)."""
    return winsorised_rms(t_ng, CLIP * robust_sd(t_ng, axis=0), axis=0)
