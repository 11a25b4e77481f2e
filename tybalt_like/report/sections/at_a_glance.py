"""The first screen: who is strangest and why, how sure that is, and what to distrust."""

from __future__ import annotations

from typing import Any

import pandas as pd

from tybalt_like.evaluation.comparison import summarise
from tybalt_like.report.run_contents import HOLD, NORM, Row, RunContents
from tybalt_like.report.section import Section
from tybalt_like.report.sections.genes import with_symbols
from tybalt_like.report.sections.summary import comparison
from tybalt_like.report.words import capital, counted, listed, number

SAMPLES, GENES, DOUBTS, NAMED = 5, 3, 3, 4
"""Samples, genes of each, sentences on what to distrust, and labels, that are shown."""
ALONE = 0.05
"""A detector does not find a sample strange whose p is larger."""


class AtAGlance(Section[RunContents], name="glance", title="At a glance", kind="run", place=5):
    """Five samples with their genes, the model beside PCA, and the gravest doubts."""

    template = """
<p>{{ compared }}{% if about.flagged.tested > n %} {{ about.flagged.tested | count }} were tested in all: shown here are those that are held in memory and the strangest of the others; <code>all_scores.tsv.gz</code> has every one.{% endif %}</p>
<div class="scroll" role="region" aria-label="The strangest samples" tabindex="0">
<table class="plain stacked">
<caption>The strangest samples{% if about.flagged.flagged %}, of {{ about.flagged.flagged | count }} that are flagged{% endif %}</caption>
<thead><tr><th scope="col">sample</th>{% if run.label %}<th scope="col">{{ run.label }}</th>{% endif %}<th scope="col" class="n">p</th><th scope="col" class="n">q</th><th scope="col">rank by others</th>{% if genes %}<th scope="col">furthest from what is expected ({{ unit }})</th>{% endif %}</tr></thead>
<tbody>
{% for one in strangest %}
<tr{% if one.flagged %} class="flagged"{% endif %}><th scope="row">{% if genes %}<a href="#sheet-{{ loop.index }}">{{ one.sample }}</a>{% else %}{{ one.sample }}{% endif %}</th>{% if run.label %}<td>{{ ui.label_of(one.label) }}</td>{% endif %}<td class="n" data-name="p">{{ one.p | number(2) }}{{ '*' if one.extrapolated }}</td><td class="n" data-name="q">{{ one.q | number(2) }}</td><td data-name="rank by others:">{{ one.ranks }}</td>{% if genes %}<td>{% for g in one.genes %}<span class="gene {{ g.direction }}" data-gene="{{ g.gene }}">{{ g.symbol }} {{ '%+.1f' | format(g.difference) }}</span> {% endfor %}</td>{% endif %}</tr>
{% endfor %}
</tbody>
</table>
</div>
<p class="note">{% if extrapolated %}* Below what ranks can tell: extrapolated. {% endif %}Rank by others: place among the {{ n | count }} tested samples by detectors that do not decide. A sample that only one of them finds strange deserves a second look before it is believed.</p>
{% for said in worth %}
<p>{{ said }}</p>
{% endfor %}
{% if doubts %}
<p><strong>Before you believe it:</strong></p>
<ul>
{% for doubt in doubts %}
<li>{{ doubt }}</li>
{% endfor %}
</ul>
{% if further %}
<details><summary>{{ words.counted(further | length, "further doubt") }}</summary>
<ul>
{% for doubt in further %}
<li>{{ doubt }}</li>
{% endfor %}
</ul>
</details>
{% endif %}
{% endif %}
"""

    def content(self, run: RunContents) -> dict[str, Any] | None:
        tested = run.score()[run.tested].sort_values(ascending=False, kind="stable")
        if tested.empty:
            return None
        genes = {} if run.of_images else first_genes(run)
        ranks = _ranks(run)
        p, q, beyond = (run.score(what) for what in ("p_value", "q_value", "extrapolated"))
        strangest = [
            {
                "sample": sample,
                "label": run.labels[sample],
                "p": p[sample],
                "q": q[sample],
                "extrapolated": bool(beyond[sample]),
                "flagged": bool(run.flagged[sample]),
                "ranks": listed([f"{name} {int(rank[sample])}" for name, rank in ranks.items()]),
                "genes": genes.get(str(sample), []),
            }
            for sample in tested.index[:SAMPLES]
        ]
        doubts = _doubts(run, [str(name) for name in tested.index[:SAMPLES]])
        return {
            "compared": _compared(run),
            "strangest": strangest,
            "extrapolated": any(one["extrapolated"] for one in strangest),
            "genes": bool(genes),
            "unit": "log2 fold change" if run.about["detector"]["log2"] else "difference",
            "n": len(tested),
            "worth": _worth(run),
            "doubts": doubts[:DOUBTS],
            "further": doubts[DOUBTS:],
        }


