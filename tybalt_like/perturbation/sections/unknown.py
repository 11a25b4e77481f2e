"""Predictions where no response is known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from tybalt_like.perturbation.contents import PairedContents, of_drug
from tybalt_like.perturbation.design import TABLE
from tybalt_like.pl.perturbation import uncertain_responses
from tybalt_like.report.figure import Figure, drawing_of
from tybalt_like.report.section import Section

MAX_ROWS = 200


class Unknown(
    Section[PairedContents], name="unknown", title="Unknown responses", kind=TABLE, place=50
):
    """A table to search, the surest predictions first, and intervals for each drug."""

    template = """
<p>Predictions for samples without a known response, the surest first{% if rows | length < n %} ({{ rows | length }} of {{ n | count }}){% endif %}. Each comes from a model trained without its group. All: {{ ui.file("predictions.tsv.gz") }}.</p>
{{ ui.search("sample, group ...") }}
{% call ui.sortable("Table of unknown responses", (["drug"] if run.several else []) + ["sample", "group", "treated profile"], ["probability" if about.is_binary else "response", "90 % interval"], id="sample-table") %}
{% for row in rows %}
<tr>{% if run.several %}<td>{{ row.drug }}</td>{% endif %}<th scope="row">{{ row.sample }}</th><td>{{ row.group }}</td><td>{{ "yes" if row.is_pair else "no" }}</td>{{ ui.n(row.prediction, '%.3f' | format(row.prediction)) }}<td class="n">{{ '%.3f' | format(row.low) }} – {{ '%.3f' | format(row.high) }}</td></tr>
{% endfor %}
{% endcall %}
{{ ui.figures(figures) }}
"""

    def content(self, run: PairedContents) -> dict[str, Any] | None:
        table = _unknown(run)
        if table.empty:
            return None
        table = table.assign(prediction=table[run.model], width=table["high"] - table["low"])
        columns = ["drug", "sample", "group", "is_pair", "prediction", "low", "high"]
        shown = table.sort_values("width", kind="stable").head(MAX_ROWS)[columns]
        return {"rows": shown.to_dict(orient="records"), "n": len(table)}

    def figures(self, run: PairedContents) -> Iterator[Figure]:
        for number, drug, of in run.drugs():
            found = of_drug(_unknown(run), drug)
            if len(found):
                yield _intervals(run, found, number, of)


def _intervals(run: PairedContents, found: pd.DataFrame, number: int, of: str) -> Figure:
    return Figure(
        f"unlabelled_{number}",
        f"Samples without a known response{of}",
        "Predicted responses with intervals, sorted.",
        "Predicted by the model that was trained without their group; the interval holds 90 % "
        "of the predictions over what the latent features may be.",
        lambda: drawing_of(uncertain_responses(found, run.model, is_binary=run.about["is_binary"])),
    )


def _unknown(run: PairedContents) -> pd.DataFrame:
    """Predictions of the first seed."""
    table = run.predictions
    if table.empty:
        return table
    unknown: pd.DataFrame = table[table["y"].isna() & (table["seed"] == table["seed"].min())]
    return unknown
