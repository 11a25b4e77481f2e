"""How a rectangular text file is laid out, judged by its first lines."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass

from tybalt_like.core.errors import DataError
from tybalt_like.io.lines import Lines

MISSING = ("", "NA", "N/A", "#N/A", "NaN", "nan", "NAN", "null", "NULL", "Null")
"""Cells that stand for a missing number."""

NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)

_GENE_COLUMNS = """
    hugo_symbol entrez_gene_id entrez_id entrezid entrez geneid gene_id gene_name gene_symbol symbol
    ensembl_id ensembl_gene_id gene_type gene_biotype biotype description gene_description chr chrom
    chromosome start end strand length effective_length transcript_id transcript_id(s) probe_id
    cytoband locuslink locusid
"""
GENE_COLUMNS = frozenset(_GENE_COLUMNS.split())
"""Leading columns of these names describe genes, even where they hold numbers."""

UNNAMED = frozenset(("", "NA", "N/A", "#N/A", "NaN"))
"""Row names that are none. Not ``nan``, which is a gene of the fly."""

_CORNER = re.compile(
    r"[\W_]*((gene|ensembl|entrez|hugo|symbol|probe|probeset|transcript|target|feature|sample"
    r"|patient|subject|donor|case|cell|barcode|attrib|row|unnamed|index|idx|id|ref|name|x)s?[\W_]*)*0?",
    re.IGNORECASE,
)
_SEPARATORS = {"\t": "tab", ";": "semicolon", ",": "comma", " ": "space"}
_SNIFF_ROWS, _SNIFF_CELLS = 20, 200_000


@dataclass(frozen=True)
class Layout:
    """The plan by which every line of a table is read.

    Parameters
    ----------
    sep
        One character.
    header
        A name for each field of a row; the first names the column of row names.
    skip
        Lines before the first row: comments and the header.
    texts
        Numbers of the fields kept as text; the first, 0, is the row name.
    """

    sep: str
    header: list[str]
    skip: int
    texts: tuple[int, ...] = (0,)

    @property
    def sep_name(self) -> str:
        return _SEPARATORS[self.sep]

    @property
    def numbers(self) -> list[int]:
        """Numbers of the fields that make the matrix."""
        texts = set(self.texts)
        return [i for i in range(len(self.header)) if i not in texts]


def decoded(raw: bytes) -> str:
    """UTF-8, or else Latin-1, which every byte fits."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def split(line: str, sep: str) -> list[str]:
    """The fields of a line; quotes are honoured."""
    if '"' not in line:
        return line.split(sep)
    return next(csv.reader([line], delimiter=sep))


def is_number(cell: str) -> bool:
    return NUMBER.fullmatch(cell) is not None


def is_text(cell: str) -> bool:
    """Whether a cell is neither missing nor meant as a number, such as ``1,5``."""
    return cell.strip() not in MISSING and not is_number(cell.replace(",", ""))


def sniff(lines: Lines, name: str) -> Layout:
    """Find separator, header and text columns by the first lines, without taking them.

    Raises
    ------
    DataError
        No rows, no separator that fits, or a header that does not fit the rows.
    """
    first = _first(lines)
    at = header_at(first)
    after = [line for line in first[at + 1 :] if line.strip()]
    if not after:
        raise DataError(f"{name}: there are no rows below the header")
    top = [decoded(first[at]).removeprefix("#"), *map(decoded, after[:4])]
    sep = _separator(top)
    width = len(split(top[1], sep))
    budget = max(2, min(_SNIFF_ROWS, _SNIFF_CELLS // width))
    rows = [split(decoded(line), sep) for line in after[:budget]]
    header = _header(split(top[0], sep), rows, name=name, sep=sep)
    return Layout(sep, header, skip=at + 1, texts=_text_fields(header, rows))


def _first(lines: Lines) -> list[bytes]:
    """Lines ahead, among them at least two rows if there are so many."""
    wanted = 3
    while True:
        ahead = lines.ahead(wanted)
        if len(ahead) < wanted or len(ahead) - header_at(ahead) > 2:
            return ahead
        wanted = len(ahead) + 1


def header_at(lines: Sequence[bytes]) -> int:
    """Number of the header line. Lines of # before it are comments, unless there is only one
    and it has as many fields as the line below."""
    at = next((i for i, line in enumerate(lines) if line.strip() and line[:1] != b"#"), len(lines))
    if at == 1 and any(
        lines[0].count(sep) == lines[1].count(sep) > 0 for sep in (b"\t", b",", b";")
    ):
        return 0
    return at


def _separator(top: Sequence[str]) -> str:
    """The first separator by which header and rows fit; else the most frequent one."""
    for sep in _SEPARATORS:
        header, *rows = (len(split(line, sep)) for line in top)
        if rows[0] > 1 and len(set(rows)) == 1 and abs(header - rows[0]) <= 1:
            return sep
    return max(_SEPARATORS, key=top[0].count)


def _header(header: list[str], rows: list[list[str]], *, name: str, sep: str) -> list[str]:
    width, sep_name = len(rows[0]), _SEPARATORS[sep]
    header = [cell.strip() for cell in header]
    if len(header) == width + 1 and not header[-1]:
        header = header[:-1]
    elif len(header) == width - 1:
        header = _header_of_r(header, rows, name=name, sep=sep)
    if width < 2 or len(header) != width:
        raise DataError(
            f"{name}: the header has {len(header)} fields and the first row {width} (separator "
            f"taken: {sep_name}); it must be a table with one name per column"
        )
    names_are_numbers = all(is_number(cell) for cell in header[1:])
    if names_are_numbers and not _CORNER.fullmatch(header[0]):
        raise DataError(
            f"{name}: the first line holds numbers ({', '.join(header[1:4])}) where names of "
            "samples or genes belong; add a header line"
        )
    return header


def _header_of_r(header: list[str], rows: list[list[str]], *, name: str, sep: str) -> list[str]:
    """R's write.table leaves out the corner, so that the header is one field short."""
    if header[0] and _CORNER.fullmatch(header[0]):
        return header  # there is a corner, so that the name of a column is missing
    if all(not row[-1].strip() for row in rows):
        raise DataError(
            f"{name}: every row ends with a {_SEPARATORS[sep]} that the header has not; "
            "remove it, or name the last column"
        )
    if sep == "," and len(header) == 2:
        raise DataError(
            f"{name}: the rows have one field more than the header; decimal commas need another "
            "separator than the comma"
        )
    return ["", *header]


def _text_fields(header: list[str], rows: list[list[str]]) -> tuple[int, ...]:
    """Row names, columns without any number, and leading columns known to describe genes."""
    width = len(header)
    rows = [row for row in rows if len(row) == width]
    found = {0}
    for i in range(1, width):
        if is_text(rows[0][i]) and not any(is_number(row[i]) for row in rows):
            found.add(i)
    for i in range(1, width):
        if i not in found and header[i].lower() not in GENE_COLUMNS:
            break
        found.add(i)
    if not header[-1] and all(not row[-1].strip() for row in rows):
        found.add(width - 1)
    return tuple(sorted(found))
