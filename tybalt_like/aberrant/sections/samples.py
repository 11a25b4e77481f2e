"""The samples with aberrant genes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tybalt_like.aberrant.analysis import KIND
from tybalt_like.aberrant.contents import AberrantContents
from tybalt_like.aberrant.pair_tables import TOP_GENES
from tybalt_like.pl.aberrant import aberrant_per_sample
from tybalt_like.report.figure import Figure, drawing_of
from tybalt_like.report.section import Section

MAX_SAMPLES = 100
"""Rows of the table; the file has the rest."""


class Samples(Section[AberrantContents], name="samples", title="Samples", kind=KIND, place=40):
    """A table, and bars."""

    template = """
{% if rows %}
<p>{{ words.counted(n) }} with aberrant genes{% if n > rows | length %}, of which {{ rows | length }} are shown{% endif %}. All: {{ ui.file("samples.tsv") }}.</p>
{% call ui.sortable("Table of samples", ["sample", "most significant first"], ["aberrant", "up", "down", "size factor"]) %}
{% for row in rows %}
<tr><th scope="row">{{ row.sample }}</th><td style="white-space: normal">{{ row.genes }}{% if row.aberrant > top %}, ...{% endif %}</td>{{ ui.n(row.aberrant, row.aberrant | count) }}{{ ui.n(row.up, row.up | count) }}{{ ui.n(row.down, row.down | count) }}{{ ui.n(row.size_factor, row.size_factor | number) }}</tr>
{% endfor %}
{% endcall %}
{% else %}
<p>No sample has an aberrant gene. All samples: {{ ui.file("samples.tsv") }}.</p>
{% endif %}
{{ ui.figures(figures) }}
"""

    def content(self, run: AberrantContents) -> dict[str, Any]:
        hit = run.samples[run.samples["aberrant"] > 0]
        rows = hit.head(MAX_SAMPLES).to_dict(orient="records")
        return {"rows": rows, "n": len(hit), "top": TOP_GENES}

    def figures(self, run: AberrantContents) -> Iterator[Figure]:
        yield Figure(
            "aberrant_per_sample",
            "Aberrant genes per sample",
            "Bars: number of aberrant genes of each sample, the quietest first.",
            "A sample far above the others is more likely a bad or swapped sample, or another "
            "tissue, than one with so many causes.",
            lambda: drawing_of(aberrant_per_sample(run.samples)),
        )
