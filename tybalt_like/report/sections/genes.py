"""The genes behind the scores."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from tybalt_like import pl
from tybalt_like.report.figure import Figure, drawing_of
from tybalt_like.report.run_contents import Row, RunContents
from tybalt_like.report.section import Section

MAX_RECURRENT = 12
"""Genes named per label."""


class Genes(Section[RunContents], name="genes", title="Genes", kind="run", place=37):
    """What several samples of a label have in common, and the genes of the strangest one."""

    heading = "The genes that strange samples share"
    template = """
{% if recurrent %}
<p>Genes that are far from what is expected in many {{ 'flagged' if about.flagged.flagged else 'of these' }} samples: an arrow and the number of samples in which the gene is among the strangest.</p>
<dl class="recurrent">
{% for group in recurrent %}
<div><dt>{{ ui.label_of(group.label) }} <small>{{ words.counted(group.n, 'flagged sample' if about.flagged.flagged else 'strange sample') }}</small></dt>
<dd>{% for g in group.genes %}<span class="gene {{ g.direction }}" data-gene="{{ g.id }}">{{ g.gene }} {{ '↑' if g.direction == 'up' else '↓' }} <small>{{ g.n }}</small></span> {% endfor %}</dd></div>
{% endfor %}
</dl>
{% endif %}
{{ ui.figures(figures) }}
"""

    def content(self, run: RunContents) -> dict[str, Any] | None:
        if run.of_images or run.needed("gene_scores.tsv.gz").empty:
            return None
        return {"recurrent": recurrent(run)}

    def figures(self, run: RunContents) -> Iterator[Figure]:
        genes = with_symbols(run.needed("gene_scores.tsv.gz"))
        genes = genes.assign(gene=genes["symbol"])
        sample = str(run.score()[genes["sample"].unique()].idxmax())
        yield Figure(
            "genes_of_strangest_sample",
            "Why is the strangest sample strange?",
            f"Standardised residuals of the top genes of sample {sample}.",
            "The genes whose expression is furthest from what is expected of this sample. "
            "Those of the other strange samples are on their sheets.",
            lambda: drawing_of(pl.gene_residuals(genes, sample)),
        )


def with_symbols(genes: pd.DataFrame) -> pd.DataFrame:
    """Genes with what people call them; their names in tables that have no symbols."""
    symbol = genes["symbol"].fillna(genes["gene"]) if "symbol" in genes else genes["gene"]
    return genes.assign(symbol=symbol)


def recurrent(run: RunContents) -> list[Row]:
    """Genes that are among the strangest in most explained samples of a label."""
    if run.needed("gene_scores.tsv.gz").empty:
        return []
    table = with_symbols(run.needed("gene_scores.tsv.gz"))
    ids = dict(zip(table["symbol"], table["gene"], strict=True))
    table = table.assign(gene=table["symbol"], label=run.labels.reindex(table["sample"]).to_numpy())
    groups: list[Row] = []
    for label, rows in table.groupby("label"):
        n = rows["sample"].nunique()
        counts = rows.groupby(["gene", "direction"], sort=False)["sample"].nunique()
        common = counts[counts > 1].nlargest(MAX_RECURRENT)
        if len(common):
            found = common.rename("n").reset_index()
            genes = found.assign(id=found["gene"].map(ids)).to_dict(orient="records")
            groups.append({"label": label, "n": n, "genes": genes})
    return sorted(groups, key=lambda group: -group["n"])
