"""What the encodings of the runs are worth, side by side."""

from __future__ import annotations

from typing import Any

from tybalt_like.report.section import Section
from tybalt_like.run.agreement import OF_ALL, OF_LABEL
from tybalt_like.run.comparison import ENCODINGS, KIND, LATENTS, Comparison


class ComparedEncodings(
    Section[Comparison], name="encodings", title="Encodings", kind=KIND, place=70
):
    """A row per measure, a column per run."""

    template = """
{% if rows %}
<div class="scroll" role="region" aria-label="Measures of the encodings" tabindex="0">
<table class="plain">
<thead><tr><th scope="col">measure</th>{% for one in about.runs %}<th scope="col" class="n">{{ one.name }}: {{ one.model }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in rows %}
<tr><th scope="row">{{ row.measure }}{% if row.column %} of <em>{{ row.column }}</em>{% endif %}</th>{% for cell in row.cells %}<td class="n">{% if cell %}{{ '%.3f' | format(cell.value) }}{% if cell.standard_error == cell.standard_error %} <small>± {{ '%.3f' | format(cell.standard_error) }}</small>{% endif %}{% if cell.side %}<br><small>{{ cell.side }}</small>{% endif %}{% else %}–{% endif %}</td>{% endfor %}</tr>
{% endfor %}
</tbody>
</table>
</div>
<p class="note">± is one standard error over samples. <em>better</em>, <em>worse</em> and <em>level</em> are beside the first run that was measured; level is a difference within two standard errors, which are taken as if the runs had seen other samples: a small real difference may be called level. What is not compared was measured on other samples, or (reconstruction) other genes or another scale.</p>
{% else %}
<p>No two of the runs have measured the same of their encodings.</p>
{% endif %}
{% if latents %}
<h3>How alike are the latent spaces?</h3>
<ul>
{% for one in latents %}
<li>{{ one.run }} and {{ one.other_run }}: linear CKA {{ one.cka | number(2) }}, over {{ words.counted(one.n) }} that neither model was trained on</li>
{% endfor %}
</ul>
<p class="note">1 for spaces that differ by a rotation and a scale, about 0 for unrelated ones.</p>
{% endif %}
"""

    def content(self, run: Comparison) -> dict[str, Any]:
        table = run.table(ENCODINGS)
        rows = []
        for (metric, column), several in (
            table.fillna({"column": "", "side": ""}).groupby(["metric", "column"], sort=False)
            if len(table)
            else ()
        ):
            by_run = {row["run"]: row for row in several.to_dict(orient="records")}
            cells = [by_run.get(name) for name in run.names]
            measure = (OF_ALL | OF_LABEL)[str(metric)]
            rows.append({"measure": measure, "column": column, "cells": cells})
        return {"rows": rows, "latents": run.table(LATENTS).to_dict(orient="records")}

    def citations(self, run: Comparison) -> list[str]:
        return [
            "CKA: Kornblith S, Norouzi M, Lee H, Hinton G. Similarity of neural network "
            "representations revisited. ICML (2019)."
        ]
