"""How to read the measures."""

from __future__ import annotations

from typing import Any

from tybalt_like.perturbation.contents import PairedContents
from tybalt_like.perturbation.design import TABLE
from tybalt_like.report.section import Section


class Reading(Section[PairedContents], name="reading", title="Reading it", kind=TABLE, place=100):
    """Words on what the numbers mean."""

    heading = "How to read it"
    template = """
{% if run.changes | length %}
<p><strong>Change</strong> is the profile after treatment minus the one before, in standard deviations of each gene. <em>Per gene</em>: does the model know which samples change more than others? (The median gene.) <em>Per sample</em>: does it know which genes change? <em>Of mean changes</em>: the same of the held-out samples' average. <em>No change</em> and <em>mean change</em> predict the same change for every sample, so their correlation per gene is 0. <em>Ridge on x1</em> predicts the treated profile linearly from the untreated one.</p>
<p>The profile before treatment is noisy, its noise is part of the measured change, and every method that sees it can predict that part. <em>Per gene, of treated profiles</em> has no such head start.</p>
{% endif %}
{% if run.responses | length %}
<p><strong>Responses</strong> are predicted from the profile before treatment. AUROC and AUPRC are computed within folds and averaged. <em>Identity</em> is the same model with a treatment that changes nothing. Baselines are trained on the labelled samples of the training folds: L2-penalised logistic regression (penalty chosen by cross-validation), random forest (200 trees) and RBF support vector machine, on the genes, on their principal components and on the model's latent features; components and latent features are learned from unlabelled samples too.</p>
{% endif %}
"""

    def content(self, run: PairedContents) -> dict[str, Any]:
        return {}
