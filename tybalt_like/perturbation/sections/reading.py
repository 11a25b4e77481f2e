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
<p><strong>Treated profiles</strong> are compared as means of the samples of one held-out value under the same conditions, in standard deviations of each gene. <em>Constant</em> is the mean treated training profile: it knows what all treated samples share, which is most of what there is to know, so it is taken from the measured and from the predicted profile before they are correlated over genes (<em>treated, constant removed</em>), and <em>explained</em> is the share of the squared distance from it that a prediction explains. <em>Retrieval</em>: the share of all other conditions whose measured profile resembles the prediction less than the right one does; 0.5 by chance.</p>
<p><strong>Change</strong> is the profile after treatment minus the one before. In the measured change the control is another than the one that the predictor sees, as far as there are several: noise of one and the same control in both correlates by itself (0.7 where there is nothing but noise; the last column shows it). The mean change in training is taken from both. <em>Changed genes</em> are those with a false discovery rate of at most 5 % in a moderated t-test (limma's) of the replicates: is their sign right (0.5 by chance), and do they rank first by predicted change (AUPRC)? No number means that there is no second control.</p>
<p><em>Within 90 % interval</em>: the share of the genes of held-out samples that lie within the interval around their prediction, whose <em>width</em> is in standard deviations of the gene. Intervals are conformal, per gene, from the errors in groups that the training did not see; a group counts as one, so that at least 9 of them are needed.</p>
<p><em>No change</em> predicts the untreated profile, <em>mean change</em> adds the mean change in training, <em>of the condition</em> does so for each dose, duration ... that the model knows. <em>Ridge on x1</em> predicts the treated profile linearly from the untreated one, <em>nearest groups</em> by the treated profiles of those with the most similar untreated ones, <em>linear factors</em> between principal components of samples and genes. <em>Identity</em> is the model with a treatment that changes nothing.</p>
{% endif %}
{% if run.responses | length %}
<p><strong>Responses</strong> are predicted from the profile before treatment. AUROC and AUPRC are computed within folds and averaged. <em>Identity</em> is the same model with a treatment that changes nothing. Baselines are trained on the labelled samples of the training folds: L2-penalised logistic regression (penalty chosen by cross-validation), random forest (200 trees) and RBF support vector machine, on the genes, on their principal components and on the model's latent features; components and latent features are learned from unlabelled samples too.</p>
{% endif %}
"""

    def content(self, run: PairedContents) -> dict[str, Any]:
        return {}
