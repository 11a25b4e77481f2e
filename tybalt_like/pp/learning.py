"""Learning a normalisation from the training rows, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tybalt_like import genes
from tybalt_like.core.errors import DataError
from tybalt_like.core.messages import some
from tybalt_like.pp.batches import BatchOffsets, column
from tybalt_like.pp.columns import for_training
from tybalt_like.pp.matrix import Floats, spread_rows
from tybalt_like.pp.scale import FAMILY, Detected, Scale, detect
from tybalt_like.pp.select import STATISTICS, dispersion, median, most_variable, spread
from tybalt_like.pp.settings import Normalisation
from tybalt_like.pp.training_rows import TrainingRows, row_numbers
from tybalt_like.pp.transforms.base import GeneTransform, SampleTransform, Transform
from tybalt_like.pp.transforms.log import Log1p, Log2
from tybalt_like.pp.transforms.quantile import Quantile

if TYPE_CHECKING:
    from anndata import AnnData

    from tybalt_like.pp.cluster import Cluster

ARRAY_FLOOR = 20.0
"""Floor of raw array intensities before the logarithm, as is usual for Affymetrix' average
difference values (Golub et al., Science 286:531, 1999): what lies below is background."""


def fitted(
    adata: AnnData,
    settings: Normalisation,
    train: ArrayLike,
    *,
    memory: float,
    cluster: Cluster | None = None,
) -> dict[str, Any]:
    """The fields of a fitted `Normaliser`; `memory` in gigabytes."""
    from tybalt_like.io.not_genes import left_out, not_genes

    rows_n = row_numbers(train)
    names, columns, choices = for_training(adata, rows_n, settings.duplicates)
    x_nv = spread_rows(adata, rows_n)
    found = detect(x_nv)
    if settings.units != "auto":
        found = Detected(settings.units, "set by normalize.units")
    batches, batch_n = _batches(adata, rows_n, settings.centre_by)
    rows = TrainingRows(
        adata,
        rows_n,
        columns,
        batch_n=batch_n,
        gaps=settings.missing != "refuse",
        limit=max(1, int(memory * 1e9 / 4)),
        chosen_g=np.arange(len(names)),
        cluster=cluster,
    )
    for step in _sample_transforms(settings, found, x_nv):
        rows = rows.after(step.fit(rows) if isinstance(step, type) else step)
    chosen_g, notes = _chosen(rows, names, settings, found)
    if (others := not_genes(adata.var_names.astype(str))).any():
        notes.insert(0, left_out(list(adata.var_names[others])))
    rows = rows.of_genes(chosen_g)
    chosen = tuple(names[g] for g in chosen_g)
    reads_g = np.arange(len(names)) if rows.whole else chosen_g
    ids = genes.identifiers(adata.var.iloc[columns.column_g[reads_g]])
    return {
        "settings": settings,
        "scale": found.scale,
        "read_genes": tuple(names) if rows.whole else chosen,
        "ids": {name: tuple(values) for name, values in ids.items()},
        "choices": choices,
        "sample_steps": rows.steps,
        "genes": chosen,
        "batches": replace(batches, offset_bg=rows.batch_offsets()) if batches else None,
        "median_g": rows.per_gene(median),
        "imputer": _imputer(rows, settings.missing),
        "scaler": _gene_step(rows, settings.scale),
        "notes": tuple(notes),
    }


def suited(scale: Scale) -> dict[str, Any]:
    """Settings that ``"auto"``, and no floor, stand for with values on that scale."""
    library = "cpm" if scale == "counts" else "none"
    usual = {"library": library, "log": "yes" if FAMILY[scale] in ("counts", "linear") else "no"}
    return usual | ({"floor": ARRAY_FLOOR} if scale == "raw_intensity" else {})


def _batches(
    adata: AnnData, rows_n: NDArray[np.intp], name: str | None
) -> tuple[BatchOffsets | None, NDArray[np.intp] | None]:
    """The batches of the training rows, their offsets still unknown, and each row's batch."""
    if name is None:
        return None, None
    labels_n = np.array(column(adata, name))[rows_n]
    batches, batch_n = np.unique(labels_n, return_inverse=True)
    return BatchOffsets(name, tuple(map(str, batches)), np.empty(0)), batch_n


