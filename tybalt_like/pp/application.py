"""A fitted normalisation meets samples: checked, then transformed some samples at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import compress
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tybalt_like.core import keys
from tybalt_like.core.errors import DataError
from tybalt_like.core.provenance import record
from tybalt_like.genes import align
from tybalt_like.pp.columns import Columns, for_transform
from tybalt_like.pp.findings import some
from tybalt_like.pp.matrix import Floats, row_chunks, spread_rows
from tybalt_like.pp.scale import FAMILY, detect
from tybalt_like.pp.transforms.base import applied

if TYPE_CHECKING:
    from anndata import AnnData

    from tybalt_like.pp.normaliser import Normaliser


class Piece(NamedTuple):
    """Some samples, selected genes: normalised, and as they were read."""

    x_ng: Floats
    as_read_ng: Floats


class Application:
    """A `Normaliser` and samples that it can be applied to.

    Raises
    ------
    DataError
        If too many trained genes are missing, or the scale contradicts that of training.
    """

    def __init__(self, normaliser: Normaliser, adata: AnnData) -> None:
        self.normaliser, self.adata = normaliser, adata
        found = align(adata, normaliser.read_genes, ids=normaliser.ids)
        self.columns = for_transform(
            normaliser.read_genes, found, normaliser.choices, normaliser.settings.duplicates
        )
        self.renamed = found.renamed
        place = {gene: i for i, gene in enumerate(normaliser.read_genes)}
        self.picked_g = np.array([place[gene] for gene in normaliser.genes], dtype=np.intp)
        self.selected: Columns = self.columns.some(self.picked_g)
        self._check_genes(normaliser.genes, self.selected.absent_g)
        self._check_genes(normaliser.read_genes, self.columns.absent_g)
        self._check_scale()

    def frame(self) -> AnnData:
        """The result without its matrix: samples, selected genes, and the record."""
        from anndata import AnnData

        adata = self.adata
        var = adata.var.reset_index(drop=True).reindex(self.selected.column_g)
        result = AnnData(
            obs=adata.obs.copy(), var=var.set_axis(list(self.normaliser.genes), axis=0)
        )
        result.uns.update(adata.uns)
        for key, values in adata.obsm.items():
            result.obsm[key] = values.copy()
        record(result, normalisation=self._about())
        return result

    def pieces(self) -> Iterator[Piece]:
        """All samples, some at a time.

        Raises
        ------
        DataError
            If values are missing or infinite, or a batch is unknown.
        """
        normaliser, absent_g = self.normaliser, self.selected.absent_g
        batches = normaliser.batches
        batch_n = batches.numbers(self.adata) if batches else np.empty(0, np.intp)
        start = 0
        for x_nv in row_chunks(self.adata):
            rows = slice(start, start + len(x_nv))
            x_nr = self.columns.read(x_nv)
            as_read_ng = x_nr[:, self.picked_g]
            x_ng = applied(normaliser.sample_steps, x_nr, self.picked_g)
            x_ng = x_ng.astype(np.float32).astype(np.float64)
            self._check_values(x_ng, self.adata.obs_names[rows])
            if batches:
                x_ng = batches.transform(x_ng, batch_n[rows])
            if normaliser.imputer:
                x_ng = normaliser.imputer.transform(x_ng)
            x_ng = np.where(absent_g | np.isnan(x_ng), normaliser.median_g, x_ng)
            yield Piece(
                normaliser.scaler.transform(x_ng) if normaliser.scaler else x_ng, as_read_ng
            )
            start = rows.stop

    def in_memory(self) -> AnnData:
        """The whole result."""
        x_ng = np.empty((self.adata.n_obs, len(self.normaliser.genes)), dtype=np.float32)
        kept: list[Any] = []
        start = 0
        for piece in self.pieces():
            x_ng[start : start + len(piece.x_ng)] = piece.x_ng
            if self.normaliser.scale == "counts":
                kept.append(self.as_stored(piece.as_read_ng))
            start += len(piece.x_ng)
        result = self.frame()
        result.X = x_ng
        if kept:
            from scipy import sparse

            stack = np.concatenate if isinstance(kept[0], np.ndarray) else sparse.vstack
            result.layers[keys.COUNTS] = stack(kept)
        return result

    def as_stored(self, as_read_ng: Floats) -> Any:
        """Values as read in the kind of matrix, and of number, that they were read from; float32
        where a gene is missing, because whole numbers cannot be NaN."""
        from anndata.abc import CSRDataset
        from scipy import sparse

        matrix = self.adata.X
        fractions = np.isnan(as_read_ng).any() or self.selected.averaged
        values = as_read_ng.astype(np.float32 if fractions else matrix.dtype)
        is_sparse = sparse.issparse(matrix) or isinstance(matrix, CSRDataset)
        return sparse.csr_matrix(values) if is_sparse else values

    def _about(self) -> dict[str, Any]:
        """What goes into the record of the result."""
        normaliser = self.normaliser
        names = [step.name for step in normaliser.sample_steps]
        names += ["centre batches"] if normaliser.batches else []
        names += [step.name for step in (normaliser.imputer, normaliser.scaler) if step]
        return {
            "settings": asdict(normaliser.settings),
            "scale": normaliser.scale,
            "steps": names,
            "n_genes": len(normaliser.genes),
            "filled": list(compress(normaliser.genes, self.selected.absent_g)),
            "found_under_other_names": len(set(self.renamed) & set(normaliser.genes)),
            "notes": list(normaliser.notes),
        }

    def _check_genes(self, genes: Sequence[str], absent_g: NDArray[np.bool_]) -> None:
        share, limit = absent_g.mean(), self.normaliser.settings.max_missing
        if share > limit:
            lacking = list(compress(genes, absent_g))
            raise DataError(
                f"{len(lacking):,} of the {len(genes):,} trained genes ({share:.0%}) are missing "
                f"({some(lacking)}), more than {limit:.0%}; are these the same kind of gene "
                "identifier?"
            )

    def _check_scale(self) -> None:
        trained, settings = self.normaliser.scale, self.normaliser.settings
        found = detect(spread_rows(self.adata))
        if settings.units == "auto" and FAMILY[found.scale] != FAMILY[trained]:
            raise DataError(
                f"these samples look {found.scale} ({found.evidence}), but the training samples "
                f"were {trained}; give them on the same scale"
            )

    def _check_values(self, x_ng: Floats, samples: Sequence[str]) -> None:
        """Refuse infinite values, and missing ones that are not to be filled in."""
        bad_ng = np.isinf(x_ng)
        if self.normaliser.settings.missing in ("refuse", "drop_genes"):
            bad_ng |= np.isnan(x_ng) & ~self.selected.absent_g
        if bad_ng.any():
            n, g = np.argwhere(bad_ng)[0]
            what = "infinite" if np.isinf(x_ng[n, g]) else "missing"
            raise DataError(
                f"{what} value in gene {self.normaliser.genes[g]}, sample {samples[n]}; mend it or "
                "remove the sample"
            )
