"""How two ids may be spelled differently and still mean the same sample."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import combinations
from typing import NamedTuple

_BARCODE = re.compile(r"TCGA[-.]\w{2}[-.]\w{4}", re.IGNORECASE)
_BESIDE = frozenset({"quant.sf", "quant.genes.sf", "abundance.tsv", "abundance.h5"})
"""Files that are named by their folder."""
_ENDING = re.compile(
    r"""[._-]?(Aligned|ReadsPerGene)$ | [._-](
        (fastq|fq|bam|sam|cram|cel|idat|txt|tsv|csv|tab|gz|bz2|zip|sf|h5|results|counts?|out)
        | (sorted|dedup|markdup|rmdup|mdup|trimmed|unique|genes|isoforms|quant|abundance)
        | (htseq|htseq[._-]?counts?|featurecounts|salmon|kallisto|rsem|star)
        | (sortedbycoord|totranscriptome|augmented|rna_seq|star_gene_counts)
        | (r?[12]_001)
    )$""",
    re.IGNORECASE | re.VERBOSE,
)


_remembered = lru_cache(maxsize=1 << 16)
"""The ids of a table are spelled again for every column and every choice of spellings."""


class Spelling(NamedTuple):
    """What ids have in common in spite of a difference.

    Attributes
    ----------
    words
        The difference, in words.
    key
        The same for ids that mean the same.
    shared
        Whether several samples may have one row: those of a patient.
    """

    words: str
    key: Callable[[str], str]
    shared: bool = False


@_remembered
def _without_endings(name: str) -> str:
    if name.isalnum() and not name.endswith(("Aligned", "ReadsPerGene")):
        return name  # most are, and nothing is quicker to see
    *folders, file = re.split(r"[/\\]", name)
    if folders and file.lower().removesuffix(".gz") in _BESIDE:
        file = folders[-1]
    while (shorter := _ENDING.sub("", file)) and shorter != file:
        file = shorter
    return file


@_remembered
def _number(name: str) -> str:
    if not name[:1].isdigit():
        return name
    return re.sub(r"^0+(?=\d)", "", re.sub(r"^(\d+)\.0+$", r"\1", name))


@_remembered
def _of_r(name: str) -> str:
    """As R's ``check.names`` writes it, but for the X that it puts before what is no letter; and
    with dots for underscores, which stand for hyphens elsewhere."""
    plain = name if name.isalnum() else re.sub(r"[\W_]", ".", name)
    return re.sub(r"^X(?=[\d.])", "", plain) if name[:1] == "X" else plain


@_remembered
def _blanks(name: str) -> str:
    return name if name.isalnum() else re.sub(r"[\s_]+", "_", name).strip("_")


SPELLINGS = (
    Spelling("ignoring paths and file endings", _without_endings),
    Spelling("taking blanks and underscores for the same", _blanks),
    Spelling("as R writes names", _of_r),
    Spelling("as numbers", _number),
    Spelling("ignoring letter case", str.casefold),
)
"""In the order in which they are applied together."""


def barcodes(ids: Sequence[str]) -> Iterator[Spelling]:
    """By sample and by patient, if TCGA barcodes are among the ids."""
    if any(_BARCODE.match(one) for one in ids):
        for characters in (15, 12):
            words = f"by the first {characters} characters of TCGA barcodes"
            yield Spelling(words, partial(_cut, characters), shared=True)


def _cut(characters: int, name: str) -> str:
    """A barcode in its usual spelling, cut; other ids as they are."""
    return name.upper().replace(".", "-")[:characters] if _BARCODE.match(name) else name


def together(spellings: Sequence[Spelling]) -> Spelling:
    """All of them, one after the other."""

    def key(name: str) -> str:
        for spelling in spellings:
            name = spelling.key(name)
        return name

    return Spelling(" and ".join(spelling.words for spelling in spellings), key)


ALL = together(SPELLINGS)


def several() -> Iterator[Spelling]:
    """Every choice of at least two of them, few first."""
    for size in range(2, len(SPELLINGS) + 1):
        yield from (together(chosen) for chosen in combinations(SPELLINGS, size))
