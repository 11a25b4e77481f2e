"""How a rectangular text file is laid out, judged by its first lines."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from tybalt_like.core.errors import DataError
from tybalt_like.io.lines import Lines

_MISSING = """
    NA N/A n/a #N/A #NV <NA> NaN nan NAN null NULL Null
    #DIV/0! #VALUE! #WERT! #NUM! #REF! #NAME? #NULL!
"""
MISSING = ("", *_MISSING.split())
"""Cells that stand for nothing, in any column."""

_MISSING_NUMBER = "na Na - -- . .. ? -nan None none NONE missing Missing MISSING"
MISSING_NUMBER = frozenset((*MISSING, *_MISSING_NUMBER.split()))
"""Cells that stand for a missing number; among texts some are one, such as the strand ``-``."""

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

CORNER = re.compile(
    r"[\W_]*((gene|ensembl|entrez|hugo|symbol|probe|probeset|transcript|target|feature|sample"
    r"|patient|subject|donor|case|cell|barcode|attrib|row|unnamed|index|idx|id|ref|name|x)s?[\W_]*)*0?",
    re.IGNORECASE,
)
"""What files call their row names."""

_SEPARATORS = {"\t": "tab", ";": "semicolon", ",": "comma", " ": "space"}
_SNIFF_ROWS, _SNIFF_CELLS = 20, 200_000
_TITLES, _MARK_ROWS = 40, 200
_DECIMAL = re.compile(r"[+-]?(\d*|[1-9]\d{0,2}(\.\d{3})+),\d+([eE][+-]?\d+)?", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?", re.ASCII)
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+", re.ASCII)
_COMMA = re.compile(rb'[\t; "][+-]?[\d.]*,\d')


@dataclass(frozen=True)
class Marks:
    """What stands before decimals and, if anything, between thousands."""

    decimal: str = "."
    thousands: str = ""

    def number(self, cell: str) -> float | None:
        """None if the cell is no number written so."""
        if self.thousands and self._grouped.fullmatch(cell):
            cell = cell.replace(self.thousands, "")
        elif self.decimal != "." and "." in cell:
            return None  # which may be meant as 1.5 or as 1500
        cell = cell.replace(self.decimal, ".")
        return float(cell) if NUMBER.fullmatch(cell) else None

    @property
    def _grouped(self) -> re.Pattern[str]:
        decimal, thousands = re.escape(self.decimal), re.escape(self.thousands)
        return re.compile(rf"[+-]?[1-9]\d{{0,2}}({thousands}\d{{3}})+({decimal}\d*)?", re.ASCII)

    def __str__(self) -> str:
        names = {".": "points", ",": "commas"}
        between = f" and {names[self.thousands]} between thousands" if self.thousands else ""
        return f"numbers with decimal {names[self.decimal]}{between}"


POINT = Marks()


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
    marks
        How numbers are written.
    """

    sep: str
    header: list[str]
    skip: int
    texts: tuple[int, ...] = (0,)
    marks: Marks = POINT

    @property
    def sep_name(self) -> str:
        return _SEPARATORS[self.sep]

    @property
    def numbers(self) -> list[int]:
        """Numbers of the fields that make the matrix."""
        texts = set(self.texts)
        return [i for i in range(len(self.header)) if i not in texts]


def decoded(raw: bytes) -> str:
    """UTF-8, or else Latin-1, which every byte fits; line breaks within quotes become blanks."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return text.replace("\r", " ")


def split(line: str, sep: str) -> list[str]:
    """The fields of a line; quotes are honoured if they come in pairs."""
    if '"' not in line or line.count('"') % 2:
        return line.split(sep)
    return next(csv.reader([line], delimiter=sep))


def is_number(cell: str) -> bool:
    return NUMBER.fullmatch(cell) is not None


def is_text(cell: str) -> bool:
    """Whether a cell is neither missing nor meant as a number, such as ``1,5``."""
    return cell.strip() not in MISSING_NUMBER and not is_number(cell.replace(",", ""))


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
    layout = Layout(sep, header, skip=at + 1, texts=_text_fields(header, rows))
    return replace(layout, marks=_marks(after, layout, name=name))


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
    and it has as many fields as the line below; narrower lines before it are titles."""
    at = next((i for i, line in enumerate(lines) if line.strip() and line[:1] != b"#"), len(lines))
    if at == 1 and any(
        lines[0].count(sep) == lines[1].count(sep) > 0 for sep in (b"\t", b",", b";")
    ):
        return 0
    return _below_titles(lines, at)


