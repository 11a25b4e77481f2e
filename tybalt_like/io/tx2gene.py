"""Transcripts to genes: which belongs to which, and what the counts of a gene are then."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like.core.errors import DataError
from tybalt_like.core.messages import some
from tybalt_like.io.delimited import Floats
from tybalt_like.io.grid import repeated_genes_allowed
from tybalt_like.io.layout import decoded, split
from tybalt_like.io.source import Source

if TYPE_CHECKING:
    from anndata import AnnData

Doubles = NDArray[np.float64]
LENGTH = "effective_length"
"""Gene column with the mean effective length that counts follow."""

AS_TRANSCRIPTS = "these are transcripts, taken as they are; a tx2gene table sums them to genes"
"""What is said where none was given."""

_TRANSCRIPT_ID = re.compile(r"ENS[A-Z]{0,4}T\d{6,}|[NX][MR]_\d+")
_ANNOTATION = re.compile(rb"([^\t\n]*\t){3}\d+\t\d+\t[^\t\n]*\t[-+.?]\t[^\t\n]*\t\S")
_TRANSCRIPT = re.compile(rb"\t(transcript|mRNA|[A-Za-z_]*RNA|[a-z_]*transcript)\t")
_GTF = re.compile(r'(transcript_id|gene_id|gene_name) "([^"]*)"')
_GFF = re.compile(r"(transcript_id|gene_id|gene_name|ID|Parent|gene)=([^;]*)")
_PREFIX = re.compile(r"(transcript|gene|rna)[:-]")
_VERSION = re.compile(r"\.\d+$")
_GENE = re.compile(r"(?!.*(name|symbol|type|description|version)).*gene", re.IGNORECASE)
_SYMBOL = re.compile(r".*(gene.?name|symbol)", re.IGNORECASE)


@dataclass(frozen=True)
class Genes:
    """The genes of some transcripts.

    Attributes
    ----------
    names
        Of the genes, in the order in which their transcripts come.
    symbols
        Other names of the same genes, if known.
    gene_t
        Number of the gene of each transcript; -1 without one.
    notes
        What was understood, in words.
    """

    names: list[str]
    symbols: list[str]
    gene_t: NDArray[np.intp]
    notes: list[str]


class TranscriptGenes:
    """A table of transcripts and their genes.

    Parameters
    ----------
    path
        An annotation (GTF or GFF3), or a table in whose columns transcripts and genes are found,
        with or without a header.

    Raises
    ------
    DataError
        If the file is missing, or no transcript has a gene there.
    """

    def __init__(self, path: str | Path) -> None:
        source = Source(path)
        if source.is_folder:
            raise DataError(f"{source.name}: a folder, not a table of transcripts and genes")
        self.name = source.name
        first = next((line for line in _lines(source) if not line.startswith(b"#")), b"")
        self.rows = list(_annotated(source) if _ANNOTATION.match(first) else _listed(source, first))
        if not self.rows or len(self.rows[0]) < 2:
            raise DataError(
                f"{self.name}: no transcripts with their genes; name a GTF or GFF3 file, or a "
                "table with a column of each"
            )

    def of(self, transcripts: Sequence[str]) -> Genes:
        """The genes of these transcripts.

        Versions (``.1``) of ids are left out on both sides if more transcripts are found so.

        Raises
        ------
        DataError
            If no transcript is found.
        """
        columns = list(zip(*self.rows, strict=True))
        found = [
            (sum(name in keys for name in map(key, transcripts)), key is str, -column)
            for key in (str, _bare)
            for column, keys in enumerate({key(cell) for cell in cells} for cells in columns)
        ]
        n_found, whole, column = max(found)
        key, at = (str if whole else _bare), -column
        if n_found == 0:
            raise DataError(
                f"{self.name}: none of the {len(transcripts):,} names is a transcript there "
                f"({some(transcripts, 3)}; there {some(self.rows[-1], 3)}); take the annotation "
                "that was counted with, or leave tx2gene out if these are genes"
            )
        known = set(map(key, transcripts))
        header = () if key(self.rows[0][at]) in known else self.rows[0]
        gene, symbol = _columns(columns, header, at, transcripts)
        gene_of: dict[str, tuple[str, str]] = {}
        for row in self.rows:
            if row[gene]:
                gene_of.setdefault(key(row[at]), (row[gene], row[symbol]))
        symbol_of: dict[str, str] = {}
        for name in transcripts:
            if pair := gene_of.get(key(name)):
                symbol_of.setdefault(*pair)
        number = {name: i for i, name in enumerate(symbol_of)}
        pairs = [gene_of.get(key(name)) for name in transcripts]
        gene_t = np.array([number[pair[0]] if pair else -1 for pair in pairs], np.intp)
        how = ", without the versions of their ids" if not whole else ""
        notes = [
            f"{(gene_t >= 0).sum():,} of {len(transcripts):,} transcripts summed to "
            f"{len(number):,} genes by {self.name}{how}"
        ]
        lost = [name for name, i in zip(transcripts, gene_t, strict=True) if i < 0]
        if lost:
            notes.append(
                f"transcripts without a gene there, left out: {len(lost):,} ({some(lost, 3)})"
            )
        symbols = list(symbol_of.values()) if symbol != gene else []
        return Genes(list(number), symbols, gene_t, notes)


class Estimates:
    """Counts of genes from those of their transcripts, sample after sample.

    The counts are tximport's ``lengthScaledTPM`` (Soneson, Love & Robinson, F1000Research 4:1521,
    2015): TPM of a gene times its mean effective length over the samples, brought to the sample's
    number of counts. A gene that only changes the length of its transcripts keeps its counts so,
    which sums of counts do not.

    Parameters
    ----------
    genes
        Of the transcripts.
    """

    def __init__(self, genes: Genes) -> None:
        self.genes = genes
        self._known = genes.gene_t >= 0
        self._tpm: list[Doubles] = []
        self._length: list[Doubles] = []
        self._n_counts: list[float] = []
        self._length_t: Doubles = np.zeros(int(self._known.sum()))

    def add(self, count_t: Floats, *, tpm: Floats, length: Floats) -> None:
        """A sample: values of all transcripts, in their order."""
        n_t, tpm_t, length_t = (
            np.nan_to_num(x[self._known].astype(np.float64)) for x in (count_t, tpm, length)
        )
        tpm_g = self._sums(tpm_t)
        weighted_g = self._sums(tpm_t * length_t)
        self._tpm.append(tpm_g)
        self._length.append(
            np.divide(weighted_g, tpm_g, out=np.full(len(tpm_g), np.nan), where=tpm_g > 0)
        )
        self._n_counts.append(float(n_t.sum()))
        self._length_t += length_t

    def counts(self) -> Floats:
        """Samples x genes, not yet whole numbers."""
        scaled_ng = np.stack(self._tpm) * self._lengths().mean(0)
        sum_n = np.maximum(scaled_ng.sum(1), np.finfo(float).tiny)
        x_ng: Doubles = scaled_ng * (np.array(self._n_counts) / sum_n)[:, None]
        return x_ng.astype(np.float32)

    def lengths(self) -> pd.DataFrame:
        """What is known of each gene: mean effective length, and its other name."""
        known: dict[str, object] = {LENGTH: self._lengths().mean(0)}
        if self.genes.symbols:
            known["gene_name"] = self.genes.symbols
        return pd.DataFrame(known)

    def _lengths(self) -> Doubles:
        """Effective length of each gene in each sample: of its transcripts, weighted by TPM. Where
        a sample has none of them, the geometric mean of the others; where all have none, the mean
        over transcripts."""
        length_ng = np.stack(self._length)
        absent_ng = np.isnan(length_ng)
        n_g = np.maximum((~absent_ng).sum(0), 1)
        with np.errstate(divide="ignore"):
            log_ng = np.where(absent_ng, 0, np.log(np.where(absent_ng, 1, length_ng)))
        others_g = np.exp(log_ng.sum(0) / n_g)
        plain_g = self._sums(self._length_t / len(self._length)) / self._sums(
            np.ones(len(self._length_t))
        )
        return np.where(absent_ng, np.where(absent_ng.all(0), plain_g, others_g), length_ng)

    def _sums(self, x_t: Doubles) -> Doubles:
        gene_t = self.genes.gene_t[self._known]
        return np.bincount(gene_t, x_t, len(self.genes.names)).astype(np.float64)


def are_transcripts(names: Sequence[str]) -> bool:
    """Whether most names are ids of transcripts."""
    return 2 * sum(_TRANSCRIPT_ID.match(name) is not None for name in names) > len(names)


def summed(adata: AnnData, table: TranscriptGenes, *, name: str) -> tuple[AnnData, list[str]]:
    """Sums over the transcripts of each gene, of a matrix without effective lengths.

    Raises
    ------
    DataError
        If no transcript is found, or there are negative values, whose sums mean nothing.
    """
    from anndata import AnnData
    from scipy import sparse

    genes = table.of(list(adata.var_names))
    x_nt: Any = adata.X
    values = x_nt.data if hasattr(x_nt, "tocsr") else x_nt
    if values.size and np.nanmin(values) < 0:
        raise DataError(
            f"{name}: negative values cannot be summed to genes; give counts or TPM of transcripts"
        )
    known = np.flatnonzero(genes.gene_t >= 0)
    ones = np.ones(len(known), np.float32)
    shape = (adata.n_vars, len(genes.names))
    sums_tg = sparse.csr_matrix((ones, (known, genes.gene_t[known])), shape=shape)
    var = pd.DataFrame(index=np.array(genes.names, dtype=object))
    if genes.symbols:
        var["gene_name"] = genes.symbols
    x_ng = x_nt @ sums_tg if hasattr(x_nt, "tocsr") else (sums_tg.T @ x_nt.T).T
    with repeated_genes_allowed():
        result = AnnData(x_ng, obs=adata.obs, var=var, uns=adata.uns, obsm=adata.obsm)
    said = "sums are right for counts and TPM, not for logarithms; no effective lengths are known"
    return result, [*genes.notes, said]


def _columns(
    columns: Sequence[Sequence[str]], header: Sequence[str], at: int, transcripts: Sequence[str]
) -> tuple[int, int]:
    """The columns of genes and of their other names; the same if there are none."""
    known = set(map(_bare, transcripts))
    others = [
        i
        for i, cells in enumerate(columns)
        if i != at and sum(_bare(cell) in known for cell in cells) < len(cells) / 2
    ]
    if not others:
        others = [i for i in range(len(columns)) if i != at]
    gene = next((i for i in others if header and _GENE.match(header[i])), others[0])
    rest = [i for i in others if i != gene]
    if header:
        return gene, next((i for i in rest if _SYMBOL.match(header[i])), gene)
    return gene, rest[0] if len(columns) == 3 else gene


def _lines(source: Source) -> Iterator[bytes]:
    for block in source.blocks():
        yield from block.splitlines()


def _listed(source: Source, first: bytes) -> Iterator[list[str]]:
    sep = next((s for s in "\t,; " if s.encode() in first.strip()), "\t")
    width = len(split(decoded(first), sep))
    for number, line in enumerate(_lines(source), 1):
        if not line.strip() or line.startswith(b"#"):
            continue
        cells = [cell.strip() for cell in split(decoded(line), sep)]
        if len(cells) != width:
            raise DataError(
                f"{source.name}: not a table of transcripts and genes, for line {number} has "
                f"{len(cells)} fields where the first has {width}"
            )
        yield cells


def _annotated(source: Source) -> Iterator[list[str]]:
    """Transcript, gene and its name, of the lines of transcripts or, without any, of exons."""
    found = dict.fromkeys(_in_annotation(source, only=_TRANSCRIPT))
    for row in found or dict.fromkeys(_in_annotation(source, only=None)):
        yield list(row)


def _in_annotation(
    source: Source, *, only: re.Pattern[bytes] | None
) -> Iterator[tuple[str, str, str]]:
    for line in _lines(source):
        if line.startswith(b"#") or (only and not only.search(line)):
            continue
        told = decoded(line.rpartition(b"\t")[2])
        about = dict(_GTF.findall(told) or _GFF.findall(told))
        transcript = about.get("transcript_id") or _PREFIX.sub("", about.get("ID", ""))
        gene = about.get("gene_id") or _PREFIX.sub("", about.get("Parent", ""))
        if transcript and gene:
            yield transcript, gene, about.get("gene_name") or about.get("gene") or gene


def _bare(name: str) -> str:
    return _VERSION.sub("", name)
