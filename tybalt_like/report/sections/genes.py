"""The genes behind the scores."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from tybalt_like import pl
from tybalt_like.report.figure import Figure, drawing_of
from tybalt_like.report.run_contents import Row, RunContents
from tybalt_like.report.section import Section

MAX_EXPLAINED = 50
"""Flagged samples whose genes are shown; the file has the rest."""
CALLED = 0.05
"""Adjusted p-value up to which a gene is called."""
MAX_RECURRENT = 12
"""Genes named per label."""


class Genes(Section[RunContents], name="genes", title="Genes", kind="run", place=60):
    """Sample by sample, and what several samples of a label have in common."""

    heading = "The genes behind it"
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
<p>{% if not about.flagged.flagged %}No sample is flagged; these are the strangest. {% endif %}Sample by sample{% if explained | length < about.flagged.flagged %}, the {{ explained | length }} strangest of {{ about.flagged.flagged | count }} flagged (the others: <a href="gene_scores.tsv.gz">gene_scores.tsv.gz</a>){% endif %}. What is expected of a sample is the normal profile nearest to it that the model can make (all of them: <a href="closest_normal.tsv.gz">closest_normal.tsv.gz</a>). Values are on the {{ scale }}; usual is the range of nine tenths of the reference samples. z is the difference by what is usual for that gene, and p how often one sees such a z in samples that nothing was learned from; adjusted p corrects for all genes of the sample, so that at most one ordinary sample in twenty has any gene at 0.05{% if interesting %}. Genes of interest (●) share half of the false-discovery budget{% endif %}{% if explained[0].sets %}. The z of a gene set compares the mean z of its genes, with normal tails so that no single one decides, with the same mean in the reference samples, so that genes which always move together do not count several times{% endif %}.</p>
<div class="tall list">
{% for sample in explained %}
<details>
<summary><strong>{{ sample.name }}</strong>{% if run.label %} · {{ ui.label_of(sample.label) }}{% endif %} · score {{ '%.2f' | format(sample.score) }} · q {{ sample.q | number }} · {{ words.counted(sample.called, "gene") }} at adjusted p ≤ 0.05 among the first {{ sample.genes | length }} <span class="faint">{% for g in sample.genes[:6] %}{{ g.symbol }} {{ '↑' if g.direction == 'up' else '↓' }} {% endfor %}</span></summary>
<button type="button" data-sample="{{ sample.name }}" data-needs-script hidden>Show on the map</button>
<div class="scroll" role="region" aria-label="Genes of {{ sample.name }}" tabindex="0">
<table class="plain genes">
<thead><tr><th scope="col">gene</th><th scope="col" class="n">observed</th><th scope="col" class="n">expected</th><th scope="col" class="n">{{ difference }}</th><th scope="col" class="n">usual</th><th scope="col" class="n">z</th><th scope="col" class="n">adjusted p</th><th scope="col">than expected</th></tr></thead>
<tbody>
{% for g in sample.genes %}
<tr{% if g.p_adjusted <= 0.05 %} class="main"{% endif %}><th scope="row"{% if g.symbol != g.gene %} title="{{ g.gene }}"{% endif %} data-gene="{{ g.gene }}">{{ g.symbol }}{% if g.of_interest %} <span title="gene of interest">●</span>{% endif %}</th><td class="n">{{ '%.2f' | format(g.observed) }}</td><td class="n">{{ '%.2f' | format(g.expected) }}</td><td class="n">{{ '%+.2f' | format(g.difference) }}</td><td class="n">{{ '%.1f' | format(g.reference_low) }} to {{ '%.1f' | format(g.reference_high) }}</td><td class="n">{{ '%+.1f' | format(g.z) }}</td><td class="n">{{ g.p_adjusted | number(2) }}</td><td class="share"><span class="track"><span class="fill {{ g.direction }}" style="width: {{ '%.0f' | format(100 * (g.z | abs) / sample.limit) }}%"></span></span> {{ '↑ higher' if g.direction == 'up' else '↓ lower' }}</td></tr>
{% endfor %}
</tbody>
</table>
{% if sample.sets %}
<table class="plain genes">
<thead><tr><th scope="col">gene set</th><th scope="col" class="n">genes</th><th scope="col" class="n">mean z</th><th scope="col" class="n">z of the set</th><th scope="col" class="n">adjusted p</th><th scope="col">than expected</th></tr></thead>
<tbody>
{% for s in sample.sets %}
<tr><th scope="row">{{ s.set }}</th><td class="n">{{ s.n_genes }}</td><td class="n">{{ '%+.2f' | format(s.mean_z) }}</td><td class="n">{{ '%+.1f' | format(s.z) }}</td><td class="n">{{ s.p_adjusted | number(2) }}</td><td>{{ '↑ higher' if s.direction == 'up' else '↓ lower' }}</td></tr>
{% endfor %}
</tbody>
</table>
{% endif %}
</div>
</details>
{% endfor %}
</div>
{{ ui.figures(figures) }}
"""

    def content(self, run: RunContents) -> dict[str, Any] | None:
        if run.of_images or run.needed("gene_scores.tsv.gz").empty:
            return None
        log2 = run.about["detector"]["log2"]
        return {
            "explained": explained(run),
            "recurrent": recurrent(run),
            "scale": "log2 scale" if log2 else "scale of the input",
            "difference": "log2 fold change" if log2 else "difference",
            "interesting": bool(run.needed("gene_scores.tsv.gz")["of_interest"].any()),
        }

    def figures(self, run: RunContents) -> Iterator[Figure]:
        genes = with_symbols(run.needed("gene_scores.tsv.gz"))
        genes = genes.assign(gene=genes["symbol"])
        sample = str(run.score()[genes["sample"].unique()].idxmax())
        yield Figure(
            "genes_of_strangest_sample",
            "Why is the strangest sample strange?",
            f"Standardised residuals of the top genes of sample {sample}.",
            "The genes whose expression is furthest from what is expected of this sample. "
            "The genes of other strange samples are listed above.",
            lambda: drawing_of(pl.gene_residuals(genes, sample)),
        )


def explained(run: RunContents) -> list[Row]:
    """The flagged or, without any, the strangest samples with the genes behind their scores."""
    genes = with_symbols(run.needed("gene_scores.tsv.gz"))
    sets = run.table("gene_set_scores.tsv.gz")
    names = run.score()[genes["sample"].unique()].nlargest(MAX_EXPLAINED).index
    by_sample = dict(list(genes.groupby("sample", sort=False)))
    sets_of = dict(list(sets.groupby("sample", sort=False))) if len(sets) else {}
    q = run.score("q_value")
    return [
        {
            "name": name,
            "label": run.labels[name],
            "score": run.score()[name],
            "q": q[name],
            "genes": by_sample[name].sort_values("rank").to_dict(orient="records"),
            "called": int((by_sample[name]["p_adjusted"] <= CALLED).sum()),
            "limit": by_sample[name]["z"].abs().max() or 1.0,
            "sets": sets_of[name].to_dict(orient="records") if name in sets_of else [],
        }
        for name in names
    ]


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
