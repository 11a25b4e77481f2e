"""What a reader must know before believing the page."""

from __future__ import annotations

from typing import Any

from tybalt_like.report.contents import Contents
from tybalt_like.report.section import Section
from tybalt_like.report.sections.at_a_glance import DOUBTS, AtAGlance


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
        shown = DOUBTS if run.kind == AtAGlance.kind else 0
        return {} if len(run.about["warnings"]) > shown else None
