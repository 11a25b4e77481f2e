"""Effective lengths that counts of genes follow: kept with a cohort, so that counts of new samples
follow the same."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tybalt_like.core.errors import RunError
from tybalt_like.core.marker import check_intact
from tybalt_like.core.provenance import record, recorded
from tybalt_like.io.tx2gene import LENGTH
from tybalt_like.io.write import write_table

if TYPE_CHECKING:
    from anndata import AnnData

FILE = "effective_lengths.tsv.gz"
BROUGHT = "counts are brought to the effective lengths of the cohort that they are compared with"


def save_lengths(adata: AnnData, folder: Path) -> None:
    """Write the mean effective length of each gene, where `read` summed transcripts by them."""
    if LENGTH in adata.var:
        write_table(adata.var[[LENGTH]].rename_axis("gene"), folder / FILE)


def at_lengths(adata: AnnData, folder: Path) -> AnnData:
    """Counts as if read together with the cohort of a folder: its mean lengths in place of those
    of these samples. The same samples if either knows none.

    Raises
    ------
    RunError
        If the file of lengths is damaged or missing.
    """
    check_intact(folder, [FILE])
    if LENGTH not in adata.var or not (folder / FILE).is_file():
        return adata
    try:
        table = pd.read_csv(folder / FILE, sep="\t", index_col=0)
        length_g = table[LENGTH].astype(float).reindex(adata.var_names)
    except (OSError, EOFError, ValueError, KeyError, zlib.error) as error:
        raise RunError(f"{folder / FILE} is damaged ({error}); copy the folder again") from None
    ratio_g = (length_g / adata.var[LENGTH]).fillna(1).to_numpy()
    result = adata.copy()
    result.X = np.rint(np.asarray(adata.X) * ratio_g).astype(np.float32)
    result.var[LENGTH] = length_g.fillna(adata.var[LENGTH])
    reading = dict(recorded(adata).get("reading", {}))
    record(result, reading=reading | {"notes": [*reading.get("notes", []), BROUGHT]})
    return result
