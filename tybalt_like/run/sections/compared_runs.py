"""Which runs are compared, and what came of it."""

from __future__ import annotations

from typing import Any

from tybalt_like.report.run_contents import title
from tybalt_like.report.section import Section
from tybalt_like.run.comparison import KIND, Comparison


class ComparedRuns(Section[Comparison], name="runs", title="Runs", kind=KIND, place=10):
    """A table of the runs."""

    heading = "What is compared"
    template = """
{% for sentence in about.summary[1:] %}
<p>{{ sentence }}</p>
{% endfor %}
<div class="scroll" role="region" aria-label="The runs" tabindex="0">
<table class="plain">
<thead><tr><th scope="col">run</th><th scope="col">model</th><th scope="col" class="n">features</th><th scope="col">what decides</th><th scope="col">compared here</th><th scope="col" class="n">reference</th><th scope="col" class="n">tested</th><th scope="col" class="n">called</th><th scope="col" class="n">at a rate of</th><th scope="col" class="n">seed</th><th scope="col" class="n">seconds</th><th scope="col" class="n">made</th></tr></thead>
<tbody>
{% for one in about.runs %}
<tr><th scope="row">{{ one.name }}</th><td>{{ one.model }}</td><td class="n">{{ one.features | count }}</td><td>{{ one.decides }}</td><td>{{ chosen[one.name] }}</td><td class="n">{{ one.reference | count }}</td><td class="n">{{ one.tested | count }}</td><td class="n">{{ one.flagged | count }}</td><td class="n">{{ one.fdr | percent }}</td><td class="n">{{ one.seed }}</td><td class="n">{{ '%.0f' | format(one.seconds) }}</td><td class="n">{{ one.created }}</td></tr>
{% endfor %}
</tbody>
</table>
</div>
"""

    def content(self, run: Comparison) -> dict[str, Any]:
        return {"chosen": {name: title(scorer) for name, scorer in run.chosen}}
