"""How a matrix is to be read: every choice, once, for `read`, recipes and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from pydantic import PositiveInt

from tybalt_like.core.errors import DataError
from tybalt_like.core.settings import FilePath


class AbsentError(DataError):
    """A file has not the part that was asked for, such as a layer."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a matrix is to be read.

    Parameters
    ----------
    genes_in
        Where a table has its genes; found out if ``"auto"``.
    layer
        Layer of an h5ad, zarr, h5mu or loom to read in place of X, which ``"X"`` names itself.
    use_raw
        Read ``.raw``, with its own genes, in place of X.
    modality
        Which one of an h5mu; the only one, or else ``rna`` or ``gex``, if None.
    image_size
        Rows and columns to resize the images of a folder to.
    tx2gene
        Which gene each transcript belongs to: a GTF or GFF3 file, or a table with a column of each.
        Transcripts are summed to genes; where salmon, kallisto or RSEM give effective lengths,
        counts follow them as tximport's ``lengthScaledTPM`` do.
    """

    genes_in: Literal["auto", "rows", "columns"] = "auto"
    layer: str | None = None
    use_raw: bool = False
    modality: str | None = None
    image_size: PositiveInt | None = None
    tx2gene: FilePath | None = None

    def __post_init__(self) -> None:
        if self.genes_in not in ("auto", "rows", "columns"):
            raise DataError(
                f'genes_in is {self.genes_in!r}; it must be "auto", "rows" or "columns"'
            )
        if self.layer is not None and self.use_raw:
            raise DataError(f"layer = {self.layer!r} and use_raw exclude each other; give one")

    def parts(self) -> dict[str, Any]:
        """What was chosen of a file that holds several things; a format must know of it."""
        own = [field.name for field in fields(Options)]
        chosen = {name: getattr(self, name) for name in own if name not in EVERYWHERE}
        return {name: value for name, value in chosen.items() if value not in (None, False)}


EVERYWHERE = frozenset({"genes_in", "image_size", "tx2gene"})
"""Options that are no choice among the parts of a file."""


def in_words(parts: Mapping[str, Any]) -> str:
    """``layer = 'counts'``; ``use_raw``."""
    said = (name if value is True else f"{name} = {value!r}" for name, value in parts.items())
    return ", ".join(said)
