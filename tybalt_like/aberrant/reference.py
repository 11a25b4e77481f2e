"""A cohort that samples are compared with: itself first of all, and new samples later."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, cast

import numpy as np

from tybalt_like.aberrant import counts
from tybalt_like.aberrant.autoencoder import (
    Samples,
    cleaned,
    dispersion,
    expect,
    fit_model,
    without_itself,
)
from tybalt_like.aberrant.covariates import Covariate, design
from tybalt_like.aberrant.latent_size import by_injection, by_threshold
from tybalt_like.aberrant.statistics import Floats, adjusted, p_values
from tybalt_like.core.errors import DataError, RunError
from tybalt_like.genes import align
from tybalt_like.models import Model
from tybalt_like.models.nb_autoencoder import NBAutoencoder
from tybalt_like.pp.findings import some
from tybalt_like.pp.transforms.median_of_ratios import MedianOfRatios

if TYPE_CHECKING:
    from anndata import AnnData

    from tybalt_like.training.loop import EpochHook

SCHEMA = 1
REFERENCE, MODEL, NOISE = "reference.json", "model.safetensors", "noise.safetensors"
MAX_MISSING = 0.2
"""Share of the reference's genes that new samples may lack."""

LatentSize = int | Literal["threshold", "injection"]


@dataclass(frozen=True)
class Noise:
    """What a gene does where nothing is aberrant, (g,) each.

    Attributes
    ----------
    dispersion_g
        Negative-binomial dispersion.
    l2fc_mean_g, l2fc_sd_g
        Mean and standard deviation of the log2 fold changes.
    """

    dispersion_g: Floats
    l2fc_mean_g: Floats
    l2fc_sd_g: Floats

    @classmethod
    def of(cls, x_ng: Floats, mean_ng: Floats) -> Self:
        """From cleaned counts of a cohort."""
        l2fc_ng = log2_fold_change(x_ng, mean_ng)
        return cls(dispersion(x_ng, mean_ng), l2fc_ng.mean(axis=0), l2fc_ng.std(axis=0, ddof=1))


