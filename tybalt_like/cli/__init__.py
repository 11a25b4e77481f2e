"""The command line: parses and calls."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from tybalt_like.cli.aberrant import aberrant
from tybalt_like.cli.benchmark import benchmark
from tybalt_like.cli.bundle import bundle
from tybalt_like.cli.compare import compare
from tybalt_like.cli.compress import compress
from tybalt_like.cli.data import data
from tybalt_like.cli.explain import explain
from tybalt_like.cli.models import models
from tybalt_like.cli.options import (
    Matrix,
    Obs,
    OutTable,
    Quiet,
    RunDir,
    check_out,
    emit,
    reads,
    say_notes,
)
from tybalt_like.cli.perturbation import perturbation
from tybalt_like.cli.recipe import recipe
from tybalt_like.cli.report import report
from tybalt_like.cli.run import run
from tybalt_like.cli.schema import schema
from tybalt_like.cli.score import merge, score
from tybalt_like.cli.share import pull, push
from tybalt_like.cli.sweep import sweep
from tybalt_like.cli.verify import verify
from tybalt_like.core.errors import TybaltLikeError, notes_of
from tybalt_like.core.sigterm import Terminated, heeded
from tybalt_like.core.threads import brief_waits

IS_MAIN = os.environ.get("RANK", "0") == "0"
"""Of the processes that torchrun starts, one talks."""

app = typer.Typer(
    name="tybalt-like",
    help="Encode transcriptomes, find the anomalous samples, understand why, and report it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(run)
app.command()(recipe)
app.command()(models)
app.add_typer(data, name="data")
app.add_typer(benchmark, name="benchmark")
app.command()(sweep)
app.command()(compress)
app.command()(aberrant)
app.command()(perturbation)
app.command()(explain)
app.command()(report)
app.command()(compare)
app.command()(bundle)
app.command()(push)
app.command()(pull)
app.command()(verify)
app.command()(schema)
app.command()(score)
app.command()(merge)


def main() -> None:
    """Entry point: errors that the user can mend become one sentence and exit code 2."""
    os.environ.update(brief_waits())  # before torch is loaded
    os.environ.setdefault("MPLBACKEND", "Agg")  # never a window, also where there is a display
    os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")  # of what Apple's devices lack
    _find_caches()
    gc.set_threshold(50_000)  # imports make as many objects, of which none is to be freed
    atexit.register(gc.freeze)  # all memory is given back; to look through it first takes a second
    try:
        with heeded():
            app()
    except Terminated as end:
        if IS_MAIN:
            print("ended by SIGTERM", *notes_of(end), sep="\n", file=sys.stderr)
        raise
    except TybaltLikeError as error:
        if IS_MAIN:
            print(f"error: {error}", *notes_of(error), sep="\n", file=sys.stderr)
        sys.exit(error.exit_code)
    except SystemExit as end:  # also of an interrupt, of which typer makes one
        interrupt = getattr(end.__context__, "__cause__", None)
        if IS_MAIN and isinstance(interrupt, KeyboardInterrupt):
            print("interrupted", *notes_of(interrupt), sep="\n", file=sys.stderr)
        raise
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def _find_caches() -> None:
    """Where the home folder cannot be written (containers), what numba compiles and matplotlib
    finds out goes to a temporary folder."""
    try:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
        home.mkdir(parents=True, exist_ok=True)
        is_writable = os.access(home, os.W_OK)
    except (OSError, RuntimeError):  # read-only, or a user without a home
        is_writable = False
    if not is_writable:
        folder = _own_temporary_folder()
        os.environ.setdefault("NUMBA_CACHE_DIR", str(folder / "numba"))
        os.environ.setdefault("MPLCONFIGDIR", str(folder / "matplotlib"))


def _own_temporary_folder() -> Path:
    """One that nobody else can write to: what numba kept there is run by whoever finds it."""
    import tempfile

    folder = Path(tempfile.gettempdir()) / f"tybalt_like-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid == os.getuid() and not (found.st_mode & 0o022 or folder.is_symlink()):
        return folder
    return Path(tempfile.mkdtemp(prefix="tybalt_like-"))


def _print_version(wanted: bool) -> None:
    if wanted:
        from tybalt_like import __version__

        print(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="Print version."),
    ] = False,
) -> None:
    pass


@app.command()
@reads
def latent(
    run_dir: RunDir, matrix: Matrix, reading: Mapping[str, Any], out: OutTable = None
) -> None:
    """Encode new samples with a finished run: one row of latent features each."""
    from tybalt_like import io
    from tybalt_like.run.folder import Run

    check_out(out, matrix)
    run = Run.load(run_dir)
    adata = io.read(matrix, usual=run.parts, **reading)
    say_notes(adata)
    emit(run.latent(adata), out)


@app.command()
@reads
def normalize(
    matrix: Annotated[Path, typer.Argument(help="Expression matrix, of any known format.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="h5ad file to write.")],
    reading: Mapping[str, Any],
    obs: Obs = None,
    batch: Annotated[str | None, typer.Option(help="Column of batches, for the QC page.")] = None,
    train: Annotated[
        str | None, typer.Option(help="COLUMN=VALUE: learn from these samples only.")
    ] = None,
    using: Annotated[
        Path | None, typer.Option(help="A normaliser.json to apply instead of learning one.")
    ] = None,
    change: Annotated[
        list[str] | None, typer.Option("--set", help="Change a setting: scale=zscore")
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="TCP://HOST:PORT", help="dask scheduler; its workers share the work."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what this command wrote before.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Normalise a matrix and draw its quality on one page.

    Writes OUT.h5ad, the fitted OUT.normaliser.json and the page OUT.qc.png. An h5ad or zarr
    matrix stays on disk and may be larger than memory, unless a part of it is chosen (--layer);
    workers of a cluster (--scheduler) then have to see it under the same path.
    """
    from tybalt_like.run.normalise import normalise as execute
    from tybalt_like.run.progress import Progress

    execute(
        matrix,
        out,
        obs=obs,
        reading=reading,
        batch=batch,
        train=train,
        using=using,
        changes=change or [],
        scheduler=scheduler,
        overwrite=overwrite,
        progress=Progress(quiet=quiet),
    )
