"""Finished runs over the same samples, compared on one page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tybalt_like import io, report
from tybalt_like.core.errors import RunError
from tybalt_like.core.folders import whole_folder
from tybalt_like.report.contents import Contents
from tybalt_like.report.run_contents import RunContents, title
from tybalt_like.report.words import counted, listed
from tybalt_like.run import agreement
from tybalt_like.run.about import write_about
from tybalt_like.run.agreement import Runs, Score
from tybalt_like.run.comparison import (
    DETECTION,
    ENCODINGS,
    KIND,
    LATENTS,
    PAIRS,
    SAMPLES,
    SETTINGS,
    between,
)

NAMED = 3
"""Samples that are named in a sentence."""


def compare(folders: Sequence[Path], out: Path, *, overwrite: bool = False) -> Path:
    """Write tables of where runs agree and disagree, and their page.

    Parameters
    ----------
    folders
        At least two finished runs; the first is what the others are set against.
    out
        The folder to make.
    overwrite
        Replace `out` if it exists.

    Returns
    -------
    pathlib.Path
        The page.

    Raises
    ------
    RunError
        If one is no whole run over a cohort, or they have no tested sample in common.
    """
    runs = opened(folders)
    samples = agreement.tested_by_all(runs)
    scores = {name: agreement.scores_of(name, run) for name, run in runs.items()}
    chosen = agreement.compared(scores, samples)
    every = [one for several in scores.values() for one in several]
    labels = next((run.labels for run in runs.values() if run.label), pd.Series(dtype=object))
    table = agreement.by_sample(chosen, samples, labels)
    pairs = agreement.pairs(every)
    with whole_folder(out, kind=KIND, settings={}, inputs=folders, overwrite=overwrite) as work:
        io.write_table(io.shortened(table.set_index("sample")), work / SAMPLES)
        io.write_table(io.shortened(pairs.set_index("run")), work / PAIRS)
        for found, name in (
            (agreement.detection(runs, chosen), DETECTION),
            (agreement.encodings(runs), ENCODINGS),
            (agreement.latents(runs), LATENTS),
            (agreement.settings(runs), SETTINGS),
        ):
            if len(found):
                short = io.shortened(found.set_index(found.columns[0]))
                io.write_table(short, work / name)
        write_about(
            work,
            kind=KIND,
            name=listed(list(runs)),
            recipe={"runs": [folder.resolve().name for folder in folders]},
            seed=0,
            adata=None,
            summary=_summary(table, pairs, chosen),
            warnings=_warnings(runs, scores, chosen),
            facts={"samples tested by all": len(samples)},
            seconds={},
            runs=[_of_run(name, run) for name, run in runs.items()],
            chosen=[[one.run, one.scorer] for one in chosen],
            label=next((run.label for run in runs.values() if run.label), None),
        )
        report.build(work)
    return out / report.PAGE


def opened(folders: Sequence[Path]) -> dict[str, RunContents]:
    """Runs by name; by folder, or by number, where names are the same.

    Raises
    ------
    RunError
        If there are fewer than two, or one is no whole run over a cohort.
    """
    if len({folder.resolve() for folder in folders}) < max(2, len(folders)):
        raise RunError("compare needs two or more runs, each named once")
    found = []
    for folder in folders:
        if not folder.is_dir():
            raise RunError(f"no run folder {folder}")
        run = Contents.read(folder)
        if type(run) is not RunContents:
            raise RunError(
                f"{folder} is a run of another kind ({run.kind}); compare takes runs over a cohort"
            )
        found.append(run)
    for name in (
        lambda run: str(run.about["name"]),
        lambda run: run.folder.resolve().name,
        lambda run: f"{run.folder.resolve().name} ({found.index(run) + 1})",
    ):
        names = [name(run) for run in found]
        if max(Counter(names).values()) == 1:
            break
    return dict(zip(names, found, strict=True))


def _of_run(name: str, run: RunContents) -> dict[str, Any]:
    """What the page says of a run."""
    about = run.about
    return {
        "name": name,
        "model": run.title(),
        "features": len(about["features"]),
        "decides": run.title(run.decides),
        "reference": about["detector"]["reference"],
        "tested": about["flagged"]["tested"],
        "flagged": about["flagged"]["flagged"],
        "fdr": about["fdr"],
        "seed": about["seed"],
        "created": about["created"][:10],
        "seconds": sum(about["seconds"].values()),
    }


def _summary(table: pd.DataFrame, pairs: pd.DataFrame, chosen: Sequence[Score]) -> list[str]:
    first = table.drop_duplicates("sample")
    differ = first[first["calls"].between(1, len(chosen) - 1)]
    everyone = "both" if len(chosen) == 2 else f"all {len(chosen)}"
    said = [
        f"{counted(len(first))} were tested by {everyone} runs: "
        f"{int((first['calls'] == len(chosen)).sum()):,} are called anomalous by {everyone}, "
        f"{int((first['calls'] == 0).sum()):,} by none, and {len(differ):,} by some."
    ]
    shown = between(pairs, [(one.run, one.scorer) for one in chosen])
    ranked = [
        f"{row['spearman']:.3f} ({row['spearman_low']:.3f} to {row['spearman_high']:.3f}) between "
        f"{row['run']} and {row['other_run']}"
        for row in shown.to_dict(orient="records")
    ]
    said.append(f"Rank correlation of the scores (95 %): {listed(ranked)}.")
    if first["ratio"].max() > 1:
        apart = first.sort_values("ratio", ascending=False, kind="stable").head(NAMED)
        ranks = table.set_index(["sample", "run"])["rank"]
        named = [
            f"{sample} (ranks {listed([f'{int(ranks[sample, one.run]):,}' for one in chosen])})"
            for sample in apart["sample"]
        ]
        said.append(f"Furthest apart in rank: {listed(named)}.")
    return said


def _warnings(runs: Runs, scores: dict[str, list[Score]], chosen: Sequence[Score]) -> list[str]:
    """What makes the runs hard to compare."""
    said, about = [], [run.about for run in runs.values()]
    deciding = [several[0] for several in scores.values()]
    if list(chosen) != deciding:
        said.append(
            f"What decides, the {title(deciding[0].scorer)}, says the same in all runs; compared "
            "here are the scores of their models."
        )
    tested = [frozenset(run.tested.index[run.tested]) for run in runs.values()]
    if len(set(tested)) > 1:
        said.append(
            "The runs tested different samples; q-values, and with them calls, depend on who else "
            "was tested. p-values do not."
        )
    if len({tuple(one["normal"]) for one in about}) > 1:
        said.append("The runs have different reference labels: they answer different questions.")
    if len({one["fdr"] for one in about}) > 1:
        said.append("The runs call samples at different false-discovery rates.")
    first, *others = runs.values()
    if not all(agreement.same_samples(first, run) for run in others):
        said.append(
            "Encodings were not all measured on the same samples; where they were not, it is not "
            "said which is better."
        )
    if not all(agreement.same_values(first, run) for run in others):
        said.append(
            "Reconstruction was not measured on the same genes and scale by all runs; where it was "
            "not, R2 and Pearson cannot be compared."
        )
    return said
