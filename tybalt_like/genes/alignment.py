"""Where the genes of a trained list lie in another matrix: by name, then by id, then by alias."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from tybalt_like.genes.human_genes import human
from tybalt_like.genes.names import clean, is_placeholder

if TYPE_CHECKING:
    from anndata import AnnData

Places = dict[str, list[int]]


@dataclass(frozen=True)
class Alignment:
    """Columns of a matrix that hold the genes of a list.

    Attributes
    ----------
    columns
        For each gene of the list its columns: none if it is missing, several if the matrix has
        copies of it.
    renamed
        Genes found under another name: the name in the list and that in the matrix.
    """

    columns: tuple[tuple[int, ...], ...]
    renamed: dict[str, str] = field(default_factory=dict)


def align(
    adata: AnnData, genes: Sequence[str], *, ids: Mapping[str, Sequence[str]] | None = None
) -> Alignment:
    """Find genes in a matrix; see `align_table`."""
    return align_table(adata.var, genes, ids=ids)


def align_table(
    var: pd.DataFrame, genes: Sequence[str], *, ids: Mapping[str, Sequence[str]] | None = None
) -> Alignment:
    """Find genes: by name; by cleaned name or id columns of ``var``; as the same human gene under
    another kind of identifier; and last by aliases that stand for one gene only.

    No column is used for two genes. Placeholders (``unknown_90288``) identify nothing, unless the
    matrix holds every gene of the list under its very name: then it is laid out as the list is.

    Parameters
    ----------
    var
        Genes to look among, a row each, by name; columns may hold further identifiers.
    genes
        Names to look for.
    ids
        Further identifiers of these genes, as `identifiers` gives them.
    """
    names = list(var.index.astype(str))
    places = _places(names)
    found = [places.get(gene, []) for gene in genes]
    if not all(found):
        found = [[] if is_placeholder(g) else at for g, at in zip(genes, found, strict=True)]
        used = {column for columns in found for column in columns}
        wanted = [_named(labels) for labels in (clean(genes).names, *(ids or {}).values())]
        offered = [clean(names).names, *identifiers(var).values()]
        offered = [_named(labels) for labels in offered]
        _find_more(found, used, wanted, offered)
        if not all(found):
            for how in ("first id", "any id", "alias"):
                _find_more(
                    found,
                    used,
                    [_keys(labels, how) for labels in wanted],
                    [_keys(labels, how) for labels in offered],
                )
    renamed = {
        gene: names[columns[0]]
        for gene, columns in zip(genes, found, strict=True)
        if columns and names[columns[0]] != gene
    }
    return Alignment(tuple(map(tuple, found)), renamed)


def search_terms(
    genes: Sequence[str], ids: Mapping[str, Sequence[str]] | None = None
) -> dict[str, Any]:
    """All that `align_table` looks for, as plain values, for a page that does the same.

    Returns
    -------
    dict
        ``names``: the genes; ``labels``: their cleaned names and further identifiers, a list for
        each kind; ``same``: for the three ways to find the same human gene under another
        identifier, ``keys`` (of every label, empty if none) and ``rows`` (of the identifiers of
        these genes alone, by kind: the key that each stands for).
    """
    table = human()
    labels = [_named(several) for several in (clean(genes).names, *(ids or {}).values())]
    same = {}
    for how in ("first id", "any id", "alias"):
        keys = [_keys(several, how) for several in labels]
        used, rows = {key for several in keys for key in several}, dict[str, dict[str, str]]()
        for kind, by_label in table.rows.items():
            known = table.aliases | by_label if (how, kind) == ("alias", "symbol") else by_label
            rows[kind] = {
                label: str(row)
                for label, row in known.items()
                if str(row) in used and (how != "first id" or table.names[kind][row] == label)
            }
        same[how] = {"keys": keys, "rows": rows}
    return {"names": list(genes), "labels": labels, "same": same}


def names_in(adata: AnnData, genes: Sequence[str]) -> list[str]:
    """What the matrix calls those genes of a list that it holds."""
    found = align(adata, genes).columns
    return [str(adata.var_names[column]) for columns in found for column in columns]


def identifiers(var: pd.DataFrame) -> dict[str, list[str]]:
    """Columns of a gene table that identify genes; missing values become empty.

    They hold text, or numbers that are called Entrez ids, and differ in nine genes of ten; two in
    five are enough if they are known human identifiers, because several probes measure a gene.
    """
    found = {}
    for name, column in var.items():
        if pd.api.types.is_numeric_dtype(column) and "entrez" not in str(name).lower():
            continue
        number = pd.api.types.is_numeric_dtype(column)
        texts = (column.astype("Int64") if number else column).astype("string").fillna("").tolist()
        share = len(set(texts) - {""}) / max(1, len(texts))
        if share >= 0.9 or (share >= 0.4 and human().kind(clean(texts).names)):
            found[str(name)] = list(clean(texts).names)
    return found


def _named(labels: Iterable[str]) -> list[str]:
    """Labels, empty where they are placeholders."""
    return ["" if is_placeholder(label) else label for label in labels]


def _places(names: Iterable[str]) -> Places:
    """Columns by name; empty names are nobody's."""
    places: Places = {}
    for column, name in enumerate(names):
        if name:
            places.setdefault(name, []).append(column)
    return places


def _find_more(
    found: list[list[int]],
    used: set[int],
    wanted: Sequence[Sequence[str]],
    offered: Sequence[Sequence[str]],
) -> None:
    """Fill in the genes not found yet whose label, of any kind, is a label of an unused column.

    A label that several of the wanted genes share stands for none of them.
    """
    for theirs in offered:
        places = _places(theirs)
        for ours in wanted:
            times = Counter(ours)
            for i, label in enumerate(ours):
                if not found[i] and times[label] == 1:
                    found[i] = [c for c in places.get(label, ()) if c not in used]
                    used.update(found[i])


def _keys(labels: Sequence[str], how: str) -> list[str]:
    """Row of each label in the table of human genes, as text; empty if it has none.

    Of the several Ensembl ids of a gene, the first is that of the primary assembly more often
    than not; the others are copies on alternative haplotypes, mostly without counts.
    """
    table = human()
    kind = table.kind(labels)
    if kind is None:
        return [""] * len(labels)
    rows = [table.rows[kind].get(label, -1) for label in labels]
    if how == "first id":
        names = [table.names[kind][row] for row in rows]
        rows = [r if n == label else -1 for r, n, label in zip(rows, names, labels, strict=True)]
    if how == "alias" and kind == "symbol":
        known = table.aliases | table.rows[kind]
        rows = [known.get(label, -1) for label in labels]
    return [str(row) if row >= 0 else "" for row in rows]
