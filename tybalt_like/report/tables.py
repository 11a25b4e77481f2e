"""The tables of the report, as rows for its template."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from tybalt_like.report.contents import Contents

Row = dict[Hashable, Any]

MAX_SAMPLES = 1000
"""Rows of the sample table; the file has the rest."""
MAX_EXPLAINED = 50
"""Flagged samples whose genes are shown; the file has the rest."""
MAX_RECURRENT = 12
"""Genes named per label."""


def by_measure(
    rows: pd.DataFrame,
    *,
    index: str,
    columns: str,
    headings: Mapping[str, str],
    main: str,
    name: Callable[[str], str] = str,
) -> dict[str, Any]:
    """Columns in the order of `headings`, and a row per item, the main one marked; empty if there
    are no rows."""
    if rows.empty:
        return {}
    wide = rows.pivot_table(index=index, columns=columns, values="value", sort=False)
    shown = [measure for measure in headings if measure in wide]
    return {
        "columns": [headings[measure] for measure in shown],
        "rows": [
            {"name": name(str(item)), "cells": list(row), "main": item == main}
            for item, row in wide[shown].iterrows()
        ],
    }


def samples(run: Contents) -> list[Row]:
    """Flagged samples first, then the other tested ones, the strangest on top."""
    table = pd.DataFrame(
        {
            "label": run.labels,
            "split": run.samples["split"],
            "score": run.score("combined"),
            "p": run.score("p_value"),
            "q": run.score("q_value"),
            "flagged": run.flagged,
            "tested": run.tested,
        }
    )
    table = table.sort_values(["flagged", "tested", "score"], ascending=False, kind="stable")
    return _rows(table.head(MAX_SAMPLES))


def metrics(run: Contents) -> dict[str, Any]:
    """Detectors in the order of the file, with AUROC and AUPRC for every anomaly."""
    anomalies = [
        {"name": anomaly, **rows.iloc[0][["n_normal", "n_anomaly", "prevalence"]].to_dict()}
        for anomaly, rows in run.metrics.groupby("anomaly", sort=False)
    ]
    best = run.metrics.groupby("anomaly")[["auroc", "auprc"]].max()
    detectors = [
        {
            "name": run.title(str(detector)),
            "ours": str(detector).startswith(f"{run.model} "),
            "main": detector == f"{run.model} combined",
            "cells": [_cell(rows, anomaly["name"], best) for anomaly in anomalies],
        }
        for detector, rows in run.metrics.groupby("detector", sort=False)
    ]
    return {"anomalies": anomalies, "detectors": detectors}


def _cell(rows: pd.DataFrame, anomaly: str, best: pd.DataFrame) -> dict[str, Any]:
    row = rows[rows["anomaly"] == anomaly].iloc[0]
    return {
        measure: {"value": row[measure], "best": row[measure] >= best.loc[anomaly, measure]}
        for measure in ("auroc", "auprc")
    }


def explained(run: Contents) -> list[Row]:
    """The flagged or, without any, the strangest samples with the genes behind their scores."""
    names = run.score("combined")[run.genes["sample"].unique()].nlargest(MAX_EXPLAINED).index
    by_sample = dict(list(run.genes.groupby("sample", sort=False)))
    sets = dict(list(run.gene_sets.groupby("sample", sort=False))) if len(run.gene_sets) else {}
    q = run.score("q_value")
    return [
        {
            "name": name,
            "label": run.labels[name],
            "score": run.score("combined")[name],
            "q": q[name],
            "genes": by_sample[name].sort_values("rank").to_dict(orient="records"),
            "limit": by_sample[name]["z"].abs().max() or 1.0,
            "sets": sets[name].to_dict(orient="records") if name in sets else [],
        }
        for name in names
    ]


def recurrent(run: Contents) -> list[Row]:
    """Genes that are among the strangest in most explained samples of a label."""
    if run.genes.empty:
        return []
    table = run.genes.assign(label=run.labels.reindex(run.genes["sample"]).to_numpy())
    groups: list[Row] = []
    for label, rows in table.groupby("label"):
        n = rows["sample"].nunique()
        counts = rows.groupby(["gene", "direction"], sort=False)["sample"].nunique()
        common = counts[counts > 1].nlargest(MAX_RECURRENT)
        if len(common):
            genes = common.rename("n").reset_index().to_dict(orient="records")
            groups.append({"label": label, "n": n, "genes": genes})
    return sorted(groups, key=lambda group: -group["n"])


def settings(recipe: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested tables as ``section.key`` and value, without what is not set."""
    rows = []
    for key, value in recipe.items():
        if isinstance(value, Mapping):
            rows += settings(value, f"{prefix}{key}.")
        elif value not in (None, []):
            shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            rows.append((f"{prefix}{key}", shown))
    return rows


def _rows(table: pd.DataFrame) -> list[Row]:
    return table.rename_axis("name").reset_index().to_dict(orient="records")
