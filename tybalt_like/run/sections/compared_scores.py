"""How well the scores of runs agree, and which finds the named anomalies."""

from __future__ import annotations

from typing import Any

from tybalt_like.report.run_contents import Row
from tybalt_like.report.section import Section
from tybalt_like.run.agreement import ERRORS, TOP
from tybalt_like.run.comparison import DETECTION, KIND, PAIRS, Comparison


class ComparedScores(Section[Comparison], name="scores", title="Scores", kind=KIND, place=50):
    """Every two scores of different runs; AUROC on the same samples."""

    heading = "How well do the scores agree?"
    template = """
{% call ui.sortable("Agreement of every two scores", ["score", "other score"], ["samples", "rank correlation", "called by both", "by the first only", "by the other only", "overlap", "p", "same among the first " ~ top]) %}
{% for row in pairs %}
<tr{% if row.main %} class="main"{% endif %}><th scope="row">{{ row.one }}</th><td>{{ row.other }}</td>{{ ui.n(row.n, row.n | count) }}<td class="n" data-value="{{ row.spearman }}">{{ "%.3f" | format(row.spearman) }} <small>{{ "%.3f" | format(row.spearman_low) }} to {{ "%.3f" | format(row.spearman_high) }}</small></td>{{ ui.n(row.called_by_both, row.called_by_both | count) }}{{ ui.n(row.called_by_first, row.called_by_first | count) }}{{ ui.n(row.called_by_second, row.called_by_second | count) }}<td class="n" data-value="{{ row.overlap }}">{% if row.overlap == row.overlap %}{{ row.overlap | percent }}{% else %}–{% endif %}</td>{{ ui.n(row.p_more, row.p_more | number(2)) }}{{ ui.n(row.same_on_top, row.same_on_top ~ " of " ~ row.top) }}</tr>
{% endfor %}
{% endcall %}
<p class="note">Shaded: the scores that are compared sample by sample above. Rank correlation: Spearman's, with its 95 % interval over samples. Overlap: of the samples that are called by either, the share that both call. p: whether one calls more samples than the other (exact McNemar test of those that only one calls).</p>
{% if detection %}
<h3>Which finds the named anomalies?</h3>
{% for anomaly in detection %}
<div class="scroll" role="region" aria-label="AUROC for {{ anomaly.name }}" tabindex="0">
<table class="plain">
<caption>{{ anomaly.name }}: {{ words.counted(anomaly.n_anomaly) }} among {{ anomaly.n_normal | count }} normal ones</caption>
<thead><tr><th scope="col">score</th><th scope="col" class="n">AUROC <small>(95 %)</small></th><th scope="col">beside {{ anomaly.rows[0].title }}</th></tr></thead>
<tbody>
{% for row in anomaly.rows %}
<tr><th scope="row">{{ row.title }}</th><td class="n">{{ '%.3f' | format(row.auroc) }} <small>{{ '%.3f' | format(row.auroc_low) }} to {{ '%.3f' | format(row.auroc_high) }}</small></td><td>{{ row.words }}</td></tr>
{% endfor %}
</tbody>
</table>
</div>
{% endfor %}
<p class="note">On the same samples for all: of the normal ones, those that none of these scores has learned from. Intervals and differences as DeLong; less than two standard errors apart is called not distinguishable, and one in twenty of the others may be chance.</p>
{% else %}
<p>No label is named as anomalous by all runs, so which of them finds anomalies better was not measured.</p>
{% endif %}
"""

    def content(self, run: Comparison) -> dict[str, Any]:
        pairs = run.needed(PAIRS)
        main = set(run.between_chosen().index)
        rows = [
            row
            | {
                "one": run.titled(row["run"], row["scorer"]),
                "other": run.titled(row["other_run"], row["other_scorer"]),
                "main": place in main,
            }
            for place, row in zip(pairs.index, pairs.to_dict(orient="records"), strict=True)
        ]
        return {"pairs": rows, "top": TOP, "detection": _detection(run)}


def _detection(run: Comparison) -> list[dict[str, Any]]:
    """A table for each anomaly."""
    table = run.table(DETECTION)
    found = list[dict[str, Any]]()
    for name, rows in table.groupby("anomaly", sort=False) if len(table) else ():
        several = [
            row | {"title": run.titled(row["run"], row["scorer"]), "words": _apart(row)}
            for row in rows.to_dict(orient="records")
        ]
        several[0]["words"] = ""
        first = rows.iloc[0]
        sizes = {"n_normal": int(first["n_normal"]), "n_anomaly": int(first["n_anomaly"])}
        found.append({"name": name, "rows": several, **sizes})
    return found


def _apart(row: Row) -> str:
    if abs(row["ahead"]) <= ERRORS * row["ahead_error"]:
        return f"not distinguishable ({row['ahead']:+.3f} ± {row['ahead_error']:.3f})"
    side = "above" if row["ahead"] > 0 else "below"
    return f"{abs(row['ahead']):.3f} ± {row['ahead_error']:.3f} {side}"
