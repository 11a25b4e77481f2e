"""New samples, scored by a finished run, as a folder with a page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tybalt_like import io, report
from tybalt_like.anomaly import scores as tables
from tybalt_like.core import keys
from tybalt_like.core.folders import whole_folder
from tybalt_like.core.provenance import recorded
from tybalt_like.pl.palette import clean
from tybalt_like.report.new_samples import GENES, KIND, LABEL, NEW, PLACED, SCORES, VALUES
from tybalt_like.report.run_contents import RunContents
from tybalt_like.report.words import sentence
from tybalt_like.run.about import write_about
from tybalt_like.run.folder import Run
from tybalt_like.run.seen import Assessed
from tybalt_like.tl.closest_normal import observed
from tybalt_like.tl.embed import between
from tybalt_like.tl.explain import N_STRANGEST

if TYPE_CHECKING:
    from anndata import AnnData

OF_LATENT, OLD = "latent_", "no label"
"""Start of the columns of maps of the latent features, and label of old samples without one."""


def write_page(
    found: Assessed,
    run: Run,
    adata: AnnData,
    out: Path,
    *,
    name: str,
    inputs: Iterable[Path] = (),
    overwrite: bool = False,
) -> Path:
    """Write ``scores.tsv``, ``gene_scores.tsv.gz``, ``gene_values.tsv.gz``, ``placed.tsv.gz`` and
    ``report.html``.

    Parameters
    ----------
    found
        What `Run.assess` said of `adata`.
    out
        The folder to make.
    name
        Title of the page.
    inputs
        Files and folders that `out` must not hold.
    overwrite
        Replace `out` if it exists.

    Returns
    -------
    pathlib.Path
        The page.

    Raises
    ------
    RunError
        If the folder exists and may not be replaced.
    """
    inputs = [run.folder, *inputs]
    with whole_folder(out, kind=KIND, settings={}, inputs=inputs, overwrite=overwrite) as work:
        placed = _placed(found, run, adata)
        io.write_table(io.shortened(found.scores), work / SCORES)
        io.write_table(io.shortened(_explained(found, run).set_index("sample")), work / GENES)
        io.write_table(io.shortened(placed), work / PLACED)
        if len(values := _values(found, run)):
            io.write_table(io.shortened(values), work / VALUES)
        _write_about(work, found, run, adata, placed, name=name)
        report.build(work)
    return out / report.PAGE


def _explained(found: Assessed, run: Run) -> pd.DataFrame:
    """The genes behind the flagged samples or, without any, the strangest ones."""
    scores = found.scores.sort_values(keys.score(_decides(run), tables.COMBINED), ascending=False)
    flagged = scores.index[scores[keys.score(_decides(run), "flagged")]]
    shown = flagged if len(flagged) else scores.index[:N_STRANGEST]
    return found.genes[found.genes["sample"].isin(shown)]


def _placed(found: Assessed, run: Run, adata: AnnData) -> pd.DataFrame:
    """Split, label, place on the map and combined score of the samples of the run and the new ones.

    Only the new ones have q-values: only they are asked about. Their labels are those of the sample
    table that came with them, in the column of the run's.
    """
    latent = run.latent(adata)
    columns = [str(column) for column, *_ in _score_columns(run)]
    cohort = RunContents(run.folder, run.about)
    maps = cohort.maps[[str(c) for c in cohort.maps if str(c).startswith(OF_LATENT)]]
    label, labels = run.about["label"] or LABEL, cohort.labels.replace("", OLD)
    splits = cohort.samples[keys.SPLIT]
    old = pd.DataFrame({keys.SPLIT: splits, label: labels}, index=splits.index)
    scores = cohort.needed(SCORES, index="sample")[columns].reindex(old.index)
    old = pd.concat([old, maps.reindex(old.index), scores], axis=1)
    old[keys.score(_decides(run), "q_value")] = np.nan
    old[keys.score(_decides(run), "flagged")] = False
    named = clean(adata.obs[label]) if label in adata.obs else NEW
    new = pd.DataFrame({keys.SPLIT: NEW, label: named}, index=latent.index)
    known_mk = cohort.latent.to_numpy()
    spread_k = known_mk.std(0)
    unit_k = np.where(spread_k > 0, spread_k, 1)
    place_np = between(latent.to_numpy() / unit_k, known_mk / unit_k, maps.to_numpy())
    new = pd.concat([new, pd.DataFrame(place_np, new.index, maps.columns)], axis=1)
    new = pd.concat([new, found.scores[columns]], axis=1)
    old = old[~old.index.isin(new.index)]  # one that the run holds too is shown once, as new
    return pd.concat([part for part in (old, new) if len(part)]).rename_axis("sample")


def _values(found: Assessed, run: Run) -> pd.DataFrame:
    """The genes whose values the run has written, in its samples and the new ones; none in images
    and in folders of earlier versions."""
    old = RunContents(run.folder, run.about).gene_values
    if old.empty:
        return old
    encoded = found.encoded
    assert encoded is not None
    new = pd.DataFrame(
        observed(encoded, run.scorers[keys.DEFAULT].model), encoded.obs_names, encoded.var_names
    )
    new[recorded(encoded)["normalisation"]["filled"]] = np.nan
    new = new.reindex(columns=old.columns).astype(np.float32)
    return pd.concat([old[~old.index.isin(new.index)], new]).rename_axis("sample")


def _write_about(
    work: Path, found: Assessed, run: Run, adata: AnnData, placed: pd.DataFrame, *, name: str
) -> None:
    about, decides = run.about, _decides(run)
    q_n = found.scores[keys.score(decides, "q_value")]
    combined_n = found.scores[keys.score(decides, tables.COMBINED)]
    most = run.scorers[decides].detector.calibration_scores.max()
    verdict = found.verdict
    said = "Whether they come from where the reference does cannot be checked."
    if verdict is not None:
        said = sentence(f"{verdict.outcome}: {verdict.sentence}")
    write_about(
        work,
        kind=KIND,
        name=name,
        recipe={"run": about["name"], "samples": adata.n_obs},
        seed=about["seed"],
        adata=adata,
        summary=[said],
        warnings=[sentence(note) for note in found.notes],
        facts={"reference samples": about["detector"]["reference"], "run": about["name"]},
        seconds={},
        refused=f"No p-values are given. {said}",
        model=about["model"],
        features=[],
        maps=[str(c) for c in placed if str(c).startswith(OF_LATENT)],
        score_columns=_score_columns(run),
        label=about["label"] or LABEL,
        normal=about["normal"],
        anomalies=about["anomalies"],
        images=about["images"],
        fdr=about["fdr"],
        scorers=[decides],
        detector=about["detector"] | {"pooled": False},
        domain=None if verdict is None else asdict(verdict),
        flagged={
            "tested": int(q_n.notna().sum()),
            "flagged": int(found.scores[keys.score(decides, "flagged")].sum()),
            "beyond": int((combined_n > most).sum()),
        },
    )


def _decides(run: Run) -> str:
    return str(run.about["detector"]["name"])


def _score_columns(run: Run) -> list[list[Any]]:
    """Those of the combined score that decides."""
    columns = run.about["score_columns"]
    return [c for c in columns if c[1] == _decides(run) and c[2] == tables.COMBINED]
