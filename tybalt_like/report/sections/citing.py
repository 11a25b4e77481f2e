"""What to cite."""

from __future__ import annotations

from typing import Any

from tybalt_like.report.contents import Contents
from tybalt_like.report.section import Section


class Citing(Section[Contents], name="cite", title="Citing", place=120):
    """The software, and what each section of the page rests on."""

    heading = "How to cite"
    template = """
<ul id="cite-list">
<li>tybalt_like {{ about.versions["tybalt-like"] }}, BSD-3-Clause.</li>
{% for other in others %}
{% for citation in other.citations(run) %}
<li>{{ citation }}</li>
{% endfor %}
{% endfor %}
</ul>
"""

    def content(self, run: Contents) -> dict[str, Any]:
        return {}
