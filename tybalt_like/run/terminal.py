"""What a run found, as a short table in the terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from tybalt_like.evaluation.summary import verdict
from tybalt_like.report.contents import title
from tybalt_like.run import folder


def print_summary(run_dir: Path, *, as_json: bool = False) -> None:
    """Print flagged samples, detection beside the baselines, and where the report is."""
    about = json.loads((run_dir / folder.ABOUT).read_text(encoding="utf-8"))
    metrics = pd.read_csv(run_dir / "metrics.tsv", sep="\t")
    report = run_dir / "report.html"
    if as_json:
        rows = metrics.to_dict(orient="records")
        said = {"metrics": rows, "verdict": _verdict(run_dir, about["model"]["name"])}
        print(json.dumps({"report": str(report), **about["flagged"], **said}))
        return
    console = Console(highlight=False)
    if len(metrics):
        console.print(_table(metrics, about["model"]["name"]))
    found = "{flagged} of {tested} tested samples flagged".format(**about["flagged"])
    console.print(f"{found} at a false-discovery rate of {about['fdr']:g}")
    for sentence in _verdict(run_dir, about["model"]["name"])[:1]:
        console.print(sentence, markup=False, soft_wrap=True)
    for warning in about["warnings"]:
        console.print(f"note: {warning}", markup=False, soft_wrap=True)
    console.print(f"report: {report}", markup=False, soft_wrap=True)


def _verdict(run_dir: Path, model: str) -> list[str]:
    """What the report card says of the encoding, if there is one."""
    if not (run_dir / "evaluation.tsv").exists():
        return []
    card = pd.read_csv(run_dir / "evaluation.tsv", sep="\t", dtype={"column": str})
    return verdict(card, model=model, title=title)


def _table(metrics: pd.DataFrame, model: str) -> Table:
    """AUROC of each detector for each anomaly, the model's combined score first."""
    wide = metrics.pivot_table(index="detector", columns="anomaly", values="auroc")
    wide = wide.loc[metrics["detector"].unique(), metrics["anomaly"].unique()]
    table = Table(title="AUROC: held-out normal samples against", title_justify="left")
    table.add_column("score")
    for anomaly in wide.columns:
        table.add_column(str(anomaly), justify="right")
    for detector, row in wide.iterrows():
        style = "bold" if detector == f"{model} combined" else None
        table.add_row(str(detector), *(f"{value:.3f}" for value in row), style=style)
    return table
