"""What a run found, in the terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tybalt_like.anomaly.scores import COMBINED
from tybalt_like.report import PAGE, Contents
from tybalt_like.report.run_contents import NORM, RunContents, detector_title
from tybalt_like.report.sections.at_a_glance import AtAGlance
from tybalt_like.report.words import number

METRICS = "metrics.tsv"
ANY_WIDTH = 1000
"""Columns of a table that goes to a file: no name is broken."""


def print_summary(folder: Path, *, as_json: bool = False, verbose: bool = False) -> None:
    """Print what the page of a run begins with, and where it is.

    Of a run over a cohort that is the first section: the strangest samples and what to distrust; of
    other kinds, the sentences of ``run.json``.

    Parameters
    ----------
    as_json
        ``run.json`` and all measures of detection, on one line.
    verbose
        All sentences and warnings, and a table of detection where there is one.
    """
    run, page, metrics = Contents.read(folder), str(folder / PAGE), _metrics(folder)
    about = run.about
    if as_json:
        said = {key: about[key] for key in ("kind", "summary", "warnings", "facts", "seconds")}
        line = {"report": page, **about.get("flagged", {}), **said}
        if metrics is not None:
            line["metrics"] = metrics.to_dict(orient="records")
        print(json.dumps(line))
        return
    console = Console(highlight=False, width=None if sys.stdout.isatty() else ANY_WIDTH)
    sentences, doubts = list(about["summary"]), list(about["warnings"])
    if isinstance(run, RunContents) and (glance := AtAGlance().content(run)) is not None:
        console.print(run.lead, markup=False, soft_wrap=True)
        console.print(_strangest(run, glance))
        if glance["extrapolated"]:
            console.print("* below what ranks can tell: extrapolated")
        if not verbose:
            sentences, doubts = glance["worth"], glance["doubts"]
    if verbose and metrics is not None and len(metrics):
        console.print(_table(metrics, about))
    for sentence in sentences:
        console.print(sentence, markup=False, soft_wrap=True)
    for doubt in doubts:
        console.print(f"note: {doubt}", markup=False, soft_wrap=True)
    console.print(f"report: {page}", markup=False, soft_wrap=True)


def _strangest(run: RunContents, glance: Mapping[str, Any]) -> Table:
    """The samples of the first section, with their genes."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    genes = f"furthest from what is expected ({glance['unit']})"
    names = ["strangest", *filter(None, [run.label]), "p", "q", "rank by others"]
    for name in [*names, *[genes] * glance["genes"]]:
        table.add_column(Text(name), overflow="fold", no_wrap=name == names[0])
    for one in glance["strangest"]:
        found = [str(one["sample"]), *[str(one["label"])] * bool(run.label)]
        found += [f"{number(one['p'], 2)}{'*' * one['extrapolated']}", number(one["q"], 2)]
        found.append(one["ranks"])
        shown = ", ".join(f"{g['symbol']} {g['difference']:+.1f}" for g in one["genes"])
        style = "bold" if one["flagged"] else None
        table.add_row(*map(Text, [*found, *[shown] * glance["genes"]]), style=style)
    return table


def _metrics(folder: Path) -> pd.DataFrame | None:
    if not (folder / METRICS).exists():
        return None
    text = {"model": str, "score": str, "anomaly": str}
    return pd.read_csv(folder / METRICS, sep="\t", dtype=text, keep_default_na=False)


def _table(metrics: pd.DataFrame, about: dict[str, Any]) -> Table:
    """AUROC of each detector for each anomaly, the one that decides first."""
    metrics = metrics[metrics["score"].isin([COMBINED, NORM])]
    wide = metrics.pivot_table(index=["model", "score"], columns="anomaly", values="auroc")
    order = pd.MultiIndex.from_frame(metrics[["model", "score"]].drop_duplicates())
    wide = wide.loc[order, metrics["anomaly"].unique()]
    table = Table(title="AUROC: held-out normal samples against", title_justify="left")
    table.add_column("score")
    for anomaly in wide.columns:
        table.add_column(str(anomaly), justify="right")
    for (name, score), values in zip(order, wide.to_numpy(), strict=True):
        style = "bold" if name == about["detector"]["name"] else None
        table.add_row(detector_title(name, score), *(f"{v:.3f}" for v in values), style=style)
    return table
