"""How far residuals usually are from zero: an empirical null, pooled over genes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from tybalt_like.anomaly.outputs import AT_ONCE, Array, floored

LEAST_SCALE = 0.05
"""Smallest scale of a gene, as a share of the median gene's."""
NORMAL = float(np.sqrt(np.pi / 2))
"""Standard deviation over mean absolute deviation of a normal distribution."""
EFFICIENCY = 1 / (np.pi - 2)
"""Of the mean absolute deviation as an estimate of scale, in degrees of freedom (Fisher 1920)."""
LEAST_KNOWN = 3
"""Reference samples with the gene, without which its residuals are not pooled."""
MOST_POOLED = 1000
"""Reference samples whose residuals are pooled; more change nothing."""
TAIL, LEAST_IN_TAIL, MOST_IN_TAIL = 0.001, 200, 5000
"""Share of the pooled residuals that the tail of either sign is fitted to, and how many."""
HEAVIEST = 0.5
"""Largest shape of a tail: that of Student's t with two degrees of freedom."""
LEAST_EXCESS = 1e-9
"""Of residuals that are all alike."""
KNOTS = 400
"""Quantiles that stand for the pooled residuals below the tail."""
PARTS = 5
"""Of the reference, each of which is compared with the others."""
LEAST_P = 1e-300
"""Whose logarithm is still a number."""
LEVEL, ORDINARY = 0.05, 0.03
"""Of adjusted p-values, and the share of the reference samples that may have any gene there: less
than it, because reference samples share batches and replicates that new ones do not."""


