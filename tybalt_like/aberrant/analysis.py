"""From a count matrix to a folder with tables, figures and a page."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tybalt_like import io
from tybalt_like.aberrant import counts
from tybalt_like.aberrant import pair_tables as tables
from tybalt_like.aberrant.reference import LatentSize, Reference, Tested
from tybalt_like.aberrant.statistics import inflation, p_values
from tybalt_like.core.errors import RecipeError
from tybalt_like.core.files import whole_folder
from tybalt_like.run.progress import Narrator

if TYPE_CHECKING:
    from anndata import AnnData

ABOUT = "aberrant.json"
PAIRS, SIGNIFICANT, SAMPLES = "aberrant.tsv.gz", "aberrant_significant.tsv", "samples.tsv"
LIBRARIES = ("tybalt-like", "torch", "numpy", "scipy")
INFLATED = 1.1
"""From here on p-values are called too small."""


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
    narrator: Narrator | None = None,
) -> dict[str, Any]:
    """Find aberrant counts and write the folder `out`, whole or not at all.

    Parameters
    ----------
    adata
        Raw counts, samples x genes.
    out
        Gets ``aberrant.tsv.gz`` (all pairs of gene and sample), ``aberrant_significant.tsv``,
        ``samples.tsv``, ``aberrant.json``, figures, the page ``aberrant.html`` and, without
        `using`, the fitted reference.
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
    dict
        The contents of ``aberrant.json``.

    Raises
    ------
    DataError, RecipeError, RunError
        One clear sentence; nothing is written then.
    """
    narrator = narrator or Narrator(quiet=True)
    if not 0 < alpha < 1:
        raise RecipeError(f"alpha is {alpha:g}; it must lie between 0 and 1")
    reference = None if using is None else Reference.load(using)
    notes: list[str] = []

    def say(text: str) -> None:
        notes.append(text)
        narrator.say(text)

    settings: dict[str, Any] = {"min_count": min_count, "latent_size": latent_size, "seed": seed}
    settings = {"using": str(using)} if using else settings
    inputs = [*inputs, *([] if using is None else [using])]
    with whole_folder(
        out, kind="aberrant", settings=settings, inputs=inputs, overwrite=overwrite
    ) as work:
        if reference is None:
            with narrator.stage("Learning from the cohort"):
                reference, tested = Reference.fit(
                    adata,
                    covariates=covariates,
                    latent_size=latent_size,
                    min_count=min_count,
                    seed=seed,
                    say=say,
                    on_epoch=narrator.epoch,
                )
                reference.save(work)
            said = counts.warnings(tested.observed_ng, tested.samples)
        else:
            with narrator.stage("Testing new samples"):
                tested = reference.test(adata, say=say)
            said = []
        about = _about(name, reference, tested, alpha=alpha) | {"using": str(using or "")}
        about["warnings"] = said + _doubts(about)
        about |= {"notes": notes, "settings": settings | {"alpha": alpha}}
        with narrator.stage("Writing"):
            _write(work, tested, about)
    for warning in about["warnings"]:
        narrator.say(f"note: {warning}")
    return about


def _about(name: str, reference: Reference, tested: Tested, *, alpha: float) -> dict[str, Any]:
    mid_ng = p_values(tested.observed_ng, tested.expected_ng, tested.dispersion_g, mid=True)
    return {
        "schema": 1,
        "name": name,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {library: importlib.metadata.version(library) for library in LIBRARIES},
        "n_samples": len(tested.samples),
        "n_genes": len(tested.genes),
        "n_reference": reference.n_samples,
        "latent_dim": reference.latent_dim,
        "covariates": [str(covariate) for covariate in reference.covariates],
        "alpha": alpha,
        "aberrant": int((tested.padj_ng <= alpha).sum()),
        "inflation": round(inflation(mid_ng), 4),
    }


def _doubts(about: dict[str, Any]) -> list[str]:
    if about["inflation"] <= INFLATED:
        return []
    return [
        f"p-values are too small (lambda {about['inflation']:.2f}, 1 is right): something that the "
        "model does not know, such as a batch, sets these samples apart"
    ]


def _write(work: Path, tested: Tested, about: dict[str, Any]) -> None:
    from tybalt_like.report import aberrant as page

    alpha = about["alpha"]
    pairs, summary = tables.pairs(tested, alpha=alpha), tables.summary(tested, alpha=alpha)
    io.write_table(pairs.set_index("gene"), work / PAIRS)
    called = pairs[pairs["padjust"] <= alpha]
    io.write_table(called.set_index("gene"), work / SIGNIFICANT)
    io.write_table(summary, work / SAMPLES)
    (work / ABOUT).write_text(json.dumps(about, indent=1), encoding="utf-8")
    page.build(work, pairs=pairs, summary=summary, about=about)
