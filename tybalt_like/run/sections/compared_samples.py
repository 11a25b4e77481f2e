"""The samples on which runs disagree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tybalt_like.pl.agreement import rank_agreement
from tybalt_like.report.figure import Figure
from tybalt_like.report.section import Section
from tybalt_like.run.comparison import KIND, SAMPLES, Comparison

MAX_SAMPLES = 1000
"""Rows of the table; the file has the rest."""


class ComparedSamples(Section[Comparison], name="samples", title="Samples", kind=KIND, place=30):
    """A table to search and sort, and ranks against ranks."""

    heading = "Where do they disagree?"
    template = """
<p>Samples that some runs call anomalous and others do not come first, then the others, those whose ranks are furthest apart on top{% if n > rows | length %}; the first {{ rows | length | count }} of {{ n | count }} are shown, the others are in {{ ui.file("samples.tsv.gz") }}{% endif %}. Rank 1 is the strangest of the {{ n | count }} samples that all runs have tested. The ratio is the largest rank of the sample by its smallest: places 1 and 10 are as far apart as 20 and 200. ● marks a call. A sample that is called by one run, with a q that hardly misses the rate in another, is no contradiction: look at both p.</p>
{{ ui.search("sample" ~ (", " ~ about.label if about.label else "") ~ " ...", "calls that differ only") }}
{% call ui.sortable("Samples by disagreement", ["sample"] + ([about.label] if about.label else []), ["ratio"] + heads, id="sample-table") %}
{% for row in rows %}
<tr{% if row.differs %} class="flagged"{% endif %}><th scope="row">{{ row.sample }}</th>{% if about.label %}<td>{{ ui.label_of(row.label) }}</td>{% endif %}{{ ui.n(row.ratio, '%.1f' | format(row.ratio)) }}{% for one in row.cells %}{{ ui.n(one.rank, '{:,.0f}'.format(one.rank) ~ (' ●' if one.called else '')) }}{% endfor %}{% for one in row.cells %}{{ ui.n(one.p, one.p | number(2)) }}{% endfor %}{% for one in row.cells %}{{ ui.n(one.q, one.q | number(2)) }}{% endfor %}</tr>
{% endfor %}
{% endcall %}
{{ ui.figures(figures) }}
"""

    def content(self, run: Comparison) -> dict[str, Any]:
        table = run.needed(SAMPLES).fillna({"label": ""})
        several, rows = len(run.chosen), []
        for sample, of_sample in table.groupby("sample", sort=False):
            by_run = of_sample.set_index("run").loc[run.names]
            first = by_run.iloc[0]
            cells = by_run[["rank", "p_value", "q_value", "called"]]
            cells = cells.set_axis(["rank", "p", "q", "called"], axis=1)
            rows.append(
                {
                    "sample": sample,
                    "label": first["label"],
                    "ratio": first["ratio"],
                    "differs": 0 < first["calls"] < several,
                    "cells": cells.to_dict(orient="records"),
                }
            )
            if len(rows) == MAX_SAMPLES:
                break
        heads = [f"{what}, {name}" for what in ("rank", "p", "q") for name in run.names]
        return {"rows": rows, "heads": heads, "n": table["sample"].nunique()}

    def figures(self, run: Comparison) -> Iterator[Figure]:
        table = run.needed(SAMPLES)
        titles = {name: run.titled(name, scorer) for name, scorer in run.chosen}
        yield Figure(
            "rank_agreement",
            "Ranks against ranks",
            "Scatter plots of the rank of every tested sample in the first run and in the others.",
            "Each dot is a sample; the strangest are at the lower left. On the line, both runs give "
            "it the same place. The axes are logarithmic, so that the strangest samples have most "
            "of the room.",
            lambda: rank_agreement(table, titles),
        )
