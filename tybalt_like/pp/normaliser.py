"""A normalisation fitted on training samples, applied to any sample, kept in one JSON file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import asdict, dataclass, fields, replace
from itertools import chain, compress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tybalt_like.core import keys
from tybalt_like.core.errors import DataError
from tybalt_like.core.files import write_text
from tybalt_like.core.messages import some
from tybalt_like.core.provenance import record, recorded
from tybalt_like.core.representation import as_html, as_text
from tybalt_like.core.stored import check_axes, read_json, sound
from tybalt_like.genes import align
from tybalt_like.pp.batches import BatchOffsets
from tybalt_like.pp.cluster import Cluster
from tybalt_like.pp.columns import Choice, Columns, for_transform
from tybalt_like.pp.learning import fitted
from tybalt_like.pp.matrix import Floats, row_chunks, slabs, spread_rows
from tybalt_like.pp.out_of_core import write_pieces
from tybalt_like.pp.scale import FAMILY, Detected, Scale, detect
from tybalt_like.pp.settings import Normalisation
from tybalt_like.pp.transforms.base import (
    GeneTransform,
    SampleTransform,
    Scaler,
    Transform,
    applied,
)

if TYPE_CHECKING:
    from anndata import AnnData
    from distributed import Client

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
    ids
        Further identifiers of `read_genes`.
    choices
        Which copy was taken of the genes that the training matrix holds several times.
    sample_steps
        Transforms up to the selection of genes.
    genes
        Selected genes, those that vary most first.
    batches
        Offsets that centre the batches.
    median_g
        Training medians before `scaler`: what a gene that new samples lack is filled with.
    imputer, scaler
        Transforms of the selected genes.
    notes
        What was left out in training, in words.
    """

    settings: Normalisation
    scale: Scale
    read_genes: tuple[str, ...]
    ids: Mapping[str, tuple[str, ...]]
    choices: Mapping[str, Choice]
    sample_steps: tuple[Transform, ...]
    genes: tuple[str, ...]
    batches: BatchOffsets | None
    median_g: Floats
    imputer: GeneTransform | None
    scaler: Scaler | None
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return as_text("Normaliser", self._facts())

    def _repr_html_(self) -> str:
        return as_html("Normaliser", self._facts())

    def _facts(self) -> dict[str, object]:
        steps = [*self.sample_steps, *(step for step in (self.imputer, self.scaler) if step)]
        return {
            "genes": f"{len(self.genes):,} of {len(self.read_genes):,} read",
            "values": self.scale,
            "steps": ", ".join(step.name for step in steps) or "none",
        }

    @classmethod
    def fit(
        cls,
        adata: AnnData,
        settings: Normalisation | None = None,
        *,
        train: ArrayLike | None = None,
        memory: float = 1.0,
        client: Client | None = None,
    ) -> Self:
        """Learn everything from the training rows.

        Parameters
        ----------
        adata
            Samples x genes as read; may be sparse or backed by a file larger than memory.
        settings
            The defaults are Tybalt's.
        train
            Boolean mask or row numbers of the samples to learn from; the training split
            (``obs["tybalt_split"]``, `pp.split`) if None.
        memory
            Gigabytes to hold genes in. Where all genes need more, the matrix is read several
            times; the result is the same.
        client
            Of a dask cluster whose workers share the statistics of a matrix on disk, as much memory
            for each of their threads; the result is the same.

        Raises
        ------
        DataError
            If there are fewer than two training samples, infinite values, missing values that the
            settings do not allow, no gene that varies, or a second logarithm would be taken.
        """
        if train is None:
            if keys.SPLIT not in adata.obs:
                raise DataError(
                    f"obs[{keys.SPLIT!r}] is missing; run pp.split first, or name the samples"
                )
            train = np.asarray(adata.obs[keys.SPLIT].astype(str) == keys.TRAIN)
        cluster = Cluster(client, adata) if client else None
        settings = settings or Normalisation()
        return cls(**fitted(adata, settings, train, memory=memory, cluster=cluster))

    def transform(self, adata: AnnData) -> AnnData:
        """Normalise samples, of the training cohort or new.

        Genes are found by name, then by id, then by alias.

        Returns
        -------
        AnnData
            New; the selected genes in the trained order, ``X`` in float32. Counts are kept in
            ``layers["counts"]``. Genes that `adata` lacks hold the training median (NaN among the
            counts) and are listed in the record.

        Raises
        ------
        DataError
            If too many trained genes are missing, values are missing or infinite, the scale
            contradicts that of the training samples, or a batch is unknown.
        """
        return _Application(self, adata).in_memory()

    def unscaled(self, adata: AnnData) -> Floats:
        """What `transform` computes, without `scaler`, (n, g): on the scale of the input or, where
        a logarithm was taken, on that scale; nothing is clipped."""
        return np.asarray(replace(self, scaler=None).transform(adata).X)

    def inverse(self, x_ng: Floats) -> Floats:
        """Values of the selected genes before `scaler`, (n, g): on the scale of the input or, where
        a logarithm was taken, on that scale."""
        return self.scaler.inverse(x_ng) if self.scaler else x_ng

    @property
    def is_log2(self) -> bool:
        """Whether values before the last step are logarithms to base 2."""
        return self.scale == "log2" or any(step.name == "log2" for step in self.sample_steps)

    @property
    def unit_g(self) -> Floats | None:
        """One unit of the scale of each gene in those before the last step; None where that step
        is no straight line."""
        low_g, middle_g, high_g = self.inverse(np.outer([0.0, 0.5, 1.0], np.ones(len(self.genes))))
        straight = np.allclose(middle_g - low_g, high_g - middle_g)
        return high_g - low_g if straight else None

    def write(self, adata: AnnData, path: Path | str, *, client: Client | None = None) -> None:
        """What `transform` returns, written as h5ad some samples at a time.

        With `open_backed`, neither the matrix nor the result needs to fit into memory.

        Parameters
        ----------
        path
            The old file stays until the new one is whole.
        client
            Of a dask cluster whose workers compute; this process writes.

        Raises
        ------
        DataError
            As `transform`.
        """
        application, counts = _Application(self, adata), self.scale == "counts"
        if client is None:
            pieces: Iterable[tuple[NDArray[np.floating], Any]] = application.stored(counts=counts)
        else:
            common, spans = (application.on(None), counts), slabs(adata)
            of_spans = Cluster(client, adata).map(_stored_of, common, spans)
            pieces = chain.from_iterable(of_spans)
        write_pieces(application.frame(), pieces, Path(path), counts=counts)

    def save(self, path: Path | str) -> None:
        """Write everything as one JSON file; floats keep every digit."""
        steps = [step.to_json() for step in self.sample_steps]
        state = {field.name: getattr(self, field.name) for field in fields(self)} | {
            "schema": SCHEMA,
            "settings": asdict(self.settings),
            "read_genes": self.read_genes if self.read_genes != self.genes else None,
            "choices": {gene: asdict(choice) for gene, choice in self.choices.items()},
            "sample_steps": steps,
            "batches": self.batches and self.batches.to_json(),
            "median_g": self.median_g.tolist(),
            "imputer": self.imputer and self.imputer.to_json(),
            "scaler": self.scaler and self.scaler.to_json(),
        }
        write_text(Path(path), json.dumps(state, allow_nan=False))

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        DataError
            If the file is not a normaliser, or a newer version wrote it.
        """
        path = Path(path)
        state = read_json(path)
        schema = state.pop("schema", None)
        if schema is None:
            raise DataError(f"{path} is not a saved normaliser: it names no schema")
        if schema != SCHEMA:
            raise DataError(
                f"{path}: saved with normaliser schema {schema}, this version reads {SCHEMA}; "
                "install the tybalt_like version that wrote it"
            )
        with sound(path):
            normaliser = cls._from_state(state)
            normaliser._check(path)
        return normaliser

    def _check(self, path: Path) -> None:
        """Refuse parts that do not fit each other; `path` stands in the message."""
        genes, read = len(self.genes), len(self.read_genes)
        if len(set(self.read_genes)) != read or not set(self.genes) <= set(self.read_genes):
            raise ValueError("genes that were not read")
        if any(len(ids) != read for ids in self.ids.values()):
            raise ValueError("another number of ids than of genes")
        if not all(isinstance(gene, str) for gene in self.read_genes):
            raise TypeError("genes that have no name")
        if self.scale not in FAMILY:
            raise ValueError("values of an unknown scale")
        if not np.isfinite(self.median_g).all():
            raise ValueError("medians that are no numbers")
        check_axes({"median_g": self.median_g}, path, g=genes)
        for step in (self.imputer, self.scaler, *self.sample_steps):
            if step is not None:
                arrays = {k: v for k, v in vars(step).items() if isinstance(v, np.ndarray)}
                check_axes(arrays, path, g=read if isinstance(step, SampleTransform) else genes)
        if self.batches is not None:
            offsets = {"offset_bg": self.batches.offset_bg}
            check_axes(offsets, path, b=len(self.batches.batches), g=genes)

    @classmethod
    def _from_state(cls, state: dict[str, Any]) -> Self:
        step = Transform.from_json
        return cls(
            **state
            | {
                "settings": Normalisation.configure(**state["settings"]),
                "read_genes": tuple(state["read_genes"] or state["genes"]),
                "ids": {name: tuple(values) for name, values in state["ids"].items()},
                "choices": {gene: Choice(**choice) for gene, choice in state["choices"].items()},
                "sample_steps": tuple(map(step, state["sample_steps"])),
                "genes": tuple(state["genes"]),
                "batches": state["batches"] and BatchOffsets.from_json(state["batches"]),
                "median_g": np.array(state["median_g"]),
                "imputer": state["imputer"] and step(state["imputer"]),
                "scaler": state["scaler"] and step(state["scaler"]),
                "notes": tuple(state["notes"]),
            }
        )


class Piece(NamedTuple):
    """Some samples, selected genes: normalised, and as they were read."""

    x_ng: Floats
    as_read_ng: Floats


class _Application:
    """A `Normaliser` and samples that it can be applied to.

    Raises
    ------
    DataError
        If too many trained genes are missing, the scale contradicts that of training, or a batch
        is unknown.
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
        batches = normaliser.batches
        self.batch_n = batches.numbers(adata) if batches else np.empty(0, np.intp)

    def on(self, adata: AnnData | None) -> Self:
        """The same of the same samples, held elsewhere."""
        moved = copy(self)
        moved.adata = adata
        return moved

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

    def pieces(self, span: tuple[int, int] | None = None) -> Iterator[Piece]:
        """All samples, or those of a span, some at a time.

        Raises
        ------
        DataError
            If values are missing or infinite.
        """
        normaliser, absent_g = self.normaliser, self.selected.absent_g
        batches, batch_n = normaliser.batches, self.batch_n
        start, stop = span or (0, self.adata.n_obs)
        for x_nv in row_chunks(self.adata, np.arange(start, stop)):
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

    def stored(
        self, span: tuple[int, int] | None = None, *, counts: bool
    ) -> Iterator[tuple[NDArray[np.floating], Any]]:
        """The same as `write_pieces` takes it."""
        for piece in self.pieces(span):
            yield piece.x_ng, self.as_stored(piece.as_read_ng) if counts else None

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
        told = recorded(self.adata).get(keys.SCALE)
        found = Detected(**told) if told else detect(spread_rows(self.adata))
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


def _stored_of(
    adata: AnnData, common: tuple[_Application, bool], span: tuple[int, int]
) -> list[tuple[NDArray[np.floating], Any]]:
    """What is written of a span of samples, in the precision in which it is."""
    application, counts = common
    pieces = application.on(adata).stored(span, counts=counts)
    return [(x_ng.astype(np.float32), as_read) for x_ng, as_read in pieces]
