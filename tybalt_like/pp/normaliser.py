"""A normalisation fitted on training samples, applied to any sample, kept in one JSON file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tybalt_like import keys
from tybalt_like.errors import DataError
from tybalt_like.genes import align
from tybalt_like.pp.base import GeneTransform, SampleTransform, Transform
from tybalt_like.pp.findings import some
from tybalt_like.pp.fitting import TrainingRows
from tybalt_like.pp.matrix import Floats, row_chunks, spread_rows
from tybalt_like.pp.plan import GENE_SCALES, sample_transforms
from tybalt_like.pp.scale import FAMILY, Scale, detect
from tybalt_like.pp.select import STATISTICS, most_variable, spread
from tybalt_like.pp.settings import Normalisation
from tybalt_like.provenance import record

if TYPE_CHECKING:
    from anndata import AnnData

SCHEMA = 1
"""Version of the saved layout."""


@dataclass(frozen=True)
class Normaliser:
    """A fitted normalisation. Each sample is transformed on its own, whatever stands beside it.

    Attributes
    ----------
    settings
        What was asked for.
    scale
        Scale of the training values as they were read.
    read_genes
        Genes that whole-sample transforms look at; those of `genes` if there is none.
    sample_steps
        Transforms up to the selection of genes.
    genes
        Selected genes, those that vary most first.
    median_g
        Training medians after `sample_steps`: what a missing gene is filled with.
    gene_steps
        Transforms of the selected genes.
    """

    settings: Normalisation
    scale: Scale
    read_genes: tuple[str, ...]
    sample_steps: tuple[Transform, ...]
    genes: tuple[str, ...]
    median_g: Floats
    gene_steps: tuple[GeneTransform, ...]

    @classmethod
    def fit(
        cls, adata: AnnData, settings: Normalisation | None = None, *, train: ArrayLike
    ) -> Self:
        """Learn everything from the training rows.

        Parameters
        ----------
        adata
            Samples x genes as read; sparse or backed matrices are read in chunks.
        settings
            The defaults are Tybalt's.
        train
            Boolean mask or row numbers of the samples to learn from.

        Raises
        ------
        DataError
            If there are fewer than two training samples, missing or infinite values, no gene
            that varies, or a second logarithm would be taken.
        """
        settings = settings or Normalisation()
        rows = TrainingRows.of(adata, train)
        found = detect(spread_rows(adata, rows.rows_n))
        for step in sample_transforms(settings, found):
            fitted = step.fit(rows) if isinstance(step, type) else step  # type: ignore[attr-defined]
            rows = rows.after(fitted)
        statistic_g, varies_g = rows.per_gene(
            lambda x_ng: np.stack(
                [STATISTICS[settings.select](x_ng), spread(x_ng.min(0), x_ng.max(0))]
            )
        )
        chosen_g = most_variable(statistic_g, varies_g.astype(bool), settings.n_genes)
        if not len(chosen_g):
            raise DataError("no gene varies among the training samples; nothing can be learned")
        rows = rows.of_genes(chosen_g)
        steps = []
        if settings.scale != "none":
            steps.append(rows.fit(GENE_SCALES[settings.scale]))
        names = adata.var_names.astype(str)
        genes = tuple(names[chosen_g])
        whole = any(isinstance(step, SampleTransform) for step in rows.steps)
        return cls(
            settings=settings,
            scale=found.scale,
            read_genes=tuple(names) if whole else genes,
            sample_steps=rows.steps,
            genes=genes,
            median_g=rows.per_gene(lambda x_ng: np.median(x_ng, axis=0)),
            gene_steps=tuple(steps),
        )

    def transform(self, adata: AnnData) -> AnnData:
        """Normalise samples, of the training cohort or new.

        Returns
        -------
        AnnData
            New; the selected genes in the trained order, ``X`` in float32. Counts are kept in
            ``layers["counts"]``. Genes that `adata` lacks hold the training median and are listed
            in the record.

        Raises
        ------
        DataError
            If too many trained genes are missing, values are missing or infinite, or the scale
            contradicts that of the training samples.
        """
        from anndata import AnnData

        columns_u = align(adata, self.read_genes)
        self._check_genes(columns_u)
        self._check_scale(adata)
        x_ng = np.empty((adata.n_obs, len(self.genes)), dtype=np.float32)
        start = 0
        for chunk in row_chunks(adata):
            stop = start + len(chunk)
            x_ng[start:stop] = self._apply(chunk, columns_u, adata.obs_names[start:stop])
            start = stop
        columns_g = align(adata, self.genes)
        var = adata.var.reset_index(drop=True).reindex(columns_g)
        var.index = type(adata.var_names)(self.genes)
        result = AnnData(x_ng, obs=adata.obs.copy(), var=var, uns=dict(adata.uns))
        for key, values in adata.obsm.items():
            result.obsm[key] = values.copy()
        if self.scale == "counts":
            result.layers[keys.COUNTS] = _kept(adata, columns_g)
        filled = [gene for gene, column in zip(self.genes, columns_g, strict=True) if column < 0]
        record(result, normalisation=self._about() | {"filled": filled})
        return result

    def save(self, path: Path | str) -> None:
        """Write everything as one JSON file; floats keep every digit."""
        state = {
            "schema": SCHEMA,
            "settings": asdict(self.settings),
            "scale": self.scale,
            "read_genes": self.read_genes if self.read_genes != self.genes else None,
            "genes": self.genes,
            "median": self.median_g.tolist(),
            "sample_steps": [step.to_json() for step in self.sample_steps],
            "gene_steps": [step.to_json() for step in self.gene_steps],
        }
        Path(path).write_text(json.dumps(state), encoding="utf-8")

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        DataError
            If the file is not a normaliser, or a newer version wrote it.
        """
        try:
            state = json.loads(Path(path).read_text(encoding="utf-8"))
            schema = state["schema"]
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise DataError(f"{path} is not a saved normaliser: {error}") from None
        if schema != SCHEMA:
            raise DataError(
                f"{path}: saved with normaliser schema {schema}, this version reads {SCHEMA}; "
                "install the tybalt_like version that wrote it"
            )
        genes = tuple(state["genes"])
        return cls(
            settings=Normalisation.configure(**state["settings"]),
            scale=state["scale"],
            read_genes=tuple(state["read_genes"] or genes),
            genes=genes,
            median_g=np.array(state["median"], dtype=np.float64),
            sample_steps=tuple(map(Transform.from_json, state["sample_steps"])),
            gene_steps=tuple(map(Transform.from_json, state["gene_steps"])),  # type: ignore[arg-type]
        )

    def _about(self) -> dict[str, Any]:
        steps = [step.name for step in (*self.sample_steps, *self.gene_steps)]
        return {
            "settings": asdict(self.settings),
            "scale": self.scale,
            "steps": steps,
            "n_genes": len(self.genes),
        }

    def _check_genes(self, columns_u: NDArray[np.intp]) -> None:
        lacking = [g for g, column in zip(self.read_genes, columns_u, strict=True) if column < 0]
        share = len(lacking) / len(columns_u)
        if share > self.settings.max_missing:
            raise DataError(
                f"{len(lacking):,} of the {len(columns_u):,} trained genes ({share:.0%}) are missing "
                f"({some(lacking)}), more than {self.settings.max_missing:.0%}; are these the same "
                "kind of gene identifier?"
            )

    def _check_scale(self, adata: AnnData) -> None:
        found = detect(spread_rows(adata))
        if FAMILY[found.scale] != FAMILY[self.scale]:
            raise DataError(
                f"these samples look {found.scale} ({found.evidence}), but the training samples "
                f"were {self.scale}; give them on the same scale"
            )

    def _apply(self, chunk_nv: Floats, columns_u: NDArray[np.intp], samples: Any) -> Floats:
        """Rows of the matrix as read -> normalised rows of the selected genes."""
        absent_u = columns_u < 0
        x_nu = np.where(absent_u, np.nan, chunk_nv[:, columns_u])
        for step in self.sample_steps:
            x_nu = step.transform(x_nu)
        if self.read_genes is not self.genes:
            place = {gene: i for i, gene in enumerate(self.read_genes)}
            picked = [place[gene] for gene in self.genes]
            x_nu, absent_u = x_nu[:, picked], absent_u[picked]
        x_ng = np.where(absent_u, self.median_g, x_nu).astype(np.float32).astype(np.float64)
        if not np.isfinite(x_ng).all():
            n, g = np.argwhere(~np.isfinite(x_ng))[0]
            raise DataError(
                f"missing or infinite value in gene {self.genes[g]}, sample {samples[n]}; remove "
                "the sample or fill in the value"
            )
        for step in self.gene_steps:
            x_ng = step.transform(x_ng)
        return x_ng


def _kept(adata: AnnData, columns_g: NDArray[np.intp]) -> Any:
    """The matrix as read for the selected genes; NaN where the gene is missing."""
    if (columns_g >= 0).all():
        kept = adata.X[:, columns_g]
        return kept.copy()
    chunks = [np.where(columns_g < 0, np.nan, c[:, columns_g]) for c in row_chunks(adata)]
    return np.concatenate(chunks).astype(np.float32)
