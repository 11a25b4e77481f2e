"""From one kind of gene identifier to another, with every loss told."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tybalt_like.core.errors import DataError
from tybalt_like.core.provenance import record
from tybalt_like.genes.human_genes import Kind, human
from tybalt_like.genes.names import clean

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True)
class Mapped:
    """What became of each name.

    Attributes
    ----------
    names
        New names in the order of the old ones; None where there is none.
    kind
        Kind of identifier that was recognised.
    notes
        What was cleaned and what was lost, in words.
    """

    names: tuple[str | None, ...]
    kind: Kind
    notes: tuple[str, ...]


def convert(names: Sequence[str], *, to: Kind) -> Mapped:
    """Map human gene names, cleaned first, to one kind of identifier.

    Symbols are looked up among the current ones, then among the aliases that stand for one gene.

    Raises
    ------
    DataError
        If fewer than three in ten of the names are human symbols, Entrez ids or Ensembl ids.
    """
    cleaned, table = clean(names), human()
    kind = table.kind(cleaned.names)
    if kind is None:
        raise DataError(
            f"the gene names ({', '.join(names[:3])}, ...) are no human symbols, Entrez or Ensembl "
            "ids, so they cannot be mapped"
        )
    aliases = table.aliases if kind == "symbol" else {}
    rows = [table.rows[kind].get(name, aliases.get(name, -1)) for name in cleaned.names]
    found = [table.names[to][row] or None if row >= 0 else None for row in rows]
    return Mapped(tuple(found), kind, cleaned.notes + _losses(cleaned.names, rows, found, kind, to))


def _losses(
    names: Sequence[str],
    rows: Sequence[int],
    found: Sequence[str | None],
    kind: Kind,
    to: Kind,
) -> tuple[str, ...]:
    """One sentence for each way in which genes were renamed, lost or merged."""
    current = human().rows[kind]
    pairs = list(zip(names, rows, found, strict=True))
    by_alias = [f"{name} -> {new}" for name, _, new in pairs if new and name not in current]
    unknown = [name for name, row, _ in pairs if row < 0]
    lacking = [name for name, row, new in pairs if row >= 0 and not new]
    kept = [new for new in found if new]
    merged = len(kept) - len(set(kept))
    told = [f"gene names mapped from {kind} to {to}: {len(kept):,} of {len(names):,}"]
    for what, which in (
        ("mapped through an alias", by_alias),
        (f"not known as {kind}, dropped", unknown),
        (f"known, but without {to}, dropped", lacking),
    ):
        if which:
            shown = ", ".join(which[:5]) + (", ..." if len(which) > 5 else "")
            told.append(f"{what}: {len(which):,} ({shown})")
    if merged:
        told.append(f"mapped to a gene that another name is mapped to as well: {merged:,}")
    return tuple(told)


def rename(adata: AnnData, *, to: Kind | None = None) -> AnnData:
    """A copy with cleaned gene names, or with names of another kind.

    Parameters
    ----------
    adata
        Samples x genes.
    to
        Map to this kind of identifier, for human genes; genes without one are dropped. None only
        cleans.

    Returns
    -------
    AnnData
        New. What was changed and lost is recorded in ``uns["tybalt_like"]`` under ``gene_names``.
        Several genes may share a name afterwards; the normaliser has a rule for them.

    Raises
    ------
    DataError
        If the names cannot be mapped.
    """
    old = list(adata.var_names.astype(str))
    names: Sequence[str | None]
    if to is None:
        cleaned = clean(old)
        names, notes = cleaned.names, cleaned.notes
    else:
        mapped = convert(old, to=to)
        names, notes = mapped.names, mapped.notes
    kept = np.array([name is not None for name in names])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*names are not unique")  # told in the notes
        result = adata.copy() if kept.all() else adata[:, kept].copy()
    result.var_names = [name for name in names if name is not None]
    record(result, gene_names=list(notes))
    return result
