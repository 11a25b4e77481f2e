"""Output of programs that count reads: one sample in a file, a folder of such files, and the
merged tables of nf-core."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like.core.errors import DataError
from tybalt_like.io.delimited import Floats
from tybalt_like.io.format import Format
from tybalt_like.io.gdc import described
from tybalt_like.io.grid import Grid
from tybalt_like.io.layout import CORNER, NUMBER, Layout, decoded, split
from tybalt_like.io.not_genes import not_genes
from tybalt_like.io.source import Source
from tybalt_like.io.table import read_body, read_table
from tybalt_like.io.tx2gene import AS_TRANSCRIPTS, Estimates, TranscriptGenes


@dataclass(frozen=True)
class Quantifier:
    """A kind of file with the counts of one sample.

    Parameters
    ----------
    name
        Of the program.
    start
        How its files begin.
    ending
        How their names end, where the name tells.
    counts
        The column of (estimated) counts; of several, the first unless strands are told apart.
    texts
        How many columns before the numbers hold text.
    header
        Of files that have none.
    lengths
        Columns of TPM and effective length, if the file is about transcripts.
    """

    name: str
    start: re.Pattern[bytes]
    ending: str
    counts: str
    texts: int = 1
    header: tuple[str, ...] = ()
    lengths: tuple[str, str] | None = None


_NUMBER = NUMBER.pattern.encode()
_SALMON = re.compile(b"Name\tLength\tEffectiveLength\tTPM\tNumReads")
_RSEM = ("gene_id\ttranscript_id\\(s\\)", "transcript_id\tgene_id")
_RSEM_GENES, _RSEM_ISOFORMS = (re.compile(f"{t}\tlength\teff".encode()) for t in _RSEM)
_NAMES = {"\t": rb"[^\t\n]+", ",": rb"\"?[A-Za-z_][^\t,\n]*", " ": rb"[A-Za-z_][^\t, \n]*"}
"""What a name looks like before each separator."""


def _rows(before: bytes, after: bytes = b"") -> re.Pattern[bytes]:
    """Files whose first lines hold a name and a number, with any of the separators."""
    kinds = (
        before.replace(b"~", sep.encode()) + name + sep.encode() + after + _NUMBER + b"\n"
        for sep, name in _NAMES.items()
    )
    return re.compile(b"|".join(b"(?:%s)" % kind for kind in kinds))


_ANOTHER_NAME = rb"(?=\t|[^\t\n]*[A-Za-z])[^\t\n]*\t"
_STRANDS = ("unstranded", "forward", "reverse")
QUANTIFIERS = (
    Quantifier(
        "STAR",
        re.compile(b"N_unmapped\t"),
        "ReadsPerGene.out.tab",
        "unstranded",
        header=("gene_id", *_STRANDS),
    ),
    Quantifier(
        "STAR, at the GDC",
        re.compile(b"(#[^\n]*\n)*gene_id\tgene_name\tgene_type\tunstranded\t"),
        "augmented_star_gene_counts.tsv",
        "unstranded",
        texts=3,
    ),
    Quantifier("RSEM", _RSEM_GENES, "genes.results", "expected_count", texts=2),
    Quantifier(
        "RSEM",
        _RSEM_ISOFORMS,
        "isoforms.results",
        "expected_count",
        texts=2,
        lengths=("TPM", "effective_length"),
    ),
    Quantifier("salmon", _SALMON, "quant.genes.sf", "NumReads"),
    Quantifier("salmon", _SALMON, "quant.sf", "NumReads", lengths=("TPM", "EffectiveLength")),
    Quantifier(
        "kallisto",
        re.compile(b"target_id\tlength\teff_length\t"),
        "abundance.tsv",
        "est_counts",
        lengths=("tpm", "eff_length"),
    ),
)
"""Those known by their first line. Where a folder holds both genes and transcripts, genes come
first."""

_LIST = "genes and numbers without a header, as of htseq-count"
_LISTS = (
    Quantifier(
        _LIST, _rows(rb"[^~\n]+~%s\n" % _NUMBER), "", "counts", header=("gene_id", "counts")
    ),
    Quantifier(
        _LIST,
        re.compile(rb"([^\t\n]+\t%s%s\n){2}" % (_ANOTHER_NAME, _NUMBER)),
        "",
        "counts",
        texts=2,
        header=("gene_id", "gene_name", "counts"),
    ),
)
"""A gene and its count in each line, and no header."""

_COMMENTS = rb"(#[^\n]*\n)*"
_HEADED = (
    Quantifier(
        "featureCounts",
        re.compile(_COMMENTS + b"Geneid\tChr\tStart\tEnd\tStrand\tLength\t[^\t\n]+\n"),
        "",
        "",
        texts=6,
    ),
    Quantifier("genes and numbers", _rows(_COMMENTS + rb"[^~\n]*~[^~\n]+\n"), "", ""),
    Quantifier(
        "genes and numbers",
        re.compile(
            rb"%s[^\t\n]*\t[^\t\n]+\t[^\t\n]+\n[^\t\n]+\t%s%s\n"
            % (_COMMENTS, _ANOTHER_NAME, _NUMBER)
        ),
        "",
        "",
        texts=2,
    ),
)
"""The same below a header: tables of their own, but for folders."""

_MERGED = re.compile(r"(salmon|kallisto|rsem)\.merged\.(gene|transcript)_counts(_\w+)?\.tsv(\.gz)?")
_MERGED_FIRST = ("gene_counts_length_scaled.tsv", "gene_counts.tsv")
_TEXTS = re.compile(r"\.(txt|tsv|tab|counts?|csv|out|results|cnt|htseq)(\.(gz|bz2|xz|zst))?$", re.I)
_WORDS = re.compile(
    r"[._-]*(gz|bz2|xz|zst|txt|tsv|tab|csv|out|cnt|results|htseq|(gene|read|raw)?_?counts?|genes"
    r"|isoforms|quant|sf|ReadsPerGene|feature_?counts|rna_seq|augmented_star_gene_counts|sorted|bam)$",
    re.IGNORECASE,
)


SUMMED = "read counts, summed to genes"
"""What the format of `gene_counts` is called."""


def _recognised(source: Source) -> bool:
    return _merged(source) is not None or bool(_files(source))


def gene_counts(source: Source, genes: TranscriptGenes) -> Grid | None:
    """Samples as rows, transcripts summed to genes by their effective lengths; None if the source
    is no output about transcripts."""
    found = _files(source, transcripts=True)
    return None if found is None else _read_files(source, *found, genes)


def _read(source: Source) -> Grid:
    if (table := _merged(source)) is not None:
        return _read_merged(source, table)
    found = _files(source)
    assert found is not None
    return _read_files(source, *found, None)


def _merged(source: Source) -> Path | None:
    """The table of all samples that nf-core/rnaseq writes, or the best one in its folder."""
    if not source.is_folder:
        return source.path if _MERGED.fullmatch(source.path.name) else None
    found = [p for p in _inside(source.path) if _MERGED.fullmatch(p.name)]
    for ending in _MERGED_FIRST:
        for path in found:
            if path.name.removesuffix(".gz").endswith(ending):
                return path
    return None


def _read_merged(source: Source, table: Path) -> Grid:
    grid = read_table(Source(table))
    grid.genes_in = "rows"
    if source.is_folder:
        grid.notes.insert(0, f"the merged table of nf-core was read: {table.name}")
    if "transcript" in table.name:
        grid.notes.append(AS_TRANSCRIPTS)
    grid.blocks, said = _whole(grid.blocks)
    grid.notes += said
    return grid


_AS_LENGTHS = (
    "counts follow the effective lengths, as tximport's lengthScaledTPM: TPM times the mean length "
    "of the gene over these samples"
)


def _inside(folder: Path) -> list[Path]:
    """Files in the folder or one below."""
    found = (*folder.glob("*"), *folder.glob("*/*"))
    return sorted(p for p in found if p.is_file() and not p.name.startswith("."))


def _files(source: Source, *, transcripts: bool = False) -> tuple[Quantifier, list[Path]] | None:
    """By the first line of a file; in a folder by names, else by the first lines of all files."""
    known = [q for q in (*QUANTIFIERS, *_LISTS) if q.lengths or not transcripts]
    if not source.is_folder:
        quantifier = next((q for q in known if _begins(source.head, q)), None)
        return None if quantifier is None else (quantifier, [source.path])
    inside = _inside(source.path)
    for quantifier in known:
        ending = re.compile(re.escape(quantifier.ending) + r"(\.\w+)?$")
        if quantifier.ending and (files := [p for p in inside if ending.search(p.name)]):
            return quantifier, files
    if transcripts:
        return None
    return _files_by_content(source, [path for path in inside if _TEXTS.search(path.name)])


def _begins(head: bytes, quantifier: Quantifier) -> bool:
    """Whether a file is of the kind; the header of one sample called by a number is no gene."""
    if not quantifier.start.match(head):
        return False
    first = re.split(rb"[\t, ]", head, maxsplit=1)[0]
    return quantifier not in _LISTS or not CORNER.fullmatch(decoded(first).strip())


def _files_by_content(
    source: Source, files: Sequence[Path]
) -> tuple[Quantifier, list[Path]] | None:
    """Most of a kind; one file alone makes no folder of samples."""
    found: dict[Quantifier, list[Path]] = {}
    for path in files:
        head = Source(path).head if path.stat().st_size else b""
        for quantifier in (*QUANTIFIERS, *_LISTS, *_HEADED):
            if _begins(head, quantifier):
                found.setdefault(quantifier, []).append(path)
                break
    if max(map(len, found.values()), default=0) < 2:
        return None
    quantifier, most = max(found.items(), key=lambda item: len(item[1]))
    kinds: dict[str, set[str]] = {}
    for path in most:
        stem, _, ending = path.name.partition(".")
        kinds.setdefault(ending, set()).add(stem)
    if len(kinds) > 1 and len(set(map(frozenset, kinds.values()))) == 1:
        shown = " and ".join(f"*.{ending}" for ending in sorted(kinds))
        raise DataError(
            f"{source.name}: several files of each sample, {shown}; keep one kind, that of the "
            "counts"
        )
    return quantifier, most


def _read_files(
    source: Source, quantifier: Quantifier, files: list[Path], genes: TranscriptGenes | None
) -> Grid:
    first: list[str] = []
    beside = pd.DataFrame()
    rows: list[Floats] = []
    total_s = np.zeros(len(_STRANDS))
    estimates: Estimates | None = None
    for path, table in _tables(files, quantifier):
        names = [name.partition("|")[0] for name in table.rows]
        x_gc = _in_order(table.matrix(transposed=False), names, first or names, path, files[0])
        if not first:
            first, beside = names, table.row_data
            if genes is not None:
                estimates = Estimates(genes.of(first))
        at = _column(table, quantifier, path)
        if estimates is not None:
            tpm, length = (table.columns.index(name) for name in quantifier.lengths or ())
            estimates.add(x_gc[:, at], tpm=x_gc[:, tpm], length=x_gc[:, length])
        elif quantifier.name == "STAR":
            rows.append(x_gc)
            total_s += x_gc[~not_genes(first)].sum(0, dtype=np.float64)
        else:
            rows.append(x_gc[:, at].copy())
    n = f"each of {len(files)} files" if len(files) > 1 else "the file"
    notes = [f"{quantifier.name}: one sample in {n}"]
    if quantifier.name == "STAR":
        strand = _strand(total_s)
        rows = [x_gc[:, _STRANDS.index(strand)] for x_gc in rows]
        notes.append(f"{strand} counts, as the totals of both strands suggest")
    elif quantifier.name.startswith("STAR"):
        notes.append("unstranded counts; TPM and FPKM are left aside")
    if estimates is not None:
        x_ng, first, beside = estimates.counts(), estimates.genes.names, estimates.lengths()
        notes += [*estimates.genes.notes, _AS_LENGTHS]
    else:
        x_ng = np.stack(rows)
        if quantifier.lengths:
            notes.append(AS_TRANSCRIPTS + _mapping_beside(source))
    blocks, said = _whole([x_ng]) if quantifier in QUANTIFIERS else ([x_ng], [])
    known = described(source.path, files) if source.is_folder else None
    names = _samples(files) if known is None else known.names
    return Grid(
        blocks,
        rows=names,
        columns=list(first),
        row_data=pd.DataFrame() if known is None else known.data,
        column_data=beside.reset_index(drop=True),
        genes_in="columns",
        notes=[*notes, *said, *([] if known is None else known.notes)],
    )


def _tables(files: Sequence[Path], quantifier: Quantifier) -> Iterator[tuple[Path, Grid]]:
    for path in files:
        lines = (source := Source(path)).lines()
        line, header = lines.ahead(1)[:1], list(quantifier.header)
        if not header:
            while (line := lines.take(1)) and line[0].startswith(b"#"):
                pass
        sep = next((sep for sep in _NAMES if sep.encode() in b"".join(line)), "\t")
        header = header or split(decoded(b"".join(line)), sep)
        texts = tuple(range(min(quantifier.texts, len(header))))
        layout = Layout(sep, header, skip=lines.taken, texts=texts)
        yield path, read_body(lines, layout, source.name)


def _column(table: Grid, quantifier: Quantifier, path: Path) -> int:
    if not quantifier.counts:
        return len(table.columns) - 1
    needed = (quantifier.counts, *(quantifier.lengths or ()))
    lacking = [name for name in needed if name not in table.columns]
    if lacking:
        raise DataError(f"{path}: there is no column {lacking[0]!r}")
    return table.columns.index(quantifier.counts)


def _in_order(x_gc: Floats, names: list[str], wanted: list[str], path: Path, first: Path) -> Floats:
    """Rows in the order of the first file."""
    if names == wanted:
        return x_gc
    place = {name: i for i, name in enumerate(names)}
    if len(names) != len(wanted) or len(place) != len(names) or place.keys() != set(wanted):
        raise DataError(
            f"{path}: its {len(names):,} names are not the {len(wanted):,} of {first}; count all "
            "samples with the same annotation"
        )
    return x_gc[[place[name] for name in wanted]]


def _strand(total_s: NDArray[np.float64]) -> str:
    """The library type: one strand has nearly all reads, or both have about half."""
    _, forward, reverse = total_s
    share = forward / max(forward + reverse, 1)
    return "forward" if share > 0.8 else "reverse" if share < 0.2 else "unstranded"


def _whole(blocks: Sequence[Floats]) -> tuple[list[Floats], list[str]]:
    """Estimated counts as whole numbers, which models of counts ask for."""
    rounded = [np.rint(x) for x in blocks]
    same = all(np.array_equal(x, r, equal_nan=True) for x, r in zip(blocks, rounded, strict=True))
    return rounded, [] if same else ["estimated counts, rounded to whole numbers"]


def _samples(files: Sequence[Path]) -> list[str]:
    """Names of the files without what all files of a kind end with, or else of their folders."""
    names = [_stem(path.name) for path in files]
    if all(names) and len(set(names)) == len(names):
        return names
    folders = [path.resolve().parent.name for path in files]
    return (
        [name or folder for name, folder in zip(names, folders, strict=True)]
        if len(set(folders)) < len(folders)
        else folders
    )


def _stem(name: str) -> str:
    while (shorter := _WORDS.sub("", name)) != name:
        name = shorter
    return name.rstrip("._-")


def _mapping_beside(source: Source) -> str:
    folders = [source.path, source.path.parent] if source.is_folder else [source.path.parent]
    found = [path for folder in folders for path in folder.glob("*tx2gene*") if path.is_file()]
    return f", such as {found[0]}" if found else ""


FORMAT = Format("read counts", _recognised, _read)