def _chosen(
    rows: TrainingRows, names: Sequence[str], settings: Normalisation, found: Detected
) -> tuple[NDArray[np.intp], list[str]]:
    """Numbers of the selected genes, and what was left out, in words."""
    if settings.select == "all":
        return rows.chosen_g, []

    def facts(x_np: Floats) -> Floats:
        gap_np = np.isnan(x_np)
        some_p = ~gap_np.all(axis=0)
        x_np = np.where(some_p, x_np, 0)
        varies_p = some_p & spread(np.nanmin(x_np, axis=0), np.nanmax(x_np, axis=0))
        statistic = STATISTICS.get(settings.select, STATISTICS["variance"])
        return np.stack([statistic(x_np), varies_p, gap_np.any(axis=0)])

    statistic_g, varies_g, gap_g = rows.per_gene(facts)
    usable_g = varies_g.astype(bool)
    notes = []
    if not usable_g.all():
        notes.append(f"genes without variation in training, left out: {(~usable_g).sum():,}")
    if settings.missing == "drop_genes" and gap_g.any():
        notes.append(f"genes with missing values in training, left out: {int(gap_g.sum()):,}")
        usable_g &= gap_g == 0
    if not usable_g.any():
        raise DataError("no gene varies among the training samples; nothing can be learned")
    if settings.genes:
        chosen_g, lacking = _listed(rows.adata, names, settings)
        notes += [f"genes of the list that the matrix lacks: {some(lacking)}"] * bool(lacking)
        return chosen_g[usable_g[chosen_g]], notes
    if settings.select == "dispersion":
        if found.scale != "counts":
            raise DataError(
                f"normalize.select is 'dispersion', which needs counts; the values look "
                f"{found.scale} ({found.evidence})"
            )
        statistic_g = dispersion(replace(rows, steps=()))
    chosen_g = most_variable(statistic_g, usable_g, settings.n_genes)
    if settings.keep:
        place = {name: g for g, name in enumerate(names)}
        kept_g = np.array([place[n] for n in genes.names_in(rows.adata, settings.keep)], np.intp)
        more_g = kept_g[usable_g[kept_g] & ~np.isin(kept_g, chosen_g)]
        chosen_g = np.concatenate([chosen_g, more_g])
    return chosen_g, notes


def _listed(
    adata: AnnData, names: Sequence[str], settings: Normalisation
) -> tuple[NDArray[np.intp], list[str]]:
    """Numbers of the genes of a given list, and those that the matrix lacks."""
    place = {name: g for g, name in enumerate(names)}
    found = genes.align(adata, settings.genes).columns
    lacking = [gene for gene, at in zip(settings.genes, found, strict=True) if not at]
    if len(lacking) > settings.max_missing * len(found):
        raise DataError(
            f"{len(lacking):,} of the {len(found):,} genes in normalize.genes are not in the "
            f"matrix ({some(lacking)}); are these the same kind of gene identifier?"
        )
    numbers = [place[str(adata.var_names[at[0]])] for at in found if at]
    return np.array(list(dict.fromkeys(numbers)), dtype=np.intp), lacking


def _imputer(rows: TrainingRows, name: str) -> GeneTransform | None:
    """The fitted imputer, which keeps all training values."""
    if name in Transform.registry and len(rows.rows_n) * len(rows.chosen_g) > rows.limit:
        raise DataError(
            f"normalize.missing = {name!r} would keep {len(rows.rows_n):,} x "
            f"{len(rows.chosen_g):,} training values in memory; set it to 'median'"
        )
    return _gene_step(rows, name)


def _gene_step(rows: TrainingRows, name: str) -> GeneTransform | None:
    """The fitted transform of that name; None if the setting names none."""
    kind = Transform.registry.get(name)
    if kind is None:
        return None
    assert issubclass(kind, GeneTransform)
    return rows.fit(kind)


def _sample_transforms(
    settings: Normalisation, found: Detected, x_ng: Floats
) -> list[type[SampleTransform] | Transform]:
    """Transforms before the selection of genes, in order; classes are still to be fitted.

    Parameters
    ----------
    found
        Scale of the training values.
    x_ng
        Some of them.

    Raises
    ------
    DataError
        If a logarithm is asked for of values on a log scale, or library sizes of values that are
        no counts, or nearly all values lie below the floor.
    """
    linear = FAMILY[found.scale] in ("counts", "linear")
    steps: list[type[SampleTransform] | Transform] = []
    usual = suited(found.scale)
    library = usual["library"] if settings.library == "auto" else settings.library
    if library != "none":
        if not linear or found.scale == "raw_intensity":
            raise DataError(
                f"normalize.library is {library!r}, but the values look {found.scale} "
                f"({found.evidence}); set normalize.library to 'none'"
            )
        kind = Transform.registry[library]
        assert issubclass(kind, SampleTransform)
        steps.append(kind)
    if not linear and settings.log in ("yes", "log1p"):
        raise DataError(
            f"normalize.log is {settings.log!r}, but the values look {found.scale} already "
            f"({found.evidence}); leave normalize.log at 'auto', or overrule with normalize.units"
        )
    if linear and settings.log != "no":
        floor = settings.floor or usual.get("floor", 0.0)
        _check_floor(floor, x_ng)
        steps.append(Log1p(floor) if settings.log == "log1p" else Log2(floor))
    if settings.quantile:
        steps.append(Quantile)
    return steps


def _check_floor(floor: float, x_ng: Floats) -> None:
    share = float(np.mean(x_ng[np.isfinite(x_ng)] <= floor)) if floor else 0.0
    if share > 0.9:
        raise DataError(
            f"{share:.0%} of the values lie below the floor of {floor:g} and would become one "
            "value; set normalize.floor lower"
        )
