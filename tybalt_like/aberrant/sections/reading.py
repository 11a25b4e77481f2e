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
<p><strong>Expected</strong> is the count that the sample should have at its sequencing depth, given all its other genes{% if about.covariates %} and its covariates{% endif %}: an autoencoder of log counts, trained with the likelihood of the counts.</p>
<p><strong>p</strong> says how often chance alone, with this gene's usual noise (negative binomial), gives a count at least as far off, up or down. <strong>Adjusted p</strong> takes into account that {{ words.counted(about.n_genes, "gene") }} were tested in the sample (Benjamini-Yekutieli): of the counts called aberrant, at most {{ about.alpha | percent }} are false on average.</p>
<p><strong>z</strong> is the log2 fold change in standard deviations of its gene.{% if not about.using %} The samples are their own reference: an effect that most of them share is not aberrant, and neither is one that the latent features can explain.{% else %} New samples are compared with the errors that the model makes with cohort samples it was not fitted to, which are larger than those with its own samples.{% endif %}</p>
<p>Inflation of the p-values (lambda, from mid-p-values): {{ '%.2f' | format(about.inflation) }}. Close to 1 is right; above 1.1, p-values are too small.</p>
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
            "Points should follow the line, but for aberrant counts at the upper right. Counts "
            "that are whole numbers keep points a little below it. Points that leave the line "
            "early mean that the model misses something, such as a covariate.",
            lambda: drawing_of(p_value_qq(run.pairs)),
        )
