"""featureCounts of Subread: many samples in one table, named by their BAM files."""

from __future__ import annotations

import re
from pathlib import PurePath

from tybalt_like.core.errors import DataError
from tybalt_like.io.format import Format
from tybalt_like.io.grid import Grid
from tybalt_like.io.source import Source
from tybalt_like.io.table import read_table

_ENDING = re.compile(r"(\.?Aligned\.(sortedByCoord\.)?out)?(\.sorted)?\.[bs]am$")
_TABLE, _SUMMARY = b"Geneid\tChr\tStart\tEnd\tStrand\tLength\t", b"Status\t"


def _is_feature_counts(source: Source) -> bool:
    first = source.head.split(b"\n", 2)[:2]
    return source.head.startswith(_SUMMARY) or any(line.startswith(_TABLE) for line in first)


def _read(source: Source) -> Grid:
    if source.head.startswith(_SUMMARY):
        raise DataError(
            f"{source.name}: the summary of featureCounts, which holds no genes; name the table of "
            "counts beside it"
        )
    grid = read_table(source)
    grid.columns = [_ENDING.sub("", PurePath(column).name) for column in grid.columns]
    grid.genes_in = "rows"
    return grid


FORMAT = Format("featureCounts", _is_feature_counts, _read)
