"""How to read the numbers, and whether the p-values are to be trusted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tybalt_like.aberrant.analysis import KIND
from tybalt_like.aberrant.contents import AberrantContents
from tybalt_like.pl.aberrant import p_value_qq
from tybalt_like.report.figure import Figure, drawing_of
from tybalt_like.report.section import Section


class Reading(Section[AberrantContents], name="reading", title="Reading it", kind=KIND, place=100):
    """Words, and the quantile-quantile plot."""

    heading = "How to read it"
    template = """
<p><strong>Expected</strong> is the count that the sample should have at its sequencing depth, given all its other genes{% if about.covariates %} and its covariates{% endif %}: hidden factors of the log counts, fitted so that neither outliers nor the count itself have a say.</p>
<p><strong>p</strong> says how often chance alone gives a count at least as far off on that side, in units of the noise of gene and sample; the curve it is read off was learned from the residuals of all genes{% if about.using %} in samples of the cohort that were left out of the fit{% endif %}. <strong>Adjusted p</strong> takes into account that {{ words.counted(about.n_genes, "gene") }} were tested in the sample (Benjamini-Yekutieli): of the counts called aberrant, at most {{ about.alpha | percent }} are false on average.</p>
<p><strong>z</strong> is the difference of the log counts in units of that noise.{% if not about.using %} The samples are their own reference: an effect that most of them share is not aberrant, and neither is one that the hidden factors can explain.{% endif %}</p>
<p>Are the p-values right? Inflation in the middle (lambda): {{ '%.2f' | format(about.inflation) }}; of those up to 0.001 there are {{ '%.1f' | format(about.tail_inflation) }} times as many as chance alone gives, aberrant counts included. Close to 1 is right{% if not about.using %}; in a cohort that is its own reference, lambda hardly ever departs from it{% endif %}.</p>
{{ ui.figures(figures) }}
<h3>What was said while it ran</h3>
<ul>
{% for line in about.notes %}
<li>{{ line }}</li>
{% endfor %}
</ul>
"""

    def content(self, run: AberrantContents) -> dict[str, Any]:
        return {}

    def figures(self, run: AberrantContents) -> Iterator[Figure]:
        yield Figure(
            "qq",
            "Are the p-values to be trusted?",
            "Quantile-quantile plot of all p-values against uniform ones.",
            "Points should follow the line, but for aberrant counts at the upper right. Points "
            "that leave the line early mean that the model misses something, such as a covariate.",
            lambda: drawing_of(p_value_qq(run.pairs)),
        )
