"""One `read` for every format, one file per format: a file put here that declares a `FORMAT` is
known to `read`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tybalt_like.core import discovery as _discovery
from tybalt_like.core import provenance
from tybalt_like.core.errors import DataError, TybaltLikeError
from tybalt_like.core.messages import without_folders
from tybalt_like.core.stored import sound
from tybalt_like.io.format import Chooser, Format, Noted
from tybalt_like.io.gene_list import read_gene_list
from tybalt_like.io.gmt import read_gmt
from tybalt_like.io.grid import Axis, Grid, repeated_genes_allowed
from tybalt_like.io.image_folder import folder_of_images
from tybalt_like.io.layout import UNNAMED
from tybalt_like.io.not_genes import controls, left_out, not_genes
from tybalt_like.io.options import AbsentError, Options, in_words
from tybalt_like.io.orientation import orientation
from tybalt_like.io.parts import some_samples
from tybalt_like.io.plain_text import make_plain
from tybalt_like.io.quantifiers import SUMMED, gene_counts
from tybalt_like.io.sample_columns import refuse_sample_table, set_aside
from tybalt_like.io.samples import SampleTable, join
from tybalt_like.io.source import Source
from tybalt_like.io.sparse import check_indices
from tybalt_like.io.table import read_table
from tybalt_like.io.tx2gene import AS_TRANSCRIPTS, TranscriptGenes, are_transcripts, summed
from tybalt_like.io.write import shortened, write_h5ad, write_table

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

__all__ = [
    "Options",
    "read",
    "read_gene_list",
    "read_gmt",
    "shortened",
    "write_h5ad",
    "write_table",
]

_MODULES = _discovery.load_modules(__name__, __path__)
FORMATS: list[Format] = [module.FORMAT for module in _MODULES if hasattr(module, "FORMAT")]
TEXT = Format("delimited text", lambda source: not source.is_folder, read_table)


def __dir__() -> list[str]:
    return __all__


def read(
    source: str | Path,
    *,
    obs: str | Path | pd.DataFrame | None = None,
    options: Options | None = None,
    usual: Mapping[str, Any] | None = None,
    choose: Chooser | None = None,
    **changes: Any,
) -> AnnData:
    """Read an expression matrix of any known format as samples x genes, images as samples x pixels.

    Parameters
    ----------
    source
        File or folder; ``-`` is standard input.
    obs
        Sample table, joined by sample id: a file, or a table with the ids as index or column. The
        ids may stand in any of its columns, and beside the matrix too; small differences in
        spelling are overcome where that is unambiguous, and said.
    options
        How to read; see `Options`.
    usual
        `Options.parts` of an earlier reading: they are chosen again where nothing else is and the
        file has them; if it has not, X is read, and a note says so.
    choose
        Row numbers of the samples that are wanted, by the names of all. An h5ad or zarr is then
        read without the others, unless a part of it (`usual`, `options`) or `obs` is asked for.
    **changes
        Single options, such as ``genes_in="rows"``, ``layer="counts"`` or ``use_raw=True``.

    Returns
    -------
    AnnData
        `X` is float32 with NaN where values are missing, in the units of the file. What was
        understood is recorded in ``uns["tybalt_like"]`` under ``reading``.

    Raises
    ------
    DataError
        If the file is missing, empty, damaged, of no known format, ragged, holds text or
        infinite values in the matrix, names a sample twice, lacks the part that was chosen, or
        has no sample in `obs`.
    """
    options = replace(options or Options(), **changes)
    opened = Source(source)
    if isinstance(obs, str | Path) and Path(obs).expanduser() == opened.path:
        raise DataError(f"{opened.name}: the sample table is the matrix itself; name another file")
    table = None if obs is None else SampleTable.of(obs)
    name = opened.name
    genes = None if options.tx2gene is None else TranscriptGenes(options.tx2gene)
    plain = table is None and not usual and options == Options()
    some = _some(opened, choose) if choose is not None and plain else None
    found, kind, parts, notes = some or _read(opened, options, usual or {}, genes)
    axis = options.genes_in
    if isinstance(found, Grid):
        notes += found.notes
        refuse_sample_table(found, name)
        axis, said = _genes_in(found, table, options, name)
        notes += said
        notes += found.keep_genes(axis)
        adata, said = set_aside(found.anndata(axis), name)
        notes += said
    else:
        adata, more = found if isinstance(found, Noted) else (found, [])
        with repeated_genes_allowed():
            adata, said = _genes_alone(adata.T if axis == "rows" else adata)
        notes += [*more, *said]
        axis = "columns" if axis == "auto" else axis
    _as_float32(adata, name)
    if genes is not None and kind != SUMMED:
        adata, said = summed(adata, genes, name=name)
        notes += said
    _check(adata, name)
    notes += controls(adata.var_names)
    if genes is None and AS_TRANSCRIPTS not in "".join(notes) and are_transcripts(adata.var_names):
        notes.append(AS_TRANSCRIPTS)
    warnings, unmatched = list[str](), dict[str, Any]()
    if table is not None:
        joined, warnings, unmatched = join(adata, table)
        notes += joined
    if cleaned := make_plain(adata):
        _check(adata, name)  # two names may have become one
        notes += cleaned
    notes += _free_reserved_names(adata)
    if choose is not None and some is None:
        adata = adata[choose(adata.obs_names, adata.var_names)].copy()
    told = [source, *(path for path in (obs, options.tx2gene) if isinstance(path, str | Path))]
    notes, warnings = without_folders(notes, told), without_folders(warnings, told)
    reading: dict[str, Any] = {
        "source": without_folders([name], told)[0],
        "format": kind,
        "genes_in": axis,
    }
    reading |= {"n_obs": adata.n_obs, "n_vars": adata.n_vars, "parts": parts}
    reading |= {"notes": notes, "warnings": warnings} | unmatched
    provenance.record(adata, reading=reading)
    return adata


def shape_on_disk(
    source: str | Path,
    *,
    obs: str | Path | pd.DataFrame | None = None,
    usual: Mapping[str, Any] | None = None,
    **changes: Any,
) -> tuple[int, int] | None:
    """How many samples and genes a file has of which `read`, asked like this, can read some samples
    without the others; None of other files, and of those that cannot be read."""
    shapes = list[tuple[int, int]]()

    def first(samples: Sequence[str], genes: Sequence[str]) -> NDArray[np.intp]:
        shapes.append((len(samples), len(genes)))
        return np.zeros(1, np.intp)

    if obs is not None or usual or changes or str(source) == "-":
        return None
    try:
        return shapes[0] if _some(Source(source), first) is not None else None
    except DataError:
        return None  # reading it says what is wrong


def _genes_alone(adata: AnnData) -> tuple[AnnData, list[str]]:
    """Without columns that are no genes; what was left out, in words."""
    others = not_genes(adata.var_names.astype(str))
    if not others.any():
        return adata, []
    return adata[:, ~others].copy(), [left_out(list(adata.var_names[others]))]


def _some(source: Source, choose: Chooser) -> tuple[Noted, str, dict[str, Any], list[str]] | None:
    """What `_read` returns, of some samples of a file that need not be read whole; else None."""
    format = next((one for one in FORMATS if one.opened and one.recognises(source)), None)
    if format is None or format.opened is None:
        return None
    with sound(source.path), format.opened(source) as group:
        found = some_samples(group, choose)
    return None if found is None else (found, format.name, {}, [])


def _read(
    source: Source,
    options: Options,
    usual: Mapping[str, Any],
    genes: TranscriptGenes | None,
) -> tuple[Grid | AnnData | Noted, str, dict[str, Any], list[str]]:
    """What the first format that recognises the source makes of it, the format's name, the parts
    that were chosen, and notes about the choice."""
    if options.image_size is not None:
        size = options.image_size
        return folder_of_images(source, size=size), f"images, {size} pixels wide", {}, []
    try:
        if genes is not None and (grid := gene_counts(source, genes)) is not None:
            return grid, SUMMED, {}, []
        for format in (*FORMATS, TEXT):
            if format.recognises(source):
                found, parts, notes = _of_format(format, source, options, usual)
                return found, format.name, parts, notes
    except TybaltLikeError:
        raise
    except Exception as error:  # parsers of other libraries meet damage with almost any error
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{source.name}: cannot be read as {format.name} ({reason})") from error
    raise DataError(f"{source.name}: this folder holds no known format; {_instead(source.path)}")


def _instead(folder: Path) -> str:
    """What to name instead of a folder that holds nothing known."""
    if (folder / "run.json").is_file():
        return "it is a finished run: name the matrix that it was made from"
    if any(folder.glob("*abundance.h5")) or any(folder.glob("*/abundance.h5")):
        return "of kallisto abundance.tsv is read: make it with `kallisto h5dump`"
    for inside in sorted(folder.iterdir()):
        try:
            if any(format.recognises(Source(inside)) for format in FORMATS):
                return f"name what is in it: {inside}"
        except DataError:
            continue
    return (
        "it may hold files of STAR, RSEM, salmon, kallisto, featureCounts or htseq-count, 10x or "
        "images; name the file with the matrix"
    )


def _of_format(
    format: Format, source: Source, options: Options, usual: Mapping[str, Any]
) -> tuple[Grid | AnnData | Noted, dict[str, Any], list[str]]:
    """What a format makes of a source, the parts that were chosen, and notes about the choice."""
    parts = options.parts()
    foreign = {name: value for name, value in parts.items() if name not in format.takes}
    if foreign:
        raise DataError(
            f"{source.name}: {in_words(foreign)} has no meaning in this format ({format.name}); "
            "leave it out"
        )
    if not usual or parts:
        return format.read(source, **parts), parts, []
    again = {name: usual[name] for name in format.takes if name in usual}
    chosen, why = in_words(again or usual), f"{format.name} has no such parts"
    if again:
        try:
            return format.read(source, **again), again, [f"read as the earlier matrix: {chosen}"]
        except AbsentError as error:
            why = str(error)
    return format.read(source), {}, [f"not read as the earlier matrix ({chosen}): {why}"]


def _genes_in(
    grid: Grid, table: SampleTable | None, options: Options, name: str
) -> tuple[Axis, list[str]]:
    """Where the genes are, and a sentence about it if it was found out or looks wrong."""
    told = options.genes_in
    if told == "auto":
        axis, evidence = orientation(grid, table, name=name)
        return axis, [f"genes are in the {axis}: {evidence}"]
    try:
        axis, evidence = orientation(grid, table, name=name)
    except DataError:
        return told, []
    if axis == told:
        return told, []
    return told, [f"genes are in the {told}, as told, although {evidence}: is that right?"]


def _as_float32(adata: AnnData, name: str) -> None:
    if adata.X is None:
        raise DataError(f"{name}: it holds no matrix X")
    if hasattr(adata.X, "check_format"):
        try:
            check_indices(adata.X)
        except ValueError as error:
            raise DataError(f"{name}: the sparse matrix is damaged ({error})") from error
    x: Any = adata.X.tocsr() if hasattr(adata.X, "tocsr") else np.asarray(adata.X)
    if x.dtype.kind not in "biuf":
        raise DataError(f"{name}: the matrix holds {x.dtype}, not numbers")
    with np.errstate(over="ignore"):  # what is too large becomes infinite and is refused below
        adata.X = x.astype(np.float32, copy=False)


RESERVED = "_index"
"""h5ad keeps this name of a column for itself; exports of Seurat hold one."""


def _free_reserved_names(adata: AnnData) -> list[str]:
    """Rename columns that could not be written again; what was done, in words."""
    notes = []
    for what, name in (("sample", "obs"), ("gene", "var")):
        frame = getattr(adata, name)
        if RESERVED in frame:
            new = next(name for name in ("index", "index_", "index__") if name not in frame)
            setattr(adata, name, frame.rename(columns={RESERVED: new}))
            notes.append(f"{what} column {RESERVED!r} is called {new!r} here: h5ad reserves it")
    return notes


def _check(adata: AnnData, name: str) -> None:
    """Samples are named once and every value is finite or missing."""
    if 0 in adata.shape:
        raise DataError(f"{name}: {adata.n_obs} samples x {adata.n_vars} genes; nothing to do")
    unnamed = [i for i, sample in enumerate(adata.obs_names, 1) if sample in UNNAMED]
    if unnamed:
        raise DataError(f"{name}: sample {unnamed[0]} has no name; name it")
    twice = adata.obs_names[adata.obs_names.duplicated()]
    if len(twice):
        raise DataError(
            f"{name}: sample {twice[0]!r} occurs twice ({len(twice)} repeated names in all); "
            "rename or remove the copies"
        )
    found = _first_infinite(adata.X)
    if found is not None:
        row, column = found
        raise DataError(
            f"{name}: sample {adata.obs_names[row]!r}, gene {adata.var_names[column]!r}: the value "
            "is infinite or too large for a 32-bit number; correct it, or leave it empty"
        )


def _first_infinite(x: Any) -> tuple[int, int] | None:
    if not isinstance(x, np.ndarray):
        at = np.flatnonzero(np.isinf(x.data))
        return (int(x.tocoo().row[at[0]]), int(x.indices[at[0]])) if len(at) else None
    for start in range(0, len(x), 256):
        infinite = np.isinf(x[start : start + 256])
        if infinite.any():
            row, column = np.argwhere(infinite)[0]
            return start + int(row), int(column)
    return None
