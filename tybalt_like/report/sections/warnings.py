"""What a reader must know before believing the page."""

from __future__ import annotations

from typing import Any

from tybalt_like.report.contents import Contents
from tybalt_like.report.section import Section
from tybalt_like.report.sections.at_a_glance import AtAGlance


class Warnings(Section[Contents], name="warnings", title="Be careful", place=20):
    """The warnings of ``run.json``, unless the first section holds all of them."""

    template = """
<ul>
{% for warning in about.warnings %}
<li>{{ warning }}</li>
{% endfor %}
</ul>
"""

    def content(self, run: Contents) -> dict[str, Any] | None:
        elsewhere = run.kind == AtAGlance.kind and run.about["flagged"]["tested"]
        return {} if run.about["warnings"] and not elsewhere else None
