"""What a run found, in the terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from tybalt_like.anomaly.scores import COMBINED
from tybalt_like.report import ABOUT, PAGE
from tybalt_like.report.run_contents import NORM, detector_title

METRICS = "metrics.tsv"


def print_summary(folder: Path, *, as_json: bool = False) -> None:
    """Print the sentences of ``run.json``, its warnings, and where the page is; with a table of
    detection where there is one."""
    about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    page, metrics = str(folder / PAGE), _metrics(folder)
    if as_json:
        said = {key: about[key] for key in ("kind", "summary", "warnings", "facts", "seconds")}
        found = {"report": page, **about.get("flagged", {}), **said}
        if metrics is not None:
            found["metrics"] = metrics.to_dict(orient="records")
        print(json.dumps(found))
        return
    console = Console(highlight=False)
    if metrics is not None and len(metrics):
        console.print(_table(metrics, about))
    for sentence in about["summary"]:
        console.print(sentence, markup=False, soft_wrap=True)
    for warning in about["warnings"]:
        console.print(f"note: {warning}", markup=False, soft_wrap=True)
    console.print(f"report: {page}", markup=False, soft_wrap=True)


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