@dataclass(frozen=True)
class Tail:
    """Chances to reach a value: by order statistics, and beyond the last by a generalised Pareto
    distribution (Pickands 1975), fitted by probability-weighted moments (Hosking & Wallis 1987).

    Attributes
    ----------
    value_q, log_chance_q
        Quantiles in ascending order, and the logarithm of the chance to reach each.
    shape, scale
        Of the Pareto distribution, which begins at the last quantile.
    power
        That values are raised to before all this.
    """

    value_q: Array
    log_chance_q: Array
    shape: Array
    scale: Array
    power: Array = field(default_factory=lambda: np.array(1.0))

    @classmethod
    def fit(cls, value_m: Array, *, df: float, power: float = 1.0) -> Self:
        """Learn from a pooled sample of at least two values.

        Parameters
        ----------
        df
            Degrees of freedom of the scales that the values were divided by: Student's t with as
            many is the lightest tail that they can have.
        power
            2 makes the tail of a normal distribution nearly exponential, so that tails as light
            are not taken for heavier ones.
        """
        value_m = np.sort(_raised(value_m, power))
        m = len(value_m)
        k = int(np.clip(TAIL * m, min(LEAST_IN_TAIL, -(-m // 10)), MOST_IN_TAIL))
        # How many values are at least as large as each knot, in falling numbers down to k + 1.
        count_q = np.unique(np.geomspace(k + 1, m, KNOTS).astype(np.intp))[::-1]
        excess_k = value_m[m - k :] - value_m[m - k - 1]
        mean = float(excess_k.mean())
        weighted = float((excess_k * (k - 0.65 - np.arange(k)) / k).mean())
        heavy = 2 - mean / (mean - 2 * weighted) if mean > 2 * weighted else 0.0
        shape = float(np.clip(heavy, min(1 / df, HEAVIEST), HEAVIEST))
        return cls(
            value_q=value_m[m - count_q],
            log_chance_q=np.log((count_q + 1) / (m + 1)).clip(max=0.0),
            shape=np.array(shape),
            scale=np.array(max(mean * (1 - shape), LEAST_EXCESS)),
            power=np.array(power),
        )

    def chance(self, value_ng: Array) -> Array:
        """To be at least as large."""
        value_ng = _raised(value_ng, float(self.power))
        beyond_ng = np.maximum(value_ng - self.value_q[-1], 0.0) / self.scale
        if self.shape > 0:
            beyond_ng = np.log1p(self.shape * beyond_ng) / self.shape
        log_ng = np.interp(value_ng, self.value_q, self.log_chance_q) - beyond_ng
        return np.asarray(np.exp(log_ng))

    def as_seen(self, seen: _Seen) -> Self:
        """With the chances that left-out samples have."""
        log_chance_q = np.log(seen(2 * np.exp(self.log_chance_q)) / 2)
        shape, scale = (np.asarray(seen.stretch * value) for value in (self.shape, self.scale))
        return replace(self, log_chance_q=log_chance_q, shape=shape, scale=scale)


@dataclass(frozen=True)
class ResidualNull:
    """What residuals look like in samples that nothing was learned from.

    Every gene (or set of genes) has a centre and a scale. Standardised by these, all share one
    distribution, pooled over genes and samples (an empirical null, Efron 2004), with a smooth tail
    for either sign: residuals of expression have far heavier tails than any normal distribution.
    Reference samples are standardised by the other ones, as new samples are by all. What the tails
    say is read off once more among reference samples that they were not fitted to (prepivoting,
    Beran, JASA 83:687, 1988): genes that are far off mostly are so together, in a few samples,
    which hide behind themselves where they are among those that the tails are fitted to.

    The scale is the mean absolute deviation, which a few reference samples that are strange in a
    gene move less than they do the standard deviation; moderated as variances are in limma
    (Smyth 2004): a few samples say little about one gene, but thousands of genes say how scales
    scatter.

    Attributes
    ----------
    mean_g, scale_g
        Centre, and scale in terms of standard deviations.
    n_g
        Reference samples that these are known from.
    up, down
        Tails of the pooled z and of -z.
    widening
        Of adjusted p-values (`adjusted`).
    """

    mean_g: Array
    scale_g: Array
    n_g: Array
    up: Tail
    down: Tail
    widening: Array

    @classmethod
    def fit(
        cls,
        residual_cg: Array,
        *,
        chosen_cg: NDArray[np.bool_] | None = None,
        power: float = 1.0,
    ) -> Self:
        """Learn from held-out samples; NaN where a gene was not measured.

        Parameters
        ----------
        chosen_cg
            Whether a gene would have been looked at without the sample. Only such residuals are
            pooled: genes are chosen because they vary, that is, because some samples are far off.
        power
            See `Tail.fit`.
        """
        standard = _Standard.fit(residual_cg)
        rows = np.linspace(0, len(residual_cg) - 1, min(len(residual_cg), MOST_POOLED)).astype(int)
        z_rg = standard.left_out(residual_cg[rows])
        if chosen_cg is not None:
            z_rg[~chosen_cg[rows]] = np.nan
        how = {"df": max(len(residual_cg) - 2, 1), "power": power}
        up, down = _tails(z_rg, **how)
        p_rg = _p_of_others(z_rg, **how)
        seen = _Seen.fit(p_rg[~np.isnan(z_rg)], 2 * np.exp(up.log_chance_q))
        return cls(
            mean_g=standard.mean_g,
            scale_g=standard.scale_g,
            n_g=standard.n_g.astype(np.float64),
            up=up.as_seen(seen),
            down=down.as_seen(seen),
            widening=np.array(_widening(seen(p_rg))),
        )

    @staticmethod
    def left_out_z(residual_cg: Array) -> Array:
        """`z` of the samples that a null is fitted to, each standardised by the other ones."""
        return _Standard.fit(residual_cg).left_out(residual_cg)

    def z(self, residual_ng: Array) -> Array:
        """Residuals of new samples, standardised, (n, g).

        What to expect is itself known from `n_g` samples only, hence the factor ``1 + 1 / n``.
        """
        sd_g = self.scale_g * np.sqrt(1 + 1 / np.maximum(self.n_g, 1))
        return np.asarray((residual_ng - self.mean_g) / sd_g)

    def p_values(self, z_ng: Array) -> Array:
        """Two-sided: twice the chance to be as far out on the same side."""
        return _p_values(z_ng, self.up, self.down)

    def normal_scores(self, z_ng: Array) -> Array:
        """z with the tails of a normal distribution, (n, g): as rare as `z_ng` is here."""
        from scipy.special import ndtri

        return np.asarray(-np.sign(z_ng) * ndtri(np.maximum(self.p_values(z_ng), LEAST_P) / 2))

    def adjusted(self, p_ng: Array, weight_g: Array | None = None) -> Array:
        """p-values corrected for the genes of a sample, (n, g).

        Benjamini & Hochberg (1995), times a factor with which, among the reference samples, at
        most 3 % have a gene at 0.05: 1 where genes depend on each other as little as the
        procedure assumes, at most that of Benjamini & Yekutieli (2001), which always holds.

        Parameters
        ----------
        weight_g
            Prior weights with a mean of 1, by which p-values are divided first (Genovese, Roeder &
            Wasserman 2006); the error rate stays what it is.
        """
        from scipy.stats import false_discovery_control

        weighted_ng = p_ng if weight_g is None else np.minimum(p_ng / weight_g, 1.0)
        by_genes_ng = false_discovery_control(weighted_ng, axis=1)
        return np.asarray(np.minimum(self.widening * by_genes_ng, 1.0))

    def arrays(self) -> dict[str, Array]:
        """All that is to be saved."""
        flat = asdict(self)
        for side in ("up", "down"):
            flat |= {f"{side}.{name}": array for name, array in flat.pop(side).items()}
        return flat

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Self:
        """From what `arrays` gave."""
        of: dict[str, dict[str, Array]] = {"": {}, "up": {}, "down": {}}
        for key, array in arrays.items():
            side, _, name = key.rpartition(".")
            of[side][name] = array
        return cls(up=Tail(**of["up"]), down=Tail(**of["down"]), **of[""])


@dataclass(frozen=True)
class _Standard:
    """Centres and scales of genes, with all reference samples and without one."""

    mean_g: Array
    apart_g: Array
    n_g: NDArray[np.int64]
    moderated: _Moderated

    @classmethod
    def fit(cls, residual_cg: Array) -> Self:
        known_cg = ~np.isnan(residual_cg)
        n_g = known_cg.sum(0)
        mean_g = residual_cg.sum(0, where=known_cg) / np.maximum(n_g, 1)
        off_cg = residual_cg - mean_g
        apart_g = np.abs(off_cg, out=off_cg).sum(0, where=known_cg)
        raw_g = NORMAL * apart_g / np.maximum(n_g - 1, 1)
        return cls(mean_g, apart_g, n_g, _Moderated.fit(raw_g, len(residual_cg)))

    @property
    def scale_g(self) -> Array:
        return self.moderated(NORMAL * self.apart_g / np.maximum(self.n_g - 1, 1))

    def left_out(self, residual_rg: Array) -> Array:
        """Reference samples, each by the other ones; NaN where too few know the gene."""
        z_rg = np.where(self.n_g >= LEAST_KNOWN, residual_rg, np.nan)
        for some_rg in np.array_split(z_rg, max(1, z_rg.size // AT_ONCE)):  # parts of it
            some_rg[:] = self._left_out(some_rg)
        return z_rg

    def _left_out(self, residual_rg: Array) -> Array:
        others_g = np.maximum(self.n_g - 1, 1)
        mean_rg = (self.n_g * self.mean_g - residual_rg) / others_g
        apart_rg = (self.apart_g - np.abs(residual_rg - self.mean_g)) / np.maximum(self.n_g - 2, 1)
        z_rg = (residual_rg - mean_rg) / self.moderated(NORMAL * apart_rg)
        return np.asarray(z_rg / np.sqrt(1 + 1 / others_g))


@dataclass(frozen=True)
class _Moderated:
    """Scales drawn towards the typical one; the more alike the genes are, the more."""

    weight: float
    typical: float
    least: float

    @classmethod
    def fit(cls, scale_g: Array, n: int) -> Self:
        """How far, from the scatter of the scales of `n` samples (Smyth 2004)."""
        df = EFFICIENCY * max(n - 1, 1)
        scale_g = floored(scale_g, share=LEAST_SCALE)
        prior_df, typical = _prior(np.square(scale_g), df)
        weight = 1.0 if np.isinf(prior_df) else prior_df / (prior_df + df)
        return cls(weight, typical, float(scale_g.min()))

    def __call__(self, scale_ng: Array) -> Array:
        own_ng = np.square(np.maximum(scale_ng, self.least))
        return np.asarray(np.sqrt(self.weight * self.typical + (1 - self.weight) * own_ng))


@dataclass(frozen=True)
class _Seen:
    """How often samples reach a p-value that was read off others.

    Attributes
    ----------
    log_p_q, log_seen_q
        p-values in descending order, and the share of left-out samples that reach each.
    stretch
        Of the logarithm of smaller ones.
    """

    log_p_q: Array
    log_seen_q: Array
    stretch: float

    @classmethod
    def fit(cls, p_m: Array, p_q: Array) -> Self:
        """Learn from p-values of left-out samples, at the descending p-values `p_q`."""
        p_m, p_q = np.sort(np.maximum(p_m, LEAST_P)), np.minimum(p_q, 1.0)
        count_q = np.searchsorted(p_m, p_q, side="right")
        smaller_k = p_m[: np.searchsorted(p_m, p_q[-1])]
        stretch = float(np.log(p_q[-1] / smaller_k).mean()) if len(smaller_k) else 1.0
        return cls(np.log(p_q), np.log((count_q + 1) / (len(p_m) + 1)), max(stretch, 1.0))

    def __call__(self, p_ng: Array) -> Array:
        log_ng = np.log(np.maximum(p_ng, LEAST_P))
        seen_ng = np.interp(log_ng, self.log_p_q[::-1], self.log_seen_q[::-1])
        smaller_ng = np.minimum(log_ng - self.log_p_q[-1], 0.0) / self.stretch
        return np.asarray(np.exp(seen_ng + smaller_ng))


def _raised(value_ng: Array, power: float) -> Array:
    return value_ng if power == 1 else np.asarray(np.sign(value_ng) * np.abs(value_ng) ** power)


def _tails(z_rg: Array, *, df: float, power: float) -> tuple[Tail, Tail]:
    """Of z and of -z, pooled; NaN where there is none."""
    pooled_m = z_rg[~np.isnan(z_rg)]
    if len(pooled_m) < 2:  # too few samples to say anything: nothing will be strange
        pooled_m = np.zeros(2)
    up, down = (Tail.fit(sign * pooled_m, df=df, power=power) for sign in (1, -1))
    return up, down


def _p_values(z_ng: Array, up: Tail, down: Tail) -> Array:
    """Two-sided."""
    chance_ng = np.where(z_ng > 0, up.chance(z_ng), down.chance(-z_ng))
    return np.asarray(np.minimum(2 * chance_ng, 1.0))


def _p_of_others(z_rg: Array, *, df: float, power: float) -> Array:
    """p-values of the reference samples by the tails of other ones, as for new samples."""
    p_rg = np.ones_like(z_rg)
    part_r = np.arange(len(z_rg)) % PARTS
    for part in np.unique(part_r):
        z_ng = z_rg[part_r == part]
        p_ng = _p_values(z_ng, *_tails(z_rg[part_r != part], df=df, power=power))
        p_rg[part_r == part] = np.where(np.isnan(z_ng), 1.0, p_ng)
    return p_rg


def _widening(p_cg: Array) -> float:
    """The factor of `ResidualNull.adjusted`; without enough samples, the largest."""
    n, n_genes = p_cg.shape
    rank_g = np.arange(1, n_genes + 1)
    harmonic = float((1 / rank_g).sum())
    allowed = int(ORDINARY * (n + 1))
    if allowed < 1:
        return harmonic
    least_c = np.sort((np.sort(p_cg, axis=1) * n_genes / rank_g).min(1))
    return float(np.clip(LEVEL / least_c[allowed - 1], 1.0, harmonic))


def _prior(variance_g: Array, df: float) -> tuple[float, float]:
    """Degrees of freedom and scale of the distribution that the genes' variances come from.

    By the moments of their logarithms (Smyth 2004, section 6.2): half the degrees of freedom is
    where the trigamma function takes the variance that sampling does not explain.
    """
    from scipy.optimize import brentq
    from scipy.special import digamma, polygamma

    log_g = np.log(variance_g) - digamma(df / 2) + np.log(df / 2)
    excess = float(log_g.var(ddof=1) - polygamma(1, df / 2)) if len(log_g) > 1 else 0.0
    if excess <= polygamma(1, 1e6):
        return float("inf"), float(np.exp(log_g.mean()))
    half = np.exp(brentq(lambda x: float(polygamma(1, np.exp(x))) - excess, -20, 15))
    return float(2 * half), float(np.exp(log_g.mean() + digamma(half) - np.log(half)))
