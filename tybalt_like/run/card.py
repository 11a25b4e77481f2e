"""The card of a run: ``README.md`` as Hugging Face reads it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tybalt_like.anomaly.scores import COMBINED
from tybalt_like.models import Model
from tybalt_like.report import PACKAGE
from tybalt_like.report.run_contents import RunContents, title
from tybalt_like.report.words import counted
from tybalt_like.run.bundle import disclosed
from tybalt_like.run.folder import SCORERS

CARD = "README.md"
TASK = {"type": "tabular-classification", "name": "anomaly detection"}

USE = """```bash
pip install tybalt-like
tybalt-like pull SOURCE run
tybalt-like score --run run NEW_SAMPLES.tsv
```"""


def card(folder: Path, about: Mapping[str, Any], *, licence: str, profiles: Sequence[str]) -> str:
    """Front matter (licence, tags, library, metrics) and text: what the run is, what it found, what
    it tells of its samples, how to use it.

    Parameters
    ----------
    about
        ``run.json``.
    profiles
        The files that hold the expression of samples.
    """
    run, name = RunContents(folder, dict(about)), str(about["model"]["name"])
    measured = _measured(run)
    facts = {
        "library_name": PACKAGE,
        "license": licence,
        "tags": [PACKAGE, "gene-expression", "anomaly-detection", name],
        "metrics": ["roc_auc"] if measured else [],
        "model-index": [{"name": about["name"], "results": measured}] if measured else [],
    }
    # JSON is YAML, and says the same whatever a name looks like.
    matter = [f"{key}: {json.dumps(value)}" for key, value in facts.items() if value]
    return "\n".join(["---", *matter, "---", "", *_text(run, name, measured, profiles), ""])


def _text(
    run: RunContents, name: str, measured: Sequence[Mapping[str, Any]], profiles: Sequence[str]
) -> list[str]:
    about, kind = run.about, Model.registry.get(name)
    scores = (run.folder / SCORERS).is_dir()
    warnings = about["warnings"] or ["Nothing was noted."]
    lines = [f"# {_plain(about['name'])}", _what(run, name, scores=scores)]
    lines += ["## What it found", _list(about["summary"])]
    lines += ["## What it tells of its samples", *_told(run, profiles)]
    lines += ["## What to be careful about", _list(warnings)]
    if measured:
        rows = [_row(one["metrics"][0]) for one in measured]
        lines += [
            "## AUROC",
            "\n".join(["| anomaly | AUROC | 95 % |", "| --- | --- | --- |", *rows]),
        ]
    lines += ["## Use", USE if scores else "Open `report.html`."]
    if kind is not None and kind.citation:
        lines += ["## To cite", _plain(kind.citation)]
    lines.append("SHA-256 of every file: `.tybalt_like.json`; `pull` checks them.")
    return ["\n\n".join(lines)]


def _what(run: RunContents, name: str, *, scores: bool) -> str:
    about, reading = run.about, run.about["reading"]
    size = f"{counted(reading['n_obs'], 'sample')} x {counted(reading['n_vars'], 'gene')}"
    beside = ", with a detector of anomalous samples" if scores else ""
    return (
        f"{_plain(title(name))}, learned from {size}{beside}; made by {PACKAGE} "
        f"{about['versions'][PACKAGE]}, seed {about['seed']}. `report.html` is its page, "
        "`run.json` its recipe."
    )


def _told(run: RunContents, profiles: Sequence[str]) -> list[str]:
    said = [f"As for page and tables: {disclosed(run.folder, run.about)}."]
    if profiles:
        said = [str(run.about.get("discloses", "")), *said]
    files = "Whole profiles are in " + ", ".join(f"`{one}`" for one in profiles) + "."
    return [_plain(" ".join(said)), *([files] if profiles else [])]


def _list(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {_plain(sentence)}" for sentence in sentences)


def _measured(run: RunContents) -> list[dict[str, Any]]:
    """How well the score that decides finds the named anomalies, as a model index has it."""
    table, reading = run.table("metrics.tsv"), run.about["recipe"]["data"]
    if not len(table):
        return []
    decides = run.about["detector"]["name"]
    rows = table[(table["model"] == decides) & (table["score"] == COMBINED)]
    data = str(reading.get("dataset") or reading.get("path"))
    return [
        {
            "task": TASK,
            "dataset": {"name": data, "type": data},
            "metrics": [
                {
                    "type": "roc_auc",
                    "name": f"AUROC, held-out normal samples against {row.anomaly}",
                    "value": round(float(row.auroc), 4),
                    "config": [round(float(row.auroc_low), 4), round(float(row.auroc_high), 4)],
                }
            ],
        }
        for row in rows.itertuples()
    ]


def _row(metric: Mapping[str, Any]) -> str:
    low, high = metric["config"]
    return f"| {_plain(metric['name'])} | {metric['value']:.3f} | {low:.3f} to {high:.3f} |"


def _plain(text: str) -> str:
    """A sentence in which nothing that somebody named is markup."""
    return re.sub(r"([\\`*_<>\[\]|#])", r"\\\1", " ".join(text.split()))
