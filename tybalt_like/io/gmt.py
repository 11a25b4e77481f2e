"""Gene sets in GMT files: one set a line, tab-separated: name, description, genes. Some are
known by name."""

from __future__ import annotations

from pathlib import Path

from tybalt_like.core.errors import DataError
from tybalt_like.io.datasets import fetch, registry
from tybalt_like.io.source import Source


def gene_set_file(path: str | Path) -> Path:
    """The GMT file of that path, or that of the registry's gene sets of that name, fetched if need
    be.

    Raises
    ------
    DataError
        If it is neither, or cannot be fetched.
    """
    known = [name for name, entry in registry().items() if entry.kind == "gene sets"]
    if Path(path).expanduser().exists() or str(path) == "-":
        return Path(path)
    if str(path) not in known:
        raise DataError(
            f"{path}: no such file, and no known gene sets; known are {', '.join(known)}"
        )
    return fetch(str(path))


def read_gmt(path: str | Path) -> dict[str, tuple[str, ...]]:
    """Gene sets by name, each with its genes in the order of the file, none twice.

    Parameters
    ----------
    path
        A file, or the name of gene sets in the registry: ``hallmark``, ``reactome_2022``.

    Raises
    ------
    DataError
        If the file is neither here nor known by name, or damaged, or a line is no gene set;
        it names the line.
    """
    source = Source(gene_set_file(path))
    sets: dict[str, tuple[str, ...]] = {}
    lines = b"".join(source.blocks()).decode("utf-8", errors="replace").split("\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        name, *rest = (field.strip() for field in line.split("\t"))
        genes = tuple(dict.fromkeys(gene for gene in rest[1:] if gene))
        if not name or not genes:
            raise DataError(
                f"{source.name}, line {number}: no gene set; a GMT line is a name, a description "
                "and genes, separated by tabs"
            )
        if name in sets:
            raise DataError(f"{source.name}, line {number}: gene set {name!r} occurs twice")
        sets[name] = genes
    if not sets:
        raise DataError(f"{source.name}: no gene sets in it")
    return sets
