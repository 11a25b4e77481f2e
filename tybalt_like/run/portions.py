"""A large file scored by one process, a portion after the other, as shards are.

What is held at once does not grow with the file, but for a few numbers for each sample.
"""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from tybalt_like import io
from tybalt_like.core.memory import giving_back_arrays
from tybalt_like.core.provenance import reading_notes
from tybalt_like.core.rows import block_starts
from tybalt_like.run import shards
from tybalt_like.run.calls import of_genes
from tybalt_like.run.seen import Assessed, Seen
from tybalt_like.run.shards import GENES, Shard

if TYPE_CHECKING:
    from anndata import AnnData

    from tybalt_like.run.folder import Run

LARGE, PORTION = 1 << 24, 1 << 21
"""Files of more values are read so many at a time, 8 MB; scoring them takes 100 times as much."""


class Large(NamedTuple):
    """What a run says of a large file.

    Attributes
    ----------
    assessed
        As of a small one, without genes.
    table
        The score table.
    notes
        How the file was read.
    """

    assessed: Assessed
    table: pd.DataFrame
    notes: list[str]


def how_many(
    matrix: Path,
    *,
    obs: Path | None = None,
    usual: Mapping[str, Any] | None = None,
    reading: Mapping[str, Any],
) -> int:
    """Portions in which a file is scored: 1 if it is small, or has to be read whole (`io.read`)."""
    shape = io.shape_on_disk(matrix, obs=obs, usual=usual, **reading)
    if shape is None:
        return 1
    n_obs, n_vars = shape
    if n_obs * n_vars <= LARGE:
        return 1
    return min(-(-n_obs * n_vars // PORTION), len(block_starts(n_obs)))


def assess(
    run: Run,
    matrix: Path,
    n: int,
    *,
    controls: AnnData | None = None,
    of_interest: Collection[str] = (),
    genes: Path | None = None,
) -> Large:
    """What `Run.assess` says of a file, read in so many portions.

    Parameters
    ----------
    controls, of_interest
        See `Run.assess`.
    genes
        Table to write, of the genes behind each score.

    Raises
    ------
    DataError
        If the samples do not suit.
    """
    seen, first, notes, judged = list[Seen](), list[pd.Series](), list[str](), list[Assessed]()

    def pieces() -> Iterator[pd.DataFrame]:
        for number in range(1, n + 1):
            read = shards.read(matrix, Shard(number, n))
            notes.extend(note for note in reading_notes(read.adata) if note not in notes)
            part = Seen.of(
                run,
                read.adata,
                controls=controls,
                of_interest=of_interest,
                portion=read.portion,
            )
            seen.append(replace(part, genes=part.genes.head(0).copy(), encoded=None))
            first.append(of_genes(part.genes))
            yield part.genes.set_index("sample")
            del read, part
            gc.collect()  # an AnnData is a cycle, which would lie about with its arrays
        # What is refused now leaves no table.
        judged.append(Seen.joined(seen).judged(run))

    with giving_back_arrays():
        if genes is None:
            deque(pieces(), maxlen=0)
        else:
            io.write_table(map(io.shortened, pieces()), genes)
    return Large(judged[0], judged[0].scores.assign(**{GENES: pd.concat(first)}), notes)