def _compared(run: RunContents) -> str:
    """What was compared with what."""
    tested, reference = run.labels[run.tested], run.about["detector"]["reference"]
    if run.all_tested:
        return f"{counted(len(tested))}, each compared with all others."
    counts = tested[tested != ""].value_counts()
    named = [f"{n:,} {label}" for label, n in counts.head(NAMED).items()]
    named += [f"{counts[NAMED:].sum():,} of {len(counts) - NAMED} more"] * (len(counts) > NAMED)
    of = f" ({listed(named)})" if len(counts) else ""
    normal = f" ({listed(run.about['normal'], 'or')})" if run.about["normal"] else ""
    return (
        f"{counted(len(tested))}{of}, compared with {counted(reference, 'reference sample')}"
        f"{normal}, each of which was scored by what was learned without it."
    )


def _worth(run: RunContents) -> list[str]:
    """Whether the model is better than its simple rivals here: as an encoding, as a detector."""
    table = run.table("evaluation.tsv")
    said = summarise(table, model=run.model, title=run.title)[:1] if len(table) else []
    rows = comparison(run)
    if rows:
        row = rows[-1]  # all of them together, if there are several
        what = row["anomaly"] if len(rows) == 1 else "all named anomalies"
        said.append(
            f"As a detector of {what}: AUROC {row['ours']:.3f} ({row['low']:.3f} to "
            f"{row['high']:.3f}), {row['words'][:1].lower()}{row['words'][1:]}"
        )
    return said


def _doubts(run: RunContents, first: list[str]) -> list[str]:
    """The gravest first: whether p-values hold, then samples that one detector alone calls."""
    warnings = sorted(run.about["warnings"], key=lambda said: not said.startswith(HOLD))
    grave = sum(said.startswith(HOLD) for said in warnings)
    others = [name for name in run.about["scorers"] if name != run.decides]
    p = pd.DataFrame({run.title(n): run.score("p_value", model=n) for n in others})
    known = p.reindex(first)[run.flagged.reindex(first).to_numpy()].dropna()
    alone = known[(known > ALONE).all(axis=1)] if others else known[:0]
    if len(alone):
        least = listed([f"{name} (p {number(row.min(), 2)})" for name, row in alone.iterrows()])
        who = capital(run.title(run.decides))
        warnings.insert(
            grave, f"{who} alone finds {least} strange: not {listed(list(p.columns), 'or')}."
        )
    return warnings


def first_genes(run: RunContents) -> dict[str, list[Row]]:
    """The first genes of each sample that is explained."""
    table = with_symbols(run.needed("gene_scores.tsv.gz"))
    first = table[table["rank"] <= GENES]
    return {
        str(sample): rows.sort_values("rank").to_dict(orient="records")
        for sample, rows in first.groupby("sample", sort=False)
    }


def _ranks(run: RunContents) -> dict[str, pd.Series]:
    """Place of each tested sample, the strangest first, by detectors that do not decide."""
    names = [name for name in run.about["scorers"] if name != run.decides]
    values = {run.title(name): run.score(model=name) for name in names}
    values["plain norm"] = run.value("", NORM)
    return {
        name: value[run.tested].rank(ascending=False, method="min")
        for name, value in values.items()
        if value[run.tested].notna().all() and len(value)
    }
