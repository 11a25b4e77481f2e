"""How well known anomalies are found, by every score."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure as Drawing

from tybalt_like import pl
from tybalt_like.pl.curves import detection_by_label
from tybalt_like.pl.scores import metric_dots
from tybalt_like.report.figure import Figure, drawing_of
from tybalt_like.report.run_contents import NORM, RunContents, detector_title
from tybalt_like.report.section import Section

MANY = 4
"""More anomalous labels than that share one figure of curves."""


class Detection(Section[RunContents], name="detection", title="Detection", kind="run", place=50):
    """A table and figures of AUROC and AUPRC."""

    heading = "How well known anomalies are found"
    template = """
<p>Named anomalies against held-out normal samples. Best in each column in bold. AUPRC depends on the share of anomalies (prevalence): compare it within a column only.</p>
<div class="scroll" role="region" aria-label="Table of detection metrics" tabindex="0">
<table class="plain">
<thead>
<tr><th rowspan="2" scope="col">score</th>{% for a in metrics.anomalies %}<th colspan="2" scope="colgroup" class="group">{{ 'all together' if a.name == 'all' else a.name }}<br><small>{{ a.n_anomaly | int | count }} against {{ a.n_normal | int | count }}, prevalence {{ '%.2f' | format(a.prevalence) }}</small></th>{% endfor %}</tr>
<tr>{% for a in metrics.anomalies %}<th scope="col" class="n">AUROC</th><th scope="col" class="n">AUPRC</th>{% endfor %}</tr>
</thead>
<tbody>
{% for detector in metrics.detectors %}
<tr{% if detector.main %} class="main"{% endif %}><th scope="row">{{ detector.name }}</th>{% for cell in detector.cells %}{% for m in ('auroc', 'auprc') %}<td class="n">{% if cell[m].best %}<strong>{{ '%.3f' | format(cell[m].value) }}</strong>{% else %}{{ '%.3f' | format(cell[m].value) }}{% endif %}</td>{% endfor %}{% endfor %}</tr>
{% endfor %}
</tbody>
</table>
</div>
<p class="note">Combined score: {{ about.detector.combined }}. The norm of the standardised row is the distance from the average training profile; nothing is learned for it.</p>
{{ ui.figures(figures) }}
"""

    def content(self, run: RunContents) -> dict[str, Any] | None:
        table = metrics(run)
        return {"metrics": table} if table["detectors"] else None

    def figures(self, run: RunContents) -> Iterator[Figure]:
        found = _metrics(run)
        names = [(name, "combined") for name in run.about["scorers"]] + [("", NORM)]
        columns = {run.worded(detector_title(*name)): run.value(*name) for name in names}
        scores = pd.DataFrame({name: values for name, values in columns.items() if len(values)})
        shown = list(dict.fromkeys(found["anomaly"]))
        named = run.about["anomalies"]
        if len(named) > MANY and shown:
            yield _curves_by_label(run)
            shown = [anomaly for anomaly in shown if anomaly not in named]
        for i, anomaly in enumerate(shown):
            strange = run.labels == anomaly
            if anomaly not in named:  # all of them together
                strange |= run.labels.isin(named)
            rows = (strange | run.normals) & scores.notna().all(axis=1)
            what = anomaly if anomaly in named else "all named anomalies"
            yield _curves(f"detection_{i + 1}_{_slug(anomaly)}", what, scores[rows], strange[rows])
        titles = {pair: run.worded(detector_title(*pair)) for pair in _pairs(found)}
        table = found.assign(detector=[titles[pair] for pair in _pairs(found)])
        ours = [title for (model, _), title in titles.items() if model == run.decides]
        yield Figure(
            "metrics",
            "Which score finds the anomalies best?",
            "AUROC of every score for every anomalous label.",
            "AUROC is the chance that an anomalous sample scores higher than a held-out normal "
            "one: 1 is perfect, 0.5 is guessing. Bold: scores of the one that decides. The norm of the "
            "standardised row, the distance from the average profile, involves no learning at "
            "all: a model has to beat it to earn its keep.",
            lambda: drawing_of(metric_dots(table, bold=ours, palette=run.palette)),
        )


def _metrics(run: RunContents) -> pd.DataFrame:
    table = run.needed("metrics.tsv")
    return table.fillna({"model": ""})


def _pairs(found: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(found["model"], found["score"], strict=True))


def metrics(run: RunContents) -> dict[str, Any]:
    """Detectors in the order of the file, with AUROC and AUPRC for every anomaly."""
    found = _metrics(run)
    anomalies = [
        {"name": anomaly, **rows.iloc[0][["n_normal", "n_anomaly", "prevalence"]].to_dict()}
        for anomaly, rows in found.groupby("anomaly", sort=False)
    ]
    best = found.groupby("anomaly")[["auroc", "auprc"]].max()
    detectors = [
        {
            "name": run.worded(detector_title(str(model), str(score))),
            "main": (model, score) == (run.decides, "combined"),
            "cells": [_cell(rows, anomaly["name"], best) for anomaly in anomalies],
        }
        for (model, score), rows in found.groupby(["model", "score"], sort=False)
    ]
    return {"anomalies": anomalies, "detectors": detectors}


def _cell(rows: pd.DataFrame, anomaly: str, best: pd.DataFrame) -> dict[str, Any]:
    row = rows[rows["anomaly"] == anomaly].iloc[0]
    return {
        measure: {"value": row[measure], "best": row[measure] >= best.loc[anomaly, measure]}
        for measure in ("auroc", "auprc")
    }


def _curves(name: str, what: str, scores: pd.DataFrame, strange: pd.Series) -> Figure:
    n_strange, n_normal = int(strange.sum()), int((~strange).sum())

    def draw() -> Drawing:
        figure, axes = plt.subplots(1, 2, figsize=(10, 4.9))
        pl.roc(scores, strange, ax=axes[0])
        pl.precision_recall(scores, strange, ax=axes[1])
        return figure

    return Figure(
        name,
        f"Finding {what}",
        f"ROC and precision-recall curves for {what}.",
        f"{n_strange} anomalous samples against {n_normal} held-out normal ones, for every "
        "possible threshold. Left: the share of anomalies found against the share of normal "
        "samples wrongly called; a good score hugs the upper left corner. Right: how many of the "
        "samples called are truly anomalous; it depends on how common anomalies are (dotted).",
        draw,
    )


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:40]


def _curves_by_label(run: RunContents) -> Figure:
    """ROC and precision-recall of the combined score, a curve for each anomalous label."""
    scored = pd.DataFrame({"score": run.score(), "label": run.labels})
    anomalies = list(run.about["anomalies"])
    rows = (run.normals | run.labels.isin(anomalies)) & scored["score"].notna()
    return Figure(
        "detection_by_label",
        f"Finding each of {len(anomalies)} labels",
        "ROC and precision-recall curves of the combined score, for every anomalous label.",
        f"The combined score of the {run.title(run.decides)}: samples of each label against the held-out normal "
        "ones, for every possible threshold. Left: the share of anomalies found against the share "
        "of normal samples wrongly called. Right: how many of the samples called are truly "
        "anomalous, which depends on how common the label is.",
        lambda: detection_by_label(scored[rows], normal=run.normals[rows], palette=run.palette),
    )
