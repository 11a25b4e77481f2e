"""Whether new samples come from where the reference does, so that their p-values hold.

A conformal p-value holds for samples that are exchangeable with the reference but for what makes
them strange. Another laboratory, platform or preparation moves every sample, and all of them look
strange (Leek et al., Nat Rev Genet 11:733, 2010). Two-sample tests find such shifts (Rabanser et
al., NeurIPS 2019), but a cohort of true anomalies differs from the reference as well. What a shift
does and most biology does not:

- it moves *every* sample, whereas among strange samples some are where the reference is;
- it moves most genes, and takes no notice of how they vary together: of programmes of genes, the
  principal axes of the reference explain most, of a shift next to nothing;
- a change of scale or normalisation moves genes by how strongly they are expressed.

The values alone cannot tell a shift from samples that are all of one wholly new kind (another
tissue), nor see a shift that follows known programmes, is confined to few genes, or lies beneath
samples that are all strange by more. The first is said to be undecidable; normal samples of the
same source, controls, decide it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from tybalt_like.anomaly.outputs import Array
from tybalt_like.anomaly.verdict import (
    ALL_ARE_FINE,
    ONE_IS_FINE,
    Displacement,
    Verdict,
    said_of_all,
    said_of_one,
)
from tybalt_like.core.errors import DataError

MIN_REFERENCE, MIN_CONTROLS = 12, 5
MAX_AXES, PER_AXIS = 40, 3
"""Principal axes of the reference, and samples for each of them, at least."""
MAX_LEARNING, MAX_HELD_OUT, MAX_QUERY = 1000, 100, 500
"""Samples that the axes are learned from, that say what is usual, and that are looked at."""
FALSE_ALARMS = 0.01
"""Share of queries exchangeable with the reference that count as displaced."""
LOWEST = 0.1
"""Every sample is displaced if this quantile of them is."""
SIZES = (1, 2, 3, 5, 8, 12, 20, 35, 60)
"""Numbers of samples for which it is resampled what is usual."""
DRAWS = 400


@dataclass(frozen=True)
class Domain:
    """What is usual among reference samples, to tell whether new ones are displaced as a whole.

    One part of the reference teaches mean, scale and principal axes; the residuals of the other
    part, which the axes have not seen, say what is usual.

    Attributes
    ----------
    reference_g
        Mean of all reference samples.
    mean_g, weight_g
        Mean and 1 / standard deviation of the learning part; 0 for genes that do not vary.
    axes_kg, variance_k
        Principal axes of standardised profiles, and the variance of held-out samples along them.
    residual_weight_g
        1 / root mean square of held-out residuals; 0 for genes that do not vary.
    held_out_mg
        Held-out residuals in these units.
    n_learning, n_reference
        Samples of the learning part and of both.
    limit_s
        For each number of samples in `SIZES`, the largest usual value of `Verdict.lowest`.
    """

    reference_g: Array
    mean_g: Array
    weight_g: Array
    axes_kg: NDArray[np.float32]
    variance_k: Array
    residual_weight_g: Array
    held_out_mg: NDArray[np.float32]
    n_learning: NDArray[np.int64]
    n_reference: NDArray[np.int64]
    limit_s: Array

    @classmethod
    def fit(cls, x_ng: NDArray[np.floating], *, seed: int = 0) -> Self:
        """Learn from the reference.

        Parameters
        ----------
        x_ng
            Profiles on a logarithmic scale, normalised, but neither scaled by gene nor clipped.
            The more genes that hardly vary, the better: they show a shift most clearly.
        seed
            Of the division into the two parts and of the resampling.

        Raises
        ------
        DataError
            If there are fewer than 12 samples, or no gene varies.
        """
        x_ng = np.asarray(x_ng, dtype=np.float64)
        n, rng = len(x_ng), np.random.default_rng(seed)
        if n < MIN_REFERENCE:
            raise DataError(
                f"{n} reference samples; whether new samples come from the same source needs at "
                f"least {MIN_REFERENCE}"
            )
        rows = rng.permutation(n)
        n_held = min(MAX_HELD_OUT, n // 2)
        held_mg, learning_ng = x_ng[rows[:n_held]], x_ng[rows[n_held:][:MAX_LEARNING]]
        mean_g, sd_g = learning_ng.mean(0), learning_ng.std(0)
        varies_g = sd_g > 1e-8 * max(1.0, float(np.abs(learning_ng).max(initial=0)))
        weight_g = np.divide(1, sd_g, out=np.zeros_like(sd_g), where=varies_g)
        axes_kg = _axes((learning_ng - mean_g) * weight_g)
        z_mg = (held_mg - mean_g) * weight_g
        along_mk = z_mg @ axes_kg.T
        e_mg = z_mg - along_mk @ axes_kg
        rms_g = np.sqrt(np.square(e_mg).mean(0))
        usable_g = varies_g & (rms_g > 1e-8)
        if not usable_g.any():
            raise DataError("no gene varies among the reference samples")
        residual_weight_g = np.divide(1, rms_g, out=np.zeros_like(rms_g), where=usable_g)
        held_out_mg = e_mg * residual_weight_g
        return cls(
            reference_g=x_ng.mean(0),
            mean_g=mean_g,
            weight_g=weight_g,
            axes_kg=axes_kg.astype(np.float32),
            variance_k=np.square(along_mk).mean(0),
            residual_weight_g=residual_weight_g,
            held_out_mg=held_out_mg.astype(np.float32),
            n_learning=np.array(len(learning_ng)),
            n_reference=np.array(n),
            limit_s=_limits(held_out_mg[:, usable_g], rng),
        )

    def arrays(self) -> Mapping[str, np.ndarray]:
        """The fields, to be saved; ``Domain(**arrays)`` is the way back."""
        return {name: np.array(value, order="C") for name, value in vars(self).items()}

    def check(
        self, query_ng: NDArray[np.floating], *, controls_kg: NDArray[np.floating] | None = None
    ) -> Verdict:
        """Whether p-values of new samples hold.

        Parameters
        ----------
        query_ng
            Samples on the scale of the reference, at least one.
        controls_kg
            Normal samples of the same source as `query_ng`. They decide: where they are like the
            reference, so is their source, however far the query is from it.

        Raises
        ------
        DataError
            If there are fewer than 5 controls.
        """
        if controls_kg is None:
            return self._judged(query_ng)
        check_controls(controls_kg)
        verdict = self._judged(controls_kg)
        k = len(controls_kg)
        said = f"{k} controls of the same source are like the reference"
        if verdict.outcome != "fine":
            said = f"{k} controls of the same source are displaced by {verdict.size:.2g} standard "
            said += "deviations in the typical gene"
        elif (more := self._noisier(controls_kg)) > 1:
            said = f"genes of {k} controls of the same source are {more:.2g} times as far off as "
            said += "those of the reference"
        else:
            return replace(verdict, sentence=said)
        return replace(verdict, outcome="shifted", sentence=f"{said}; p-values are read off them")

    def _noisier(self, controls_kg: NDArray[np.floating]) -> float:
        """How many times further off the typical gene is than among reference samples; 1 unless
        the ranks of all of them say so."""
        from scipy.stats import mannwhitneyu

        of_k, of_m = _typical(self._profiles(controls_kg)[1]), _typical(self._held_out())
        if mannwhitneyu(of_k, of_m, alternative="greater").pvalue > FALSE_ALARMS:
            return 1.0
        return float(np.median(of_k) / np.median(of_m))

    def _judged(self, query_ng: NDArray[np.floating]) -> Verdict:
        """The verdict without controls."""
        z_ng, e_ng = self._profiles(query_ng[looked_at(len(query_ng))])
        n = len(e_ng)
        limit = float(self.limit_s[np.searchsorted(SIZES, n, side="right") - 1])
        if n == 1:
            deviation = float(_typical(e_ng)[0])
            displacement = self._displacement(z_ng, e_ng)
            said = said_of_one(displacement) if deviation > limit else ONE_IS_FINE
            return Verdict(*said, n, deviation, limit, *displacement)
        reference_m = self._held_out() @ e_ng.mean(0)
        common_n = _common(e_ng @ e_ng.T, reference_m)
        lowest, limit = float(np.quantile(common_n, LOWEST)), max(limit, 0.0)
        # Where samples of a shifted source are strange as well, the others show the shift alone.
        least = np.argsort(common_n, kind="stable")[: max(2, (n + 1) // 2)]
        displacement = self._displacement(z_ng[least], e_ng[least])
        said = said_of_all(displacement, n=n) if lowest > limit else ALL_ARE_FINE
        return Verdict(*said, n, lowest, limit, *displacement)

    def _profiles(self, x_ng: NDArray[np.floating]) -> tuple[Array, Array]:
        """Samples standardised by gene, and what the axes leave of them, in units of what they
        leave of reference samples; genes that vary only."""
        usable_g = self.residual_weight_g > 0
        axes_kg = self.axes_kg.astype(np.float64)
        z_ng = (np.asarray(x_ng, dtype=np.float64) - self.mean_g) * self.weight_g
        e_ng = (z_ng - (z_ng @ axes_kg.T) @ axes_kg) * self.residual_weight_g
        return z_ng[:, usable_g], e_ng[:, usable_g]

    def _held_out(self) -> Array:
        return self.held_out_mg[:, self.residual_weight_g > 0].astype(np.float64)

    def _displacement(self, z_ng: Array, e_ng: Array) -> Displacement:
        """Of the mean of some samples."""
        usable_g = self.residual_weight_g > 0
        weight_g = self.weight_g[usable_g]
        z_g, e_g = z_ng.mean(0), e_ng.mean(0)
        # A shift of all genes at random by one standard deviation leaves residuals of this size.
        left_g = 1 - np.square(self.axes_kg[:, usable_g].astype(np.float64)).sum(0)
        gain_g = np.sqrt(np.maximum(left_g, 1e-12)) * self.residual_weight_g[usable_g]
        noise = 1 / len(e_ng) + 1 / float(self.n_learning)
        size2 = max(0.0, float(_typical(e_g)) ** 2 - noise) / float(np.median(gain_g)) ** 2
        whole2 = max(noise / 100, float(_typical(z_g)) ** 2 - noise)
        shift_g, d_g = e_g / gain_g, z_g / weight_g
        of_level_p = _level_basis(self.mean_g[usable_g]) @ d_g
        return Displacement(
            size=float(np.sqrt(size2)),
            unexplained=size2 / whole2,
            few_genes=min(map(_concentration, (e_g, shift_g, shift_g / weight_g))),
            level=float((of_level_p @ of_level_p) / max(float(d_g @ d_g), 1e-300)),
        )


def looked_at(n: int) -> NDArray[np.intp]:
    """Which of n samples say whether all come from where the reference does: all, or of many as
    many random ones as may be looked at."""
    if n <= MAX_QUERY:
        return np.arange(n)
    return np.random.default_rng(0).permutation(n)[:MAX_QUERY]


def _axes(z_ng: Array) -> Array:
    """The first principal axes of standardised profiles, (k, g)."""
    k = max(1, min(MAX_AXES, len(z_ng) // PER_AXIS, z_ng.shape[1] // 2))
    value_n, vector_nn = np.linalg.eigh(z_ng @ z_ng.T)
    first = [i for i in np.argsort(-value_n)[:k] if value_n[i] > 1e-9 * value_n.max()]
    return np.asarray((vector_nn[:, first] / np.sqrt(value_n[first])).T @ z_ng)


def _typical(x: Array) -> Array:
    """Standard deviation around 0 that the median says, along the last axis."""
    return np.asarray(np.median(np.abs(x), axis=-1) / 0.6745)


def _concentration(x_g: Array) -> float:
    """Root mean square over `_typical`."""
    return float(np.sqrt(np.square(x_g).mean()) / max(float(_typical(x_g)), 1e-12))


def _common(gram_nn: Array, reference_m: Array) -> Array:
    """How far each sample is displaced in the direction of the mean of the other ones, (n,), in
    standard deviations of reference samples in the direction of the mean of all."""
    others_n = (gram_nn.sum(1) - np.diag(gram_nn)) / (len(gram_nn) - 1)
    spread = max(float(reference_m.std()), 1e-12)
    return np.asarray((others_n - reference_m.mean()) / spread)


def _limits(e_mg: Array, rng: np.random.Generator) -> Array:
    """The largest usual `Verdict.lowest` of as many samples as `SIZES` say: of samples drawn from
    the held-out ones, among the rest of them. Of more samples than there are enough of, that of
    the largest possible number, which is more than theirs."""
    from scipy.stats import t

    m, log_m, gram_mm = len(e_mg), np.log(_typical(e_mg)), e_mg @ e_mg.T
    # The next one of log-normal deviations, and no less than the largest yet.
    next_one = t.isf(FALSE_ALARMS, m - 1) * log_m.std(ddof=1) * np.sqrt(1 + 1 / m)
    limits = [float(np.exp(max(log_m.max(), log_m.mean() + next_one)))]
    for size in SIZES[1:]:
        if size > 0.7 * m:
            limits.append(limits[-1])
            continue
        lowest = []
        for _ in range(DRAWS):
            rows = rng.permutation(m)
            drawn, rest = rows[:size], rows[size:]
            common_n = _common(gram_mm[np.ix_(drawn, drawn)], gram_mm[rest][:, drawn].mean(1))
            lowest.append(np.quantile(common_n, LOWEST))
        limits.append(float(np.quantile(lowest, 1 - FALSE_ALARMS)))
    return np.array(limits)


def _level_basis(mean_g: Array) -> Array:
    """Orthonormal cubic polynomials of the rank of the expression level, (4, g)."""
    rank_g = np.argsort(np.argsort(mean_g, kind="stable"), kind="stable") / len(mean_g) - 0.5
    return np.asarray(np.linalg.qr(np.stack([rank_g**power for power in range(4)], axis=1))[0].T)


def check_controls(controls_kg: NDArray[np.floating], *, least: int = MIN_CONTROLS) -> None:
    """Refuse too few controls."""
    if len(controls_kg) < least:
        raise DataError(f"{len(controls_kg)} controls; at least {least} are needed")
