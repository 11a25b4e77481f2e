"""Samples that a model makes up: how like real ones they are, and what they give away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from tybalt_like import pl
from tybalt_like.explain.explained import FOLDER, about_of
from tybalt_like.report.figure import Figure
from tybalt_like.report.run_contents import RunContents, title
from tybalt_like.report.section import Section


class Synthetic(
    Section[RunContents], name="synthetic", title="Synthetic samples", kind="run", place=75
):
    """Fidelity and privacy beside a simple rival."""

    heading = "Samples that nobody has"
    template = """
<p>{{ n | count }} samples were drawn around the codes of the training samples, decoded, and given the noise that the decoder leaves out. Beside them stands a simple rival: a multivariate normal distribution in as many principal components.</p>
{% for caption, sources, rows in tables %}
<div class="scroll" role="region" aria-label="{{ caption }}" tabindex="0">
<table class="plain"><caption>{{ caption }}</caption>
<thead><tr><th scope="col">measure</th>{% for source in sources %}<th scope="col" class="n">{{ source }}</th>{% endfor %}<th scope="col" class="n">ideal</th></tr></thead>
<tbody>
{% for row in rows %}
<tr><th scope="row">{{ row.measure }}</th>{% for cell in row.cells %}<td class="n">{{ cell.value | number }}{% if cell.low is defined and cell.low == cell.low %} <small>{{ cell.low | number(2) }} to {{ cell.high | number(2) }}</small>{% endif %}</td>{% endfor %}<td class="n">{{ row.ideal | number }}</td></tr>
{% endfor %}
</tbody></table></div>
{% endfor %}
{{ ui.figures(figures) }}
<p class="note">Fidelity is judged against held-out real samples; an AUROC of 0.5 means that a classifier cannot tell them from synthetic ones. Privacy asks whether a synthetic sample lies nearer to training samples than to others that the model has not seen: a membership attack at 0.5 learns nothing.</p>
"""

    def content(self, run: RunContents) -> dict[str, Any] | None:
        about = about_of(run)
        if not about.get("synthetic"):
            return None
        fidelity, privacy = _tables(run)
        return {
            "n": about["synthetic"],
            "tables": [("Likeness", *_grid(fidelity)), ("Privacy", *_grid(privacy))],
        }

    def figures(self, run: RunContents) -> Iterator[Figure]:
        fidelity, privacy = _tables(run)
        table = pd.concat([fidelity, privacy], ignore_index=True)
        table["source"] = table["source"].map(title)
        yield Figure(
            "synthetic_measures",
            "How like real samples are they?",
            "Every measure of likeness and privacy, of the model and of a simple rival.",
            "Points with 95 % intervals where there are some; the vertical line is the ideal value.",
            lambda: pl.synthetic_measures(table),
        )


def _tables(run: RunContents) -> tuple[pd.DataFrame, pd.DataFrame]:
    return (
        run.needed(f"{FOLDER}/synthetic_fidelity.tsv"),
        run.needed(f"{FOLDER}/synthetic_privacy.tsv"),
    )


def _grid(table: pd.DataFrame) -> tuple[list[str], list[dict[str, Any]]]:
    """The sources, and a row per measure with a cell for each of them."""
    sources = list(dict.fromkeys(table["source"]))
    rows = []
    for measure, of_measure in table.groupby("measure", sort=False):
        by_source = of_measure.set_index("source")[["value", "low", "high"]].reindex(sources)
        cells = by_source.to_dict(orient="records")
        rows.append({"measure": measure, "cells": cells, "ideal": of_measure["ideal"].iloc[0]})
    return [title(source) for source in sources], rows
