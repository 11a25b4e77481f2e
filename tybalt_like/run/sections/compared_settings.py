"""What was done differently."""

from __future__ import annotations

from typing import Any

from tybalt_like.report.section import Section
from tybalt_like.run.comparison import KIND, SETTINGS, Comparison


class ComparedSettings(
    Section[Comparison], name="differences", title="Differences", kind=KIND, place=90
):
    """Settings, data and versions that are not the same."""

    heading = "What was done differently?"
    template = """
{% if parts %}
{% for what, rows in parts.items() %}
<div class="scroll" role="region" aria-label="{{ what }} that differ" tabindex="0">
<table class="plain">
<caption>{{ words.capital(what) }}</caption>
<thead><tr><th scope="col"><span class="unseen">setting</span></th>{% for one in about.runs %}<th scope="col">{{ one.name }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in rows %}
<tr><th scope="row">{{ row.key }}</th>{% for value in row["values"] %}<td>{{ value }}</td>{% endfor %}</tr>
{% endfor %}
</tbody>
</table>
</div>
{% endfor %}
<p class="note">All other settings are the same.</p>
{% else %}
<p>Nothing: settings, data and versions are the same.</p>
{% endif %}
"""

    def content(self, run: Comparison) -> dict[str, Any]:
        table = run.table(SETTINGS)
        parts: dict[str, list[dict[str, Any]]] = {}
        for row in table.to_dict(orient="records"):
            values = [row[name] for name in run.names]
            parts.setdefault(row["what"], []).append({"key": row["key"], "values": values})
        return {"parts": parts}