@dataclass(frozen=True)
class Tested:
    """Every gene of every sample, tested; (n, g) each, NaN for genes that the samples lack.

    Attributes
    ----------
    p_ng, padj_ng
        Two-sided p-value, and the same adjusted within the sample.
    z_ng
        Standardised log2 fold change.
    l2fc_ng
        ``log2((observed + 1) / (expected + 1))``.
    dispersion_g
        That the p-values were computed with.
    """

    samples: list[str]
    genes: list[str]
    size_n: Floats
    observed_ng: Floats
    expected_ng: Floats
    dispersion_g: Floats
    p_ng: Floats
    padj_ng: Floats
    z_ng: Floats
    l2fc_ng: Floats

    @classmethod
    def of(
        cls, samples: list[str], genes: list[str], given: Samples, mean_ng: Floats, noise: Noise
    ) -> Self:
        p_ng = p_values(given.x_ng, mean_ng, noise.dispersion_g)
        l2fc_ng = log2_fold_change(given.x_ng, mean_ng)
        sd_g = np.where(noise.l2fc_sd_g > 0, noise.l2fc_sd_g, np.inf)
        return cls(
            samples=samples,
            genes=genes,
            size_n=given.size_n,
            observed_ng=given.x_ng,
            expected_ng=mean_ng,
            dispersion_g=noise.dispersion_g,
            p_ng=p_ng,
            padj_ng=adjusted(p_ng),
            z_ng=(l2fc_ng - noise.l2fc_mean_g) / sd_g,
            l2fc_ng=l2fc_ng,
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
    noise
        That of samples which the model has not seen.
    """

    genes: list[str]
    n_samples: int
    covariates: tuple[Covariate, ...]
    sizes: MedianOfRatios
    model: NBAutoencoder
    noise: Noise

    @property
    def latent_dim(self) -> int:
        return self.model.decoder_kg.shape[0]

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
        on_epoch: EpochHook | None = None,
    ) -> tuple[Self, Tested]:
        """Learn from a cohort, and test its own samples.

        As in OUTRIDER, expectations and dispersions come from all samples, the tested one
        included; `test` makes up for that where samples are new. The model is fitted twice:
        outliers found with the first are replaced by their expectation for the second.

        Parameters
        ----------
        adata
            Raw counts, samples x genes.
        covariates
            Columns of ``adata.obs`` to control for.
        latent_size
            Number of latent features: found by the optimal hard threshold or by injected
            outliers, or given.
        min_count
            Genes with fewer counts in more than half of the samples are left out.

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
        x_ng = np.ascontiguousarray(x_nv[:, kept_g])
        sizes = _sizes(x_ng)
        given = Samples(x_ng, sizes.size_factors(x_ng), design(adata, known))
        first = fit_model(given, latent_dim=by_threshold(given), seed=seed, on_epoch=on_epoch)
        mean_ng = expect(first, given).mean_ng
        clean = cleaned(given, mean_ng, dispersion(x_ng, mean_ng))
        k = _latent_dim(latent_size, clean, seed=seed, say=say)
        model = fit_model(clean, latent_dim=k, seed=seed, on_epoch=on_epoch)
        found = expect(model, clean)
        own = Noise.of(clean.x_ng, found.mean_ng)
        noise = Noise.of(clean.x_ng, without_itself(clean, found, own.dispersion_g))
        genes = list(adata.var_names[kept_g].astype(str))
        fitted = cls(genes, adata.n_obs, known, sizes, model, noise)
        samples = list(adata.obs_names.astype(str))
        return fitted, Tested.of(samples, genes, given, found.mean_ng, own)

    def test(self, adata: AnnData, *, say: Callable[[str], None] = lambda _: None) -> Tested:
        """Test samples that the model has not seen, each by itself.

        Codes come from the sample's own counts without its outliers, dispersions from
        leave-one-out errors of the cohort, which are larger than the errors it was fitted to.

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
        for covariate in self.covariates:
            if unknown := covariate.unknown(adata):
                say(
                    f"{covariate.column} is missing or new in {len(unknown)} samples "
                    f"({some(unknown)}): they are taken as average"
                )
        x_ng = np.where(absent_g, np.nan, x_nv[:, columns])
        given = Samples(x_ng, self.sizes.size_factors(x_ng), design(adata, self.covariates))
        first_ng = expect(self.model, given).mean_ng
        clean = cleaned(given, first_ng, self.noise.dispersion_g)
        mean_ng = expect(self.model, clean).mean_ng
        samples = list(adata.obs_names.astype(str))
        return Tested.of(samples, self.genes, given, mean_ng, self.noise)

    def save(self, folder: Path) -> None:
        """Write ``reference.json``, ``model.safetensors`` and ``noise.safetensors``."""
        from safetensors.numpy import save as to_bytes

        about = {"schema": SCHEMA, "n_samples": self.n_samples, "genes": self.genes}
        about["covariates"] = [asdict(covariate) for covariate in self.covariates]
        (folder / REFERENCE).write_text(json.dumps(about, indent=1), encoding="utf-8")
        self.model.save(folder / MODEL)
        arrays = asdict(self.noise) | {"geometric_mean_g": self.sizes.geometric_mean_g}
        plain = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
        (folder / NOISE).write_bytes(to_bytes(plain))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        RunError
            If the folder holds no whole reference, or a newer version wrote it.
        """
        from safetensors.numpy import load_file

        lacking = [name for name in (REFERENCE, MODEL, NOISE) if not (folder / name).is_file()]
        if lacking:
            raise RunError(
                f"{folder} holds no fitted cohort ({', '.join(lacking)} missing); name a folder "
                "that `tybalt-like aberrant` wrote without --using"
            )
        about = json.loads((folder / REFERENCE).read_text(encoding="utf-8"))
        if about["schema"] > SCHEMA:
            raise RunError(f"{folder} was written by a newer version of tybalt_like; install it")
        arrays = load_file(folder / NOISE)
        known: Iterator[dict[str, Any]] = (
            {key: tuple(v) if isinstance(v, list) else v for key, v in row.items()}
            for row in about["covariates"]
        )
        return cls(
            genes=about["genes"],
            n_samples=about["n_samples"],
            covariates=tuple(Covariate(**row) for row in known),
            sizes=MedianOfRatios(arrays.pop("geometric_mean_g")),
            model=cast(NBAutoencoder, Model.load(folder / MODEL)),
            noise=Noise(**arrays),
        )


def log2_fold_change(x_ng: Floats, mean_ng: Floats) -> Floats:
    """``log2((x + 1) / (mean + 1))``, (n, g)."""
    return np.asarray(np.log2((x_ng + 1) / (mean_ng + 1)))


def _sizes(x_ng: Floats) -> MedianOfRatios:
    if not (x_ng > 0).all(axis=0).any():
        raise DataError(
            "no gene has counts in every sample, so there are no size factors; remove samples "
            "with hardly any counts"
        )
    return MedianOfRatios.fit([x_ng])


def _latent_dim(
    wanted: LatentSize, given: Samples, *, seed: int, say: Callable[[str], None]
) -> int:
    if isinstance(wanted, int):
        most = given.x_ng.shape[0] // 2
        if not 1 <= wanted <= most:
            raise DataError(f"latent size {wanted}: with these samples it is between 1 and {most}")
        return wanted
    found = by_threshold(given)
    if wanted == "injection":
        return by_injection(given, seed=seed, say=say)
    say(f"{found} latent features stand out of the noise (optimal hard threshold)")
    return found
