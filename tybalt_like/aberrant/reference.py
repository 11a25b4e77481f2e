"""A cohort that samples are compared with: itself first of all, and new samples later."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from tybalt_like.aberrant import counts
from tybalt_like.aberrant.covariates import Covariate, design
from tybalt_like.aberrant.ensemble import Ensemble, Judged
from tybalt_like.aberrant.latent_size import by_injection
from tybalt_like.aberrant.samples import Samples
from tybalt_like.aberrant.statistics import Floats, adjusted
from tybalt_like.core.errors import DataError, RunError
from tybalt_like.core.marker import check_intact
from tybalt_like.core.messages import some
from tybalt_like.core.stored import check_axes, read_arrays, read_json, sound
from tybalt_like.genes import align
from tybalt_like.pp.transforms.median_of_ratios import MedianOfRatios

if TYPE_CHECKING:
    from anndata import AnnData

SCHEMA = 2
REFERENCE, MODEL = "reference.json", "model.safetensors"
MAX_MISSING = 0.2
"""Share of the reference's genes that new samples may lack."""

LatentSize = int | Literal["threshold", "injection"]


@dataclass(frozen=True)
class Tested:
    """Every gene of every sample, tested; (n, g) each, NaN for genes that the samples lack.

    Attributes
    ----------
    p_ng, padj_ng
        Two-sided p-value, and the same adjusted within the sample.
    z_ng
        Difference of the log counts in units of the noise of gene and sample.
    l2fc_ng
        ``log2((observed + 1) / (expected + 1))``.
    """

    samples: list[str]
    genes: list[str]
    size_n: Floats
    observed_ng: Floats
    expected_ng: Floats
    p_ng: Floats
    padj_ng: Floats
    z_ng: Floats
    l2fc_ng: Floats

    @classmethod
    def of(cls, samples: list[str], genes: list[str], given: Samples, judged: Judged) -> Self:
        expected_ng = given.counts(judged.expected_ng)
        return cls(
            samples=samples,
            genes=genes,
            size_n=given.size_n,
            observed_ng=given.x_ng,
            expected_ng=expected_ng,
            p_ng=judged.p_ng,
            padj_ng=adjusted(judged.p_ng),
            z_ng=judged.t_ng,
            l2fc_ng=np.log2((given.x_ng + 1) / (expected_ng + 1)),
        )


