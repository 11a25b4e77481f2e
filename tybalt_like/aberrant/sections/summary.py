"""What was tested, and against what."""

from __future__ import annotations

from typing import Any

from tybalt_like.aberrant.analysis import KIND
from tybalt_like.aberrant.contents import AberrantContents
from tybalt_like.report.section import Section

CITATIONS = [
    "The question, and the injected outliers: Brechtmann F, Mertes C, Matusevičiūtė A, et al. "
    "OUTRIDER: a statistical method for detecting aberrantly expressed genes in RNA sequencing data. American Journal of Human "
    "Genetics 103:907-917 (2018).",
    "Hidden factors of standardised log counts: Salkovic E, Sadeghi MA, Baggag A, et al. OutSingle: "
    "a novel method of detecting and injecting outliers in RNA-Seq count data using the optimal "
    "hard threshold for singular values. Bioinformatics 39:btad142 (2023).",
    "Their number: Gavish M, Donoho DL. The optimal hard threshold for singular values is 4/√3. "
    "IEEE Transactions on Information Theory 60:5040-5053 (2014).",
    "Size factors: Anders S, Huber W. Differential expression analysis for sequence count data. "
    "Genome Biology 11:R106 (2010).",
    "Adjusted p-values: Benjamini Y, Yekutieli D. The control of the false discovery rate in "
    "multiple testing under dependency. Annals of Statistics 29:1165-1188 (2001).",
]


class Summary(Section[AberrantContents], name="summary", title="Summary", kind=KIND, place=10):
    """The first section."""

    template = """
<p>{{ words.counted(about.n_genes, "gene") }} were tested in {{ words.counted(run.samples | length) }}. What to expect of a count was learned from {{ "these samples" if not about.using else "the cohort in " ~ about.using }}: {{ words.counted(about.latent_dim, "hidden factor") }} hold{{ "s" if about.latent_dim == 1 }} what genes vary in together{% if about.covariates %}, beside the known {{ about.covariates | join(", ") }}{% endif %}.</p>
<p>A count is called aberrant if its adjusted p-value is at most {{ about.alpha }}: {{ about.notes[-1] }}.</p>
"""

    def content(self, run: AberrantContents) -> dict[str, Any]:
        return {}

    def citations(self, run: AberrantContents) -> list[str]:
        return CITATIONS
