"""Files that people have and that hold no expression matrix: what they are, and what to name
instead."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tybalt_like.core.errors import DataError
from tybalt_like.io.source import Source

_COUNT = "count the reads first, with STAR, salmon or featureCounts for example"
_R = "an R data file; write the matrix as tsv in R"
_KINDS = {
    rb"PK\x03\x04": "a zip archive or an Excel workbook; save the table as tsv",
    rb"\xd0\xcf\x11\xe0": "an old Excel workbook; save the table as tsv",
    rb"RD[XA]\d\n|X\n": _R,
    rb"%PDF": "a PDF; ask for the table as tsv",
    rb"\s*<(!|html)": "a web page, perhaps an error message of the server; download it again",
    rb"\s*[{\[]\s*[\"{\[\]}]": "JSON; save the matrix as tsv",
    rb"##fileformat=VCF": "a VCF of variants; name a matrix of expression",
    rb"(#[^\n]*\n)*[^\n]*\tTumor_Sample_Barcode\b": (
        "a MAF of mutations; name a matrix of expression"
    ),
    rb"Gene ID\tGene Name\tReference\tStrand\t": (
        "StringTie's table of one sample; make counts of all samples with its prepDE.py"
    ),
    rb"tracking_id\tclass_code\t": "a tracking table of Cufflinks; name the counts of cuffnorm",
    rb"BAM\x01|CRAM|@(HD|SQ)\t": f"a file of alignments; {_COUNT}",
    rb"@[^\n]*\n[A-Za-z.]+\n\+": f"a file of reads (FASTQ); {_COUNT}",
    rb">[^\n]*\n[A-Za-z*.-]+\n": f"a file of sequences (FASTA); {_COUNT}",
    rb"(#[^\n]*\n)*([^\t\n]*\t){3}\d+\t\d+\t[^\t\n]*\t[-+.?]\t[^\t\n]*\t[^\n]*(gene_id|ID=)": (
        "an annotation (GTF or GFF); it can be named as tx2gene"
    ),
    rb"\^(DATABASE|SERIES|SAMPLE|PLATFORM)": (
        "GEO's SOFT format; download the series matrix, or the counts among the supplementary files"
    ),
}
_START = {re.compile(start): advice for start, advice in _KINDS.items()}
_TESTED = {"basemean", "log2foldchange", "lfcse", "logfc", "logcpm", "aveexpr", "fdr", "padj"}
_TESTED |= {"pvalue", "p.value", "p_val", "adj.p.val", "p_val_adj"}


def refuse_other(source: Source) -> None:
    """Refuse what is no table of numbers.

    Raises
    ------
    DataError
        Says what it is.
    """
    if "est_counts" in source.hdf5_keys:
        raise DataError(
            f"{source.name}: kallisto's HDF5 file; name abundance.tsv beside it, or the folder of "
            "all samples"
        )
    if source.hdf5_keys:
        keys = sorted(source.hdf5_keys)
        held = ", ".join(keys[:5]) + (", ..." if len(keys) > 5 else "")
        raise DataError(f"{source.name}: an HDF5 file of no known format (it holds {held})")
    for start, advice in _START.items():
        if start.match(source.head):
            raise DataError(f"{source.name}: this is {advice}")


def refuse_tested(columns: Sequence[str], name: str) -> None:
    """Refuse the results of a test, of which a column for each sample cannot be had.

    Raises
    ------
    DataError
        Names the columns.
    """
    found = [column for column in columns if column.lower() in _TESTED]
    if len(found) > 1:
        raise DataError(
            f"{name}: results of a comparison of groups ({', '.join(found[:3])}), which hold no "
            "samples; name the matrix that was compared"
        )
