"""Every sample with its score, the strange ones first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
from matplotlib.figure import Figure as Drawing

from tybalt_like import pl
from tybalt_like.core import keys
from tybalt_like.report.figure import Figure, drawing_of
from tybalt_like.report.run_contents import Row, RunContents
from tybalt_like.report.section import Section

MAX_SAMPLES = 1000
"""Rows of the sample table; the file has the rest."""


class Samples(Section[RunContents], name="samples", title="Samples", kind="run", place=30):
    """A table to search and sort, and the distribution of the scores."""

    template = """
<p>Flagged samples come first, then the other tested ones, the strangest on top{% if rows | length < run.samples | length %}; the first {{ rows | length | count }} of {{ run.samples | length | count }} are shown{% endif %}. All scores of all samples: <a href="scores.tsv">scores.tsv</a>.</p>
{{ ui.search("sample, " ~ (run.label or "split") ~ " ...", "flagged only") }}
{% call ui.sortable("Table of samples", ["sample"] + ([run.label] if run.label else []) + ["split", "flagged"], ["combined score", "p", "q"] + beside, id="sample-table") %}
{% for row in rows %}
<tr{% if row.flagged %} class="flagged"{% endif %}><th scope="row">{{ row.name }}</th>{% if run.label %}<td>{{ ui.label_of(row.label) }}</td>{% endif %}<td>{{ row.split }}</td><td>{{ 'yes' if row.flagged else ('no' if row.tested else 'not tested') }}</td>{{ ui.n(row.score, '%.2f' | format(row.score)) }}{{ ui.n(row.p, (row.p | number(2)) ~ ('*' if row.extrapolated else '')) }}{{ ui.n(row.q, row.q | number(2)) }}{% for p in row.others %}{{ ui.n(p, p | number(2)) }}{% endfor %}</tr>
{% endfor %}
{% endcall %}
{% if rows | selectattr("extrapolated") | list %}<p class="note">* Extrapolated: beyond what ranks among {{ about.detector.units | count }} {{ about.detector.group or "reference sample" }}s can tell.</p>{% endif %}
{{ ui.figures(figures) }}
"""

    def content(self, run: RunContents) -> dict[str, Any]:
        beside = [f"p by {run.title(name)}" for name in _others(run)]
        return {"rows": samples(run), "beside": beside}

    def figures(self, run: RunContents) -> Iterator[Figure]:
        table = pd.DataFrame({"score": run.score(), "label": run.labels})[run.tested]
        if table.empty:
            return
        threshold = _threshold(run)

        def draw() -> Drawing:
            ax = pl.score_distribution(
                table,
                "score",
                label="label" if run.label else None,
                threshold=threshold,
                palette=run.palette,
            )
            ax.set_xlabel(f"combined anomaly score ({run.title(run.decides)})")
            return drawing_of(ax)

        yield Figure(
            "score_distribution",
            "How strange are the tested samples?",
            f"Combined anomaly scores of {len(table)} tested samples, by label.",
            "Each dot is a tested sample, scored by what was learned without it; further "
            "right is stranger. Circle and bar: median and quartiles. The score: "
            f"{run.about['detector']['combined']}."
            + ("" if threshold is None else " Samples from the dashed line on are flagged."),
            draw,
        )


def samples(run: RunContents) -> list[Row]:
    """Flagged samples first, then the other tested ones, the strangest on top."""
    table = pd.DataFrame(
        {
            "label": run.labels,
            "split": run.samples[keys.SPLIT],
            "score": run.score(),
            "p": run.score("p_value"),
            "extrapolated": run.score("extrapolated"),
            "q": run.score("q_value"),
            "flagged": run.flagged,
            "tested": run.tested,
        }
    )
    table = table.sort_values(["flagged", "tested", "score"], ascending=False, kind="stable")
    table = table.head(MAX_SAMPLES)
    others = [run.score("p_value", model=name).reindex(table.index) for name in _others(run)]
    table["others"] = list(zip(*others, strict=True)) if others else [()] * len(table)
    return table.rename_axis("name").reset_index().to_dict(orient="records")


def _others(run: RunContents) -> list[str]:
    """Scorers beside the one that decides."""
    return [name for name in run.about["scorers"] if name != run.decides]


def _threshold(run: RunContents) -> float | None:
    """The score that parts flagged from other samples, if one does: folds have one each."""
    flagged, others = run.score()[run.flagged], run.score()[run.tested & ~run.flagged]
    if flagged.empty or others.max() > flagged.min():
        return None
    return float(flagged.min())
