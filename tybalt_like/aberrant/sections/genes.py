"""The pairs of gene and sample, the smallest p-values first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from tybalt_like import pl
from tybalt_like.aberrant.analysis import KIND
from tybalt_like.aberrant.contents import AberrantContents
from tybalt_like.pl.aberrant import expected_observed
from tybalt_like.report.figure import Figure
from tybalt_like.report.section import Section

MIN_PAIRS, MAX_PAIRS = 50, 1000
"""Pairs in the table; the files have them all."""
PANELS = 6


class Genes(Section[AberrantContents], name="genes", title="Genes", kind=KIND, place=30):
    """A table to search and sort, volcano plots, and counts against expectation."""

    template = """
<p>{% if run.n_called %}Aberrant counts come first, the smallest p-values on top{% else %}The smallest p-values are on top{% endif %}; the first {{ rows | length | count }} pairs are shown. All of them: {{ ui.file("aberrant.tsv.gz") }}.</p>
{{ ui.search("gene, sample ...", "aberrant only") }}
{% macro p(value) %}{% if value == 0 %}&lt; 1e-300{% else %}{{ value | number(2) }}{% endif %}{% endmacro %}
{% call ui.sortable("Table of genes", ["gene", "sample"], ["p", "adjusted p", "z", "log2 fold change", "expected", "observed"], id="sample-table") %}
{% for row in rows %}
<tr{% if row.padjust <= about.alpha %} class="flagged"{% endif %}><th scope="row">{{ row.gene }}</th><td>{{ row.sample }}</td>{{ ui.n(row.pvalue, p(row.pvalue)) }}{{ ui.n(row.padjust, p(row.padjust)) }}{{ ui.n(row.zscore, '%+.1f' | format(row.zscore)) }}{{ ui.n(row.l2fc, '%+.2f' | format(row.l2fc)) }}{{ ui.n(row.expected, '{:,.1f}'.format(row.expected)) }}{{ ui.n(row.observed, row.observed | count) }}</tr>
{% endfor %}
{% endcall %}
{{ ui.figures(figures) }}
"""

    def content(self, run: AberrantContents) -> dict[str, Any]:
        n = min(MAX_PAIRS, max(MIN_PAIRS, run.n_called))
        return {"rows": run.pairs.head(n).to_dict(orient="records")}

    def figures(self, run: AberrantContents) -> Iterator[Figure]:
        pairs, alpha = run.pairs, run.alpha
        yield Figure(
            "volcano",
            "Genes of the samples with the smallest p-values",
            "Volcano plots: log2 fold change against minus log10 p, one panel per sample.",
            f"Up to {PANELS} samples. In colour: aberrant genes, orange with more and blue with "
            "fewer counts than expected.",
            lambda: _panels(
                lambda name, ax: pl.volcano(pairs, name, alpha=alpha, ax=ax),
                pairs.drop_duplicates("sample")["sample"].head(PANELS),
            ),
        )
        yield Figure(
            "expected_observed",
            "Observed against expected counts",
            "Scatter plots, one panel per gene: expected against observed counts of all samples.",
            f"Up to {PANELS} genes with the smallest p-values; one point is one sample. Grey "
            "points along the line: the expectation is right for the other samples.",
            lambda: _panels(
                lambda name, ax: expected_observed(pairs, name, alpha=alpha, ax=ax),
                pairs.drop_duplicates("gene")["gene"].head(PANELS),
            ),
        )


def _panels(draw: Callable[[str, Axes], Axes], names: pd.Series) -> Drawing:
    """One panel per name, three in a row."""
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(3.9 * columns, 3.6 * rows), squeeze=False)
    for name, ax in zip(names, axes.flat, strict=False):
        draw(name, ax)
    for ax in axes.flat[len(names) :]:
        ax.axis("off")
    return figure
