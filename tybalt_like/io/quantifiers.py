"""Tables of programs that count reads: one sample in a file, or a folder of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tybalt_like.core.errors import DataError
from tybalt_like.io.format import Format
from tybalt_like.io.grid import Grid
from tybalt_like.io.layout import Layout, decoded
from tybalt_like.io.source import Source
from tybalt_like.io.table import read_body


@dataclass(frozen=True)
class Quantifier:
    """A program that counts reads.

    Parameters
    ----------
    name
        Of the program.
    start
        How its files begin.
    ending
        How their names end, in a folder of them or one folder below.
    counts
        The column of (estimated) counts.
    """

    name: str
    start: bytes
    ending: str
    counts: str


_SALMON = b"Name\tLength\tEffectiveLength\tTPM\tNumReads"
QUANTIFIERS = (
    Quantifier("STAR", b"N_unmapped\t", "ReadsPerGene.out.tab", ""),
    Quantifier("RSEM", b"gene_id\ttranscript_id(s)\t", "genes.results", "expected_count"),
    Quantifier("RSEM", b"transcript_id\tgene_id\t", "isoforms.results", "expected_count"),
    Quantifier("salmon", _SALMON, "quant.genes.sf", "NumReads"),
    Quantifier("salmon", _SALMON, "quant.sf", "NumReads"),
    Quantifier("kallisto", b"target_id\tlength\teff_length\t", "abundance.tsv", "est_counts"),
)
"""Where a folder holds both genes and transcripts, genes come first."""

_STRANDS = ("unstranded", "forward", "reverse")


def _recognised(source: Source) -> bool:
    return _quantifier(source) is not None


def _quantifier(source: Source) -> Quantifier | None:
    return next(
        (
            quantifier
            for quantifier in QUANTIFIERS
            if source.head.startswith(quantifier.start)
            or (source.is_folder and _files(source.path, quantifier))
        ),
        None,
    )


def _files(folder: Path, quantifier: Quantifier) -> list[Path]:
    """In the folder or one below; `.gz` and the like may follow."""
    ending = re.compile(re.escape(quantifier.ending) + r"(\.\w+)?$")
    found = (*folder.glob("*"), *folder.glob("*/*"))
    return sorted(path for path in found if ending.search(path.name) and path.is_file())


def _read(source: Source) -> Grid:
    quantifier = _quantifier(source)
    assert quantifier is not None
    files = _files(source.path, quantifier) if source.is_folder else [source.path]
    tables = [_table(Source(file), quantifier) for file in files]
    genes = tables[0].rows
    for file, table in zip(files, tables, strict=True):
        if table.rows != genes:
            raise DataError(
                f"{file}: its {len(table.rows)} names are not the {len(genes)} of {files[0]}; "
                "count all samples with the same annotation"
            )
    notes = [f"counted by {quantifier.name}, one sample in each of {len(files)} files"]
    x_fgc = np.stack([table.matrix(transposed=False) for table in tables])
    if quantifier.name == "STAR":
        strand = _strand(x_fgc)
        x_fg = x_fgc[:, :, _STRANDS.index(strand)]
        notes.append(f"{strand} counts, as the totals of both strands suggest")
    else:
        x_fg = x_fgc[:, :, 0]
    names = [_sample(file, quantifier) for file in files]
    return Grid([x_fg], rows=names, columns=genes, genes_in="columns", notes=notes)


def _table(source: Source, quantifier: Quantifier) -> Grid:
    lines = source.lines()
    if quantifier.name == "STAR":
        lines.take(4)  # reads that are not on one gene
        return read_body(lines, Layout("\t", ["gene_id", *_STRANDS], skip=4), source.name)
    header = decoded(b"".join(lines.take(1))).split("\t")
    if quantifier.counts not in header:
        raise DataError(f"{source.name}: there is no column {quantifier.counts!r}")
    texts = tuple(i for i, column in enumerate(header) if column != quantifier.counts)
    return read_body(lines, Layout("\t", header, skip=1, texts=texts), source.name)


def _strand(x_fgc: np.ndarray) -> str:
    """The library type: one strand has nearly all reads, or both have about half."""
    _, forward, reverse = x_fgc.sum((0, 1), dtype=np.float64)
    share = forward / max(forward + reverse, 1)
    return "forward" if share > 0.8 else "reverse" if share < 0.2 else "unstranded"


def _sample(file: Path, quantifier: Quantifier) -> str:
    """What stands before the ending, or else the folder's name."""
    before = file.name.partition(quantifier.ending)[0].rstrip("._-")
    return before or file.resolve().parent.name


FORMAT = Format("read counts", _recognised, _read)