@dataclass(frozen=True)
class Reference:
    """A fitted cohort.

    Attributes
    ----------
    genes
        Those that are tested.
    n_samples
        Size of the cohort.
    """

    genes: list[str]
    n_samples: int
    covariates: tuple[Covariate, ...]
    sizes: MedianOfRatios
    model: Ensemble

    @property
    def latent_dim(self) -> int:
        """Number of hidden factors."""
        return self.model.n_factors

    @classmethod
    def fit(
        cls,
        adata: AnnData,
        *,
        covariates: Sequence[str] = (),
        latent_size: LatentSize = "threshold",
        min_count: int = 10,
        seed: int = 0,
        say: Callable[[str], None] = lambda _: None,
    ) -> tuple[Self, Tested]:
        """Learn from a cohort, and test its own samples.

        Parameters
        ----------
        adata
            Raw counts, samples x genes.
        covariates
            Columns of ``adata.obs`` to control for: their effects on each gene are fitted beside
            the hidden factors.
        latent_size
            Number of hidden factors: found by the optimal hard threshold or by injected
            outliers, or given. Numbers from .6 to 1.6 times as large are averaged over.
        min_count
            Genes with fewer counts in more than half of the samples are left out.
        seed
            Of the division into folds that shows how new samples differ, and of injections.

        Raises
        ------
        DataError
            If the matrix holds no counts, or there are too few samples or genes.
        """
        if adata.n_obs < counts.MIN_SAMPLES:
            raise DataError(
                f"{adata.n_obs} sample(s) are too few to learn from: at least "
                f"{counts.MIN_SAMPLES} are needed, 50 are better; with a finished folder, test "
                "them with --using"
            )
        x_nv = counts.checked_counts(adata)
        kept_g = counts.expressed(x_nv, min_count=min_count)
        rest = "; the others cannot be tested" if not kept_g.all() else ""
        say(
            f"{kept_g.sum():,} of {adata.n_vars:,} genes have at least {min_count} counts in half "
            f"of the samples{rest}"
        )
        known = tuple(Covariate.fit(adata, column) for column in covariates)
        _say_unknown(known, adata, say)
        x_ng = np.ascontiguousarray(x_nv[:, kept_g])
        sizes = counts.size_reference(x_ng, say=say)
        given = Samples(x_ng, sizes.size_factors(x_ng), design(adata, known))
        rank = _rank(latent_size, given, seed=seed, say=say)
        model, judged = Ensemble.fit(given.log_ng, given.design_nc, rank=rank, seed=seed)
        if latent_size == "threshold":
            say(f"{model.n_factors} hidden factors stand out of the noise (optimal hard threshold)")
        genes = list(adata.var_names[kept_g].astype(str))
        fitted = cls(genes, adata.n_obs, known, sizes, model)
        return fitted, Tested.of(list(adata.obs_names.astype(str)), genes, given, judged)

    def test(self, adata: AnnData, *, say: Callable[[str], None] = lambda _: None) -> Tested:
        """Test samples that the model has not seen, each by itself.

        Noise and tails are those of samples of the cohort that were left out of the fit.

        Parameters
        ----------
        adata
            Raw counts with the same genes, by name or identifier.

        Raises
        ------
        DataError
            If more than a fifth of the genes are missing, or the matrix holds no counts.
        """
        x_nv = counts.checked_counts(adata)
        columns = [columns[0] if columns else -1 for columns in align(adata, self.genes).columns]
        absent_g = np.array(columns) < 0
        if absent_g.mean() > MAX_MISSING:
            lacking = [self.genes[i] for i in np.flatnonzero(absent_g)]
            raise DataError(
                f"{absent_g.sum():,} of the {len(self.genes):,} genes of the reference are missing "
                f"({some(lacking)}); give a matrix with the same genes"
            )
        if absent_g.any():
            say(f"{absent_g.sum():,} genes of the reference are missing and not tested")
        _say_unknown(self.covariates, adata, say)
        x_ng = np.where(absent_g, np.nan, x_nv[:, columns])
        given = Samples(x_ng, self.sizes.size_factors(x_ng), design(adata, self.covariates))
        judged = self.model.judge(given.log_ng, given.design_nc)
        return Tested.of(list(adata.obs_names.astype(str)), self.genes, given, judged)

    def save(self, folder: Path) -> None:
        """Write ``reference.json`` and ``model.safetensors``."""
        from safetensors.numpy import save as to_bytes

        about = {"schema": SCHEMA, "n_samples": self.n_samples, "genes": self.genes}
        about["covariates"] = [asdict(covariate) for covariate in self.covariates]
        (folder / REFERENCE).write_text(json.dumps(about, indent=1), encoding="utf-8")
        arrays = self.model.arrays() | {"geometric_mean_g": self.sizes.geometric_mean_g}
        plain = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
        (folder / MODEL).write_bytes(to_bytes(plain))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        RunError
            If the folder holds no whole reference, or another version wrote it.
        """
        lacking = [name for name in (REFERENCE, MODEL) if not (folder / name).is_file()]
        if lacking:
            raise RunError(
                f"{folder} holds no fitted cohort ({', '.join(lacking)} missing); name a folder "
                "that `tybalt-like aberrant` wrote without --using"
            )
        check_intact(folder, (REFERENCE, MODEL))
        about = read_json(folder / REFERENCE)
        with sound(folder / REFERENCE):
            schema = int(about["schema"])
        if schema > SCHEMA:
            raise RunError(f"{folder} was written by a newer version of tybalt_like; install it")
        if schema < SCHEMA:
            raise RunError(
                f"{folder} was fitted by an older version of tybalt_like with another model; fit "
                "the cohort again, which takes seconds"
            )
        arrays, _ = read_arrays(folder / MODEL)
        with sound(folder / REFERENCE):
            genes = [str(gene) for gene in about["genes"]]
            known: Iterator[dict[str, Any]] = (
                {key: tuple(v) if isinstance(v, list) else v for key, v in row.items()}
                for row in about["covariates"]
            )
            covariates = tuple(Covariate(**row) for row in known)
            n_samples = int(about["n_samples"])
        with sound(folder / MODEL):
            sizes = MedianOfRatios(arrays.pop("geometric_mean_g"))
            model = Ensemble.from_arrays(arrays)
            of_genes = [vars(sizes), {"spread_g": model.spread_g}, *map(vars, model.fits)]
            for group in of_genes:
                check_axes(group, folder / MODEL, g=len(genes))
        return cls(genes, n_samples, covariates, sizes, model)


def _say_unknown(
    covariates: Sequence[Covariate], adata: AnnData, say: Callable[[str], None]
) -> None:
    for covariate in covariates:
        if unknown := covariate.unknown(adata):
            say(
                f"{covariate.column} is missing or new in {len(unknown)} samples "
                f"({some(unknown)}): they are taken as average"
            )


def _rank(
    wanted: LatentSize, given: Samples, *, seed: int, say: Callable[[str], None]
) -> int | None:
    """The number of factors that was asked for, or None: the threshold decides."""
    if wanted == "threshold":
        return None
    if wanted == "injection":
        return by_injection(given, seed=seed, say=say)
    most = len(given.x_ng) // 2
    if not 1 <= wanted <= most:
        raise DataError(f"latent size {wanted}: with these samples it is between 1 and {most}")
    return wanted
