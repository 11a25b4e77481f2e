"""From a count matrix to a folder with tables, figures and a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tybalt_like import io, pp, report
from tybalt_like.aberrant import counts
from tybalt_like.aberrant import pair_tables as tables
from tybalt_like.aberrant.reach import reach
from tybalt_like.aberrant.reference import LatentSize, Reference, Tested
from tybalt_like.aberrant.statistics import inflation, tail_inflation
from tybalt_like.core.errors import RecipeError
from tybalt_like.core.folders import whole_folder
from tybalt_like.core.provenance import reading_notes
from tybalt_like.io.lengths import BROUGHT, at_lengths, save_lengths
from tybalt_like.pp.findings import check_samples
from tybalt_like.report.words import counted
from tybalt_like.run.about import write_about
from tybalt_like.run.progress import Progress

if TYPE_CHECKING:
    from anndata import AnnData

KIND = "aberrant"
PAIRS, SIGNIFICANT, SAMPLES = "aberrant.tsv.gz", "aberrant_significant.tsv", "samples.tsv"
INFLATED = 1.1
"""From here on p-values are called too small."""
LEVEL, INFLATED_TAIL = 1e-3, 3.0
"""The same for the share of p-values up to a level, over the level: a few in a thousand may well
be aberrant."""


def aberrant(
    adata: AnnData,
    out: Path,
    *,
    name: str,
    using: Path | None = None,
    covariates: Sequence[str] = (),
    latent_size: LatentSize = "threshold",
    min_count: int = 10,
    alpha: float = 0.05,
    seed: int = 0,
    overwrite: bool = False,
    inputs: Iterable[Path] = (),
    progress: Progress | None = None,
) -> Path:
    """Find aberrant counts and write the folder `out`, whole or not at all.

    Parameters
    ----------
    adata
        Raw counts, samples x genes.
    out
        Gets ``aberrant.tsv.gz`` (all pairs of gene and sample), ``aberrant_significant.tsv``,
        ``samples.tsv``, ``run.json``, figures, the page ``report.html`` and, without `using`, the
        fitted reference.
    name
        Title of the page.
    using
        Folder of an earlier cohort to compare new samples with; its results do not change, and
        each new sample's do not depend on the others.
    covariates, latent_size, min_count, seed
        As in `Reference.fit`.
    alpha
        Largest adjusted p-value of an aberrant count.
    overwrite
        Replace `out` if it exists.
    inputs
        Files and folders that `out` must not hold.

    Returns
    -------
    pathlib.Path
        The page.

    Raises
    ------
    DataError, RecipeError, RunError
        One clear sentence; nothing is written then.
    """
    progress = progress or Progress(quiet=True)
    progress.steps = 2
    if not 0 < alpha < 1:
        raise RecipeError(f"alpha is {alpha:g}; it must lie between 0 and 1")
    reference = None if using is None else Reference.load(using)
    settings: dict[str, Any] = {"covariates": list(covariates), "latent_size": latent_size}
    settings |= {"min_count": min_count, "alpha": alpha}
    if using is not None:
        settings = {"using": using.resolve().name, "alpha": alpha}
    inputs = [*inputs, *([] if using is None else [using])]
    notes: list[str] = []

    def say(text: str) -> None:
        notes.append(text)
        progress.say(text)

    for note in reading_notes(adata):
        progress.say(note)
    findings = pp.inspect(adata)
    check_samples(findings)
    warnings = findings.doubts
    with whole_folder(
        out, kind=KIND, settings=settings | {"seed": seed}, inputs=inputs, overwrite=overwrite
    ) as work:
        if reference is None or using is None:
            with progress.stage("Learning from the cohort"):
                reference, tested = Reference.fit(
                    adata,
                    covariates=covariates,
                    latent_size=latent_size,
                    min_count=min_count,
                    seed=seed,
                    say=say,
                )
                reference.save(work)
                save_lengths(adata, work)
            warnings += counts.warnings(tested.observed_ng, tested.samples)
        else:
            with progress.stage("Testing new samples"):
                moved = at_lengths(adata, using)
                if moved is not adata:
                    say(BROUGHT)
                tested = reference.test(moved, say=say)
        tails = reference.model.own if using is None else reference.model.new
        say(str(reach(tested, tails, alpha=alpha)))
        with progress.stage("Writing"):
            _write_tables(work, tested, alpha=alpha)
            _write_about(
                work,
                adata,
                tested,
                reference,
                alpha=alpha,
                warnings=warnings,
                name=name,
                recipe=settings,
                seed=seed,
                seconds=progress.seconds,
                using=using.resolve().name if using else "",
                notes=notes,
            )
            report.build(work)
    return out / report.PAGE


def _write_about(
    work: Path,
    adata: AnnData,
    tested: Tested,
    reference: Reference,
    *,
    alpha: float,
    warnings: list[str],
    **also: Any,
) -> None:
    middle, tail = inflation(tested.p_ng), tail_inflation(tested.p_ng, LEVEL)
    write_about(
        work,
        kind=KIND,
        adata=adata,
        summary=_summary(tested, alpha=alpha),
        warnings=warnings + _doubts(middle, tail),
        facts={
            "aberrant counts": int((tested.padj_ng <= alpha).sum()),
            "genes": len(tested.genes),
            "samples": len(tested.samples),
            "samples of the reference": reference.n_samples,
            "hidden factors": reference.latent_dim,
        },
        alpha=alpha,
        covariates=[str(covariate) for covariate in reference.covariates],
        latent_dim=reference.latent_dim,
        n_genes=len(tested.genes),
        inflation=round(middle, 4),
        tail_inflation=round(tail, 4),
        **also,
    )


def _summary(tested: Tested, *, alpha: float) -> list[str]:
    n, size = int((tested.padj_ng <= alpha).sum()), f"{len(tested.genes):,} genes x "
    return [
        f"{counted(n, 'aberrant count')} (adjusted p <= {alpha:g}) among {size}"
        f"{counted(len(tested.samples))}"
    ]


def _doubts(middle: float, tail: float) -> list[str]:
    if middle > INFLATED:
        figure = f"lambda {middle:.2f}"
    elif tail > INFLATED_TAIL:
        figure = f"{tail:.1f} times as many up to {LEVEL:g} as chance gives"
    else:
        return []
    return [
        f"p-values are too small ({figure}, 1 is right): something that the model does not know, "
        "such as a batch, sets these samples apart"
    ]


def _write_tables(work: Path, tested: Tested, *, alpha: float) -> None:
    pairs, summary = tables.pairs(tested, alpha=alpha), tables.summary(tested, alpha=alpha)
    io.write_table(pairs.set_index("gene"), work / PAIRS)
    called = pairs[pairs["padjust"] <= alpha]
    io.write_table(called.set_index("gene"), work / SIGNIFICANT)
    io.write_table(summary, work / SAMPLES)