def _below_titles(lines: Sequence[bytes], at: int) -> int:
    """The header, if `at` is a title: a line narrower than the table below it. That must be clear:
    the header is as wide as the rows, of names, and the rows below it hold numbers."""
    shown = [i for i in range(at, min(len(lines), at + _TITLES)) if lines[i].strip(b" \t,;")]
    for sep in "\t;,":
        widths = [_width(lines[i], sep) for i in shown]
        width = max((n for n in widths if widths.count(n) > 1), default=1)
        if width == 1:
            continue
        rows = partial(_cells, lines, sep)
        if _is_header(rows(at), width):
            below = [i for i, n in zip(shown[1:], widths[1:], strict=True) if n == width]
            if widths[0] >= width or _holds_numbers(rows(below[0])):
                return at
        for k, i in enumerate(shown[1:-1], 1):
            if abs(widths[k] - width) > 1 or not _is_header(rows(i), width):
                continue
            below = shown[k + 1 : k + 6]
            named = CORNER.fullmatch(rows(i)[0].strip()) or not _holds_numbers(rows(i))
            if named and all(len(rows(j)) == width and _holds_numbers(rows(j)) for j in below):
                return i
    return at


def _cells(lines: Sequence[bytes], sep: str, i: int) -> list[str]:
    return split(decoded(lines[i]), sep)


def _width(line: bytes, sep: str) -> int:
    if b'"' in line:
        return len(split(decoded(line), sep))
    return 1 + line.count(sep.encode())


def _is_header(cells: Sequence[str], width: int) -> bool:
    """R leaves out the corner; others end lines by a separator, or pad titles with separators."""
    return abs(len(cells) - width) <= 1 and 2 * sum(map(bool, cells[1:])) >= len(cells) - 1


def _holds_numbers(cells: Sequence[str]) -> bool:
    return any(is_number(cell.replace(",", ".", 1)) for cell in cells[1:])


def _marks(rows: Sequence[bytes], layout: Layout, *, name: str) -> Marks:
    """How most numbers of the first rows are written, where some have commas; what is written
    otherwise is refused where it stands.

    Raises
    ------
    DataError
        If ``1,234`` can be 1.234 or 1234.
    """
    sign = b'"' if layout.sep == "," else b","
    with_comma = [row for row in rows if sign in row and _COMMA.search(row)]
    if not with_comma:
        return POINT
    n = max(2, min(_MARK_ROWS, _SNIFF_CELLS // len(layout.header)))
    looked_at = (*with_comma[:n], *rows[:: max(1, len(rows) // n)])
    split_rows = [split(decoded(row), layout.sep) for row in looked_at]
    fit = [row for row in split_rows if len(row) == len(layout.header)]
    cells = [row[i].strip() for row in fit for i in layout.numbers]
    decimal = [cell for cell in cells if _DECIMAL.fullmatch(cell)]
    thousands = [cell for cell in cells if _THOUSANDS.fullmatch(cell)]
    either = {*decimal} & {*thousands}
    points = [cell for cell in cells if "." in cell and is_number(cell)]
    grouped = [cell for cell in points if _GROUPED.fullmatch(cell)]
    n_decimal = sum(cell not in either for cell in decimal)
    n_otherwise = len(points) - len(grouped) + sum(cell not in either for cell in thousands)
    if n_decimal > n_otherwise:
        return Marks(",", "." if grouped or any("." in cell for cell in decimal) else "")
    if not thousands or n_decimal:
        return POINT
    small = [cell for cell in cells if cell.isdigit() and len(cell) <= 3]
    if n_otherwise or 5 * len(small) >= len(cells):
        return Marks(".", ",")
    cell = thousands[0]
    raise DataError(
        f"{name}: {cell!r} can be {cell.replace(',', '')} or {cell.replace(',', '.')}; write "
        "decimals with a point and nothing between thousands"
    )


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
    if width == len(header) == 1:
        raise DataError(
            f"{name}: one column only; it must be a table with one name per column, separated by "
            "tabs, commas or semicolons"
        )
    if width < 2 or len(header) != width:
        raise DataError(
            f"{name}: the header has {len(header)} fields and the first row {width} (separator "
            f"taken: {sep_name}); it must be a table with one name per column"
        )
    names_are_numbers = all(is_number(cell) for cell in header[1:])
    if names_are_numbers and not CORNER.fullmatch(header[0]):
        raise DataError(
            f"{name}: the first line holds numbers ({', '.join(header[1:4])}) where names of "
            "samples or genes belong; add a header line"
        )
    return header


def _header_of_r(header: list[str], rows: list[list[str]], *, name: str, sep: str) -> list[str]:
    """R's write.table leaves out the corner, so that the header is one field short."""
    if header[0] and CORNER.fullmatch(header[0]):
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
        if not any(is_number(row[i]) for row in rows) and any(is_text(row[i]) for row in rows):
            found.add(i)
    for i in range(1, width):
        if i not in found and header[i].lower() not in GENE_COLUMNS:
            break
        found.add(i)
    if not header[-1] and all(not row[-1].strip() for row in rows):
        found.add(width - 1)
    return tuple(sorted(found))
