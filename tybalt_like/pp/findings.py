"""What a matrix holds, before anything is done to it, and what cannot be used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like.core.errors import DataError
from tybalt_like.core.messages import some
from tybalt_like.genes.names import dates
from tybalt_like.pp.cluster import Cluster
from tybalt_like.pp.matrix import Floats, row_chunks, slabs, spread_rows
from tybalt_like.pp.sameness import Sketches, alike
from tybalt_like.pp.scale import LOG_CEILING, Scale, detect
from tybalt_like.pp.select import spread

if TYPE_CHECKING:
    from anndata import AnnData
    from distributed import Client


SHARES = 8
"""Pieces of a matrix for each thread of a cluster, so that slow ones hold up nobody."""
COVERED = 3e8
"""Reads of a sample that no run yields; sums of coverage, a hundred times as many, exceed it."""
MULTIPLE = 20
"""Counts that are all multiples of as much or more were multiplied by something."""
GAP = 4.0
"""By so much the large values of linear samples exceed those of logged ones, at least."""


@dataclass(frozen=True)
class Findings:
    """What `inspect` found.

    Attributes
    ----------
    n_obs, n_vars
        Samples and genes.
    scale, evidence
        The scale of the values, and why it is thought to be that one.
    n_missing
        Values that are missing (NaN).
    n_zero
        Values that are exactly 0.
    all_missing
        Genes without a single value.
    constant
        Genes with the same value in all samples.
    infinite
        Genes with infinite values, each with one sample in which that happens.
    duplicated_genes, duplicated_samples
        Names that occur more than once.
    empty
        Samples without a value, or with no other than 0.
    same
        Samples whose profiles are equal but for rounding, those of one measurement together.
    other_units
        Samples that look linear among logged ones, or the other way round: the fewer ones.
    dates
        Gene names that are dates.
    no_counts
        Why whole numbers are no counts of reads, in words; empty if they may be.
    """

    n_obs: int
    n_vars: int
    scale: Scale
    evidence: str
    n_missing: int
    n_zero: int
    all_missing: tuple[str, ...]
    constant: tuple[str, ...]
    infinite: tuple[tuple[str, str], ...]
    duplicated_genes: tuple[str, ...]
    duplicated_samples: tuple[str, ...]
    empty: tuple[str, ...]
    same: tuple[tuple[str, ...], ...]
    other_units: tuple[str, ...]
    dates: tuple[str, ...]
    no_counts: str

    def lines(self) -> list[str]:
        """Short sentences for printing."""
        cells = max(1, self.n_obs * self.n_vars)
        found = [
            f"{self.n_obs:,} samples x {self.n_vars:,} genes",
            f"scale: {self.scale} ({self.evidence})",
            f"zeros: {self.n_zero / cells:.1%}; missing values: {self.n_missing / cells:.1%}",
        ]
        for what, names in (
            ("genes without any value", self.all_missing),
            ("constant genes", self.constant),
            ("genes with infinite values", [gene for gene, _ in self.infinite]),
            ("gene names that occur more than once", self.duplicated_genes),
            ("sample names that occur more than once", self.duplicated_samples),
            ("samples without any value but 0", self.empty),
            ("samples on another scale than the others", self.other_units),
        ):
            if names:
                found.append(f"{what}: {len(names):,} ({some(names)})")
        return found + self.copies + self.doubts

    @property
    def copies(self) -> list[str]:
        """A sentence on samples with the same profile, if there are any."""
        names = [some(names, joined=" = ") for names in self.same]
        return [f"samples with the same profile: {len(names):,} ({some(names)})"] if names else []

    @property
    def doubts(self) -> list[str]:
        """Sentences on what is possible, but probably a mistake."""
        said = []
        if self.dates:
            said.append(
                f"gene names that a spreadsheet made dates: {len(self.dates):,} "
                f"({some(self.dates)}); export the matrix without opening it in one"
            )
        if self.no_counts:
            said.append(f"these are hardly counts of reads: {self.no_counts}")
        return said


def inspect(adata: AnnData, *, client: Client | None = None) -> Findings:
    """Look at every value once and say what the matrix holds.

    Works in chunks of rows, so `adata` may be sparse or backed by a file.

    Parameters
    ----------
    client
        Of a dask cluster whose workers share the samples of a matrix on disk.

    Raises
    ------
    DataError
        If the matrix has no samples or no genes.
    """
    if client is None or not all(adata.shape):
        return Tally.of(adata).findings()
    cluster, spans = Cluster(client, adata), slabs(adata)
    shares = np.array_split(np.arange(len(spans)), min(len(spans), SHARES * cluster.n_threads))
    items = [(spans[share[0]][0], spans[share[-1]][1]) for share in shares]
    return Tally.joined(list(cluster.map(_tally_of, None, items))).findings()


def _tally_of(adata: AnnData, common: None, span: tuple[int, int]) -> Tally:  # noqa: ARG001
    return Tally.of(adata, span=span)


@dataclass(frozen=True)
class Tally:
    """What was seen of each value of some samples, to be joined with that of others.

    Attributes
    ----------
    samples, genes
        Their names.
    spread_ng
        Those of the samples that stand for all (`pp.matrix.spread_out`).
    low_g, high_g
        Smallest and largest value; the one above the other where there is none.
    infinite_in_g
        Row of a sample with an infinite value; -1 if there is none.
    sketch_nk
        See `Sketches`.
    empty_n, large_n
        Whether a sample has no value but 0; what one value in a thousand exceeds.
    n_missing, n_zero
        Values that are missing, and that are exactly 0.
    whole
        Whether all are whole numbers.
    """

    samples: NDArray[np.object_]
    genes: NDArray[np.object_]
    spread_ng: Floats
    low_g: Floats
    high_g: Floats
    infinite_in_g: NDArray[np.int64]
    sketch_nk: Floats
    empty_n: NDArray[np.bool_]
    large_n: Floats
    n_missing: int
    n_zero: int
    whole: bool

    @classmethod
    def of(
        cls,
        adata: AnnData,
        *,
        spread_ng: Floats | None = None,
        span: tuple[int, int] | None = None,
    ) -> Self:
        """Look at every value once.

        Parameters
        ----------
        spread_ng
            Its own if None: then these are all samples.
        span
            First of the samples that are meant, and the one after the last; all if None.

        Raises
        ------
        DataError
            If the matrix has no samples or no genes.
        """
        if not all(adata.shape):
            raise DataError(f"the matrix is empty: {adata.n_obs} samples x {adata.n_vars} genes")
        low_g, high_g = np.full(adata.n_vars, np.inf), np.full(adata.n_vars, -np.inf)
        infinite_in_g = np.full(adata.n_vars, -1)
        n_missing = n_zero = start = 0
        rows_n = np.arange(*(span or (0, adata.n_obs)))
        sketches, empty, large, whole = Sketches(adata.n_vars), list[bool](), list[float](), True
        for x_ng in row_chunks(adata, rows_n):
            n_zero += int((x_ng == 0).sum())
            sketches.add(x_ng)
            known_ng = np.nan_to_num(x_ng)
            empty.extend((known_ng == 0).all(axis=1).tolist())
            large.extend(_large(known_ng))
            whole = whole and bool((known_ng == np.rint(known_ng)).all())
            if not np.isfinite(x_ng.sum()):
                n_missing += int(np.isnan(x_ng).sum())
                rows, columns = np.nonzero(np.isinf(x_ng))
                infinite_in_g[columns] = rows + start
            low_g = np.fmin(low_g, np.fmin.reduce(x_ng, axis=0))
            high_g = np.fmax(high_g, np.fmax.reduce(x_ng, axis=0))
            start += len(x_ng)
        return cls(
            samples=adata.obs_names[rows_n].astype(str).to_numpy(object),
            genes=adata.var_names.astype(str).to_numpy(object),
            spread_ng=spread_rows(adata, span=span) if spread_ng is None else spread_ng,
            low_g=low_g,
            high_g=high_g,
            infinite_in_g=infinite_in_g,
            sketch_nk=sketches.sketch_nk,
            empty_n=np.array(empty),
            large_n=np.array(large),
            n_missing=n_missing,
            n_zero=n_zero,
            whole=whole,
        )

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """That of all samples, from those of consecutive parts of them."""
        if len(parts) == 1:
            return parts[0]
        starts = np.cumsum([0, *(len(part.samples) for part in parts[:-1])])
        infinite_in_pg = np.stack([part.infinite_in_g for part in parts])
        infinite_in_pg += np.where(infinite_in_pg >= 0, starts[:, None], 0)
        return cls(
            samples=np.concatenate([part.samples for part in parts]),
            genes=parts[0].genes,
            spread_ng=np.concatenate([part.spread_ng for part in parts]),
            low_g=np.fmin.reduce([part.low_g for part in parts]),
            high_g=np.fmax.reduce([part.high_g for part in parts]),
            infinite_in_g=infinite_in_pg.max(0),
            sketch_nk=np.concatenate([part.sketch_nk for part in parts]),
            empty_n=np.concatenate([part.empty_n for part in parts]),
            large_n=np.concatenate([part.large_n for part in parts]),
            n_missing=sum(part.n_missing for part in parts),
            n_zero=sum(part.n_zero for part in parts),
            whole=all(part.whole for part in parts),
        )

    def findings(self) -> Findings:
        """What they say if these are all samples."""
        low_g, high_g, infinite_in_g = self.low_g, self.high_g, self.infinite_in_g
        missing_g = low_g > high_g
        finite_g = np.isfinite(low_g) & np.isfinite(high_g)
        constant_g = np.zeros(len(low_g), bool)
        constant_g[finite_g] = ~spread(low_g[finite_g], high_g[finite_g])
        names, samples = pd.Index(self.genes, dtype=object), pd.Index(self.samples, dtype=object)
        extremes = (low_g[finite_g].min(), high_g[finite_g].max()) if finite_g.any() else None
        found = detect(self.spread_ng, extremes=extremes)
        counts = self.whole and found.scale == "counts"
        return Findings(
            n_obs=len(samples),
            n_vars=len(names),
            scale=found.scale,
            evidence=found.evidence,
            n_missing=self.n_missing,
            n_zero=self.n_zero,
            all_missing=tuple(names[missing_g]),
            constant=tuple(names[constant_g]) if len(samples) > 1 else (),
            infinite=tuple(
                (str(self.genes[g]), str(self.samples[infinite_in_g[g]]))
                for g in np.flatnonzero(infinite_in_g >= 0)
            ),
            duplicated_genes=tuple(names[names.duplicated()].unique()),
            duplicated_samples=tuple(samples[samples.duplicated()].unique()),
            empty=tuple(samples[self.empty_n]),
            same=tuple(tuple(samples[rows]) for rows in alike(self.sketch_nk)),
            other_units=() if self.whole else tuple(samples[_other_units(self.large_n)]),
            dates=tuple(dates(names)),
            no_counts=_no_counts(self.spread_ng) if counts else "",
        )


def _no_counts(x_ng: Floats) -> str:
    """What speaks against counts of reads."""
    advice = "sums of coverage, as recount3 gives them, are divided by the read length first"
    whole = x_ng[x_ng > 0].astype(np.int64)
    if whole.size and (factor := int(np.gcd.reduce(whole))) >= MULTIPLE:
        return f"all are multiples of {factor} ({advice})"
    total = float(np.median(np.nansum(x_ng, axis=1)))
    if total > COVERED:
        return f"half of the samples have more than {total:.2g} in all ({advice})"
    return ""


def _large(x_ng: Floats) -> Floats:
    """What one value in a thousand of each sample exceeds, (n,)."""
    top = max(1, x_ng.shape[1] // 1000)
    return np.asarray(-np.partition(-x_ng, top - 1, axis=1)[:, top - 1])


def _other_units(large_n: Floats) -> NDArray[np.bool_]:
    """The smaller part of samples if some are logged and some are linear."""
    linear_n = large_n > LOG_CEILING
    if linear_n.all() or not linear_n.any():
        return np.zeros(len(large_n), dtype=bool)
    if large_n[linear_n].min() < GAP * large_n[~linear_n].max():
        return np.zeros(len(large_n), dtype=bool)
    return linear_n if linear_n.mean() <= 0.5 else ~linear_n


def check(findings: Findings, *, at_least: int = 1, missing: str = "refuse") -> None:
    """Refuse what nothing sensible can be computed from.

    Parameters
    ----------
    findings
        From `inspect`.
    at_least
        Samples that the caller needs.
    missing
        As `Normalisation.missing`; only ``"refuse"`` refuses genes without any value, the others
        leave them out.

    Raises
    ------
    DataError
        Names the genes or samples: infinite values, genes or samples without any value, sample
        names that occur more than once, samples on several scales, too few samples.
    """
    if findings.infinite:
        gene, sample = findings.infinite[0]
        raise DataError(
            f"infinite values in {len(findings.infinite)} gene(s), first in gene {gene}, sample "
            f"{sample}; was the logarithm of 0 taken? Mend or remove them"
        )
    if findings.all_missing and missing == "refuse":
        raise DataError(
            f"{len(findings.all_missing)} gene(s) have no value in any sample: "
            f"{some(findings.all_missing)}; remove them, or set normalize.missing to 'drop_genes'"
        )
    check_samples(findings)
    if findings.n_obs < at_least:
        raise DataError(
            f"{findings.n_obs} sample(s), but at least {at_least} are needed; add samples"
        )


def check_samples(findings: Findings) -> None:
    """Refuse samples that nothing can be said of, whatever genes are needed.

    Raises
    ------
    DataError
        Names the samples: names that occur more than once, no value, several scales.
    """
    if findings.duplicated_samples:
        raise DataError(
            f"{len(findings.duplicated_samples)} sample name(s) occur more than once: "
            f"{some(findings.duplicated_samples)}; make them unique"
        )
    if findings.empty:
        raise DataError(
            f"{len(findings.empty)} sample(s) have no value but 0: {some(findings.empty)}; remove "
            "them"
        )
    if findings.other_units:
        raise DataError(
            f"{len(findings.other_units)} of {findings.n_obs} samples are on another scale than "
            f"the others ({some(findings.other_units)}): some are logged and some are not; give "
            "all on one scale"
        )
