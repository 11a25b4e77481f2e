"""What latent features mean: a card for each."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like import interpretation
from tybalt_like.core import keys
from tybalt_like.core.errors import DataError
from tybalt_like.core.provenance import recorded
from tybalt_like.genes import identifiers, symbols
from tybalt_like.genes.gene_sets import GeneSets
from tybalt_like.genes.human_genes import chromosome_sets
from tybalt_like.interpretation import Axes, Direction
from tybalt_like.models import Model
from tybalt_like.pp.split import recorded_groups
from tybalt_like.tl.fit import in_split, latent
from tybalt_like.tl.gene_effects import codes, gene_effects, own_axes
from tybalt_like.tl.rotate import rotate

if TYPE_CHECKING:
    from anndata import AnnData

Array = NDArray[np.float64]
Axis = Literal["own", "varimax", "ica"]
DIRECTION = "direction"
"""Kind of features that were made for a label."""
RANDOM, RANDOM_EACH = 1000, 20
"""Random directions that gene sets are compared with, at least, and for each feature."""
STILL = 1e-6
"""Features that change genes less than that share of what the largest one does are not used."""
TOP = 10
"""Genes of each tail that are kept, where fewer have a high weight."""
SHOWN = 5
"""Genes of each tail that a card names."""


@dataclass(frozen=True)
class Features:
    """What is known of every latent feature.

    Attributes
    ----------
    model
        Name of the model.
    turned
        Whose axes they are: ``"own"``, or how the model's were turned.
    axes
        How features are read off codes.
    scores
        Samples x features, in standard deviations of the training samples.
    cards
        A row per feature that the model makes use of: ``name``, ``kind`` and ``why`` (empty where
        nothing speaks for a name);
        ``share`` of the variance of the genes that goes with it; ``found`` (share of the other
        trainings that found it too; NaN where there are none), ``similarity`` and ``twin``
        (another feature with nearly the same genes); ``up`` and ``down``, the first genes of both
        tails.
    genes
        A row per feature and gene of a tail, with its ``symbol``: ``effect``, change of the gene
        when the feature rises by one standard deviation; ``z``, the same less the mean of all
        genes, in their standard deviations; ``high``, whether beyond 2.5 of those, as in Tybalt's
        paper.
    associations
        `interpretation.associations` with sample columns.
    sets
        `interpretation.enrichment`; empty where no gene set fits.
    """

    model: str
    turned: Axis
    axes: Axes
    scores: pd.DataFrame
    cards: pd.DataFrame
    genes: pd.DataFrame = field(repr=False)
    associations: pd.DataFrame = field(repr=False)
    sets: pd.DataFrame = field(repr=False)


class _Read(NamedTuple):
    """The features of one training that change any gene: their names, scores of all samples (n, j)
    and gene effects (j, g); and the axes of all."""

    names: list[str]
    score_nj: Array
    effect_jg: Array
    axes: Axes


def features(
    adata: AnnData,
    model: Model,
    *,
    turned: Literal["auto"] | Axis = "auto",
    again: Sequence[Model] = (),
    directions: Sequence[Direction] = (),
    sets: Mapping[str, Collection[str]] | None = None,
    unit_g: NDArray[np.floating] | None = None,
    seed: int = 0,
) -> Features:
    """Say what every latent feature means, with the evidence for it; `adata` stays as it is.

    Parameters
    ----------
    adata
        Normalised, with the split and the latents of `model` (`tl.fit`, `tl.latent`). Features
        are compared with the columns of ``obs``, and with what the matrix itself tells of samples
        where it is there (``obsm["tybalt_measured"]``).
    model
        The encoder.
    turned
        ``"own"``: the model's axes; ``"varimax"`` or ``"ica"``: turned ones (`tl.rotate`);
        ``"auto"``: turned by varimax where the model's own are arbitrary.
    again
        The model trained with other seeds (`tl.trained_again`): only features that most of them
        found too get a name.
    directions
        Made for a label (`tl.direction`), which get a card like any other feature.
    sets
        Gene sets (`io.read_gmt`); those of human chromosomes, which tell gains and losses, are
        always among them.
    unit_g
        One unit of the scale of each gene, in those that effects are told in; of genes between 0
        and 1 their range.
    seed
        Of the samples and directions that are drawn.

    Raises
    ------
    DataError
        If there is no split, the model has not been applied, or no gene set fits the genes.
    """
    if turned == "auto":
        turned = "own" if model.readable_axes else "varimax"
    mine = _read(adata, model, turned, seed=seed)
    others = [_of_other(adata, one, turned, seed=seed) for one in again]
    own, genes = mine.names, list(adata.var_names)
    symbol = symbols(adata.var)
    unit = 1.0 if unit_g is None else unit_g
    stable = interpretation.stability(
        mine.effect_jg * unit, [other_jg * unit for other_jg in others], names=own, seed=seed
    )
    everything = _with(mine, directions, adata, model, seed=seed)
    names = everything.names
    nearest = interpretation.redundancy(everything.effect_jg * unit, names=names)
    table = interpretation.tail_genes(everything.effect_jg, features=names, genes=genes, n_top=TOP)
    table["symbol"] = table["gene"].map(symbol)
    if unit_g is not None:
        table["effect"] *= table["gene"].map(dict(zip(genes, unit_g, strict=True))).astype(float)
    associated = _associated(adata, everything)
    enriched = pd.DataFrame()
    if (within := _gene_sets(adata, sets)) is not None:
        n_random = max(RANDOM, RANDOM_EACH * len(own))
        enriched = interpretation.enrichment(
            everything.effect_jg,
            within,
            features=names,
            random_rg=interpretation.random_effects(mine.effect_jg, n=n_random, seed=seed),
        )
        enriched["leading_edge"] = [
            " ".join(symbol[gene] for gene in text.split()) for text in enriched["leading_edge"]
        ]
    named = interpretation.names(
        table.assign(gene=table["symbol"]), associated, enriched, stability=stable
    )
    for one in directions:
        named.loc[one.axes.names[0]] = _made(one)
    cards = named.join(stable).join(_twins(nearest)).join(_first_genes(table))
    cards.insert(3, "share", _share(adata, everything.effect_jg))
    return Features(
        model=model.name,
        turned=turned,
        axes=mine.axes,
        scores=pd.DataFrame(everything.score_nj, index=adata.obs_names, columns=names),
        cards=cards,
        genes=table,
        associations=associated,
        sets=enriched,
    )


def column_associations(
    adata: AnnData, model: Model, *, turned: Axis = "varimax", seed: int = 0
) -> pd.DataFrame:
    """`Features.associations` alone; see `features`."""
    return _associated(adata, _read(adata, model, turned, seed=seed))


def _associated(adata: AnnData, read: _Read) -> pd.DataFrame:
    return interpretation.associations(
        read.score_nj, _columns(adata), features=read.names, group_n=recorded_groups(adata)
    )


def _read(adata: AnnData, model: Model, turned: Axis, *, seed: int) -> _Read:
    if turned == "own":
        axes = own_axes(adata, model)
    else:
        axes = rotate(_scratch(adata, model), model, how=turned, seed=seed)
    effect_jg = gene_effects(adata, model, axes=axes, seed=seed).to_numpy()
    size_j = np.linalg.norm(effect_jg, axis=1)
    used_j = size_j > STILL * size_j.max(initial=0)
    names = [name for name, used in zip(axes.names, used_j, strict=True) if used]
    return _Read(names, axes.scores(codes(adata, model))[:, used_j], effect_jg[used_j], axes)


def _with(
    mine: _Read, directions: Sequence[Direction], adata: AnnData, model: Model, *, seed: int
) -> _Read:
    """The features and, below them, directions."""
    z_nk, found = codes(adata, model), mine
    for one in directions:
        effects = gene_effects(adata, model, axes=one.axes, seed=seed)
        found = _Read(
            [*found.names, *one.axes.names],
            np.hstack([found.score_nj, one.axes.scores(z_nk)]),
            np.vstack([found.effect_jg, effects.to_numpy()]),
            found.axes,
        )
    return found


def _made(one: Direction) -> dict[str, str]:
    """What the card of a direction says."""
    label = one.axes.names[0]
    why = (
        f"Made to tell {label} from others ({one.n_second} and {one.n_first} samples): AUROC "
        f"{one.auroc.value:.2f} (standard error {one.auroc.standard_error:.2f}), cross-validated"
    )
    return {"name": label, "why": why, "kind": DIRECTION}


def _of_other(adata: AnnData, model: Model, turned: Axis, *, seed: int) -> Array:
    """Gene effects of another training."""
    scratch = _scratch(adata, model)
    latent(scratch, model)
    return _read(scratch, model, turned, seed=seed).effect_jg


def _gene_sets(adata: AnnData, sets: Mapping[str, Collection[str]] | None) -> GeneSets | None:
    """The sets that are given, and those of chromosomes, which tell gains and losses; None where
    genes belong to no known set."""
    genes, ids = list(adata.var_names), identifiers(adata.var)
    if sets is not None:
        GeneSets.within(genes, sets, ids=ids)  # these at least must fit
    try:
        return GeneSets.within(genes, {**chromosome_sets(), **(sets or {})}, ids=ids)
    except DataError:
        return None


def _scratch(adata: AnnData, model: Model) -> AnnData:
    """A copy to write on, which shares the matrix."""
    key = keys.latent(model.name)
    obsm = {key: adata.obsm[key]} if key in adata.obsm else {}
    return type(adata)(adata.X, obs=adata.obs, var=adata.var[[]], obsm=obsm, uns=dict(adata.uns))


def _columns(adata: AnnData) -> pd.DataFrame:
    """Sample columns, and what the matrix itself tells."""
    scores = recorded(adata).get(keys.SCORE_COLUMNS, [])
    columns: pd.DataFrame = adata.obs.drop(columns=[name for name in scores if name in adata.obs])
    if keys.MEASURED not in adata.obsm:
        return columns
    measured: pd.DataFrame = adata.obsm[keys.MEASURED]
    return columns.join(measured.drop(columns=columns.columns, errors="ignore"))


def _share(adata: AnnData, effect_jg: Array) -> Array:
    """Of the variance of the training samples that goes with each feature."""
    x_ng = np.asarray(adata.X)[in_split(adata, keys.TRAIN)]
    variance = float(x_ng.var(0, dtype=np.float64).sum())
    return np.asarray(np.square(effect_jg).sum(1) / max(variance, 1e-300))


def _twins(nearest: pd.DataFrame) -> pd.Series:
    """The feature whose genes are nearly the same, where there is one."""
    twin = nearest["nearest"].where(nearest["similarity"].abs() > interpretation.SAME)
    return twin.rename("twin")


def _first_genes(table: pd.DataFrame) -> pd.DataFrame:
    """The first genes of both tails, as text."""
    first = table[table["rank"] <= SHOWN].pivot_table(
        index="feature", columns="tail", values="symbol", aggfunc=", ".join
    )
    return first.rename(columns={"high": "up", "low": "down"})[["up", "down"]]
