"""How to read p- and q-values."""

from __future__ import annotations

from typing import Any

from tybalt_like.report.run_contents import RunContents
from tybalt_like.report.section import Section
from tybalt_like.report.words import percent

MIN_HELD_OUT = 20
"""Fewer held-out normal samples say nothing about calibration."""
CITATIONS = [
    "Calibrated p-values: Bates S, Candès E, Lei L, Romano Y, Sesia M. Testing for outliers with "
    "conformal p-values. Annals of Statistics 51:149-178 (2023).",
    "False-discovery rate: Benjamini Y, Hochberg Y. Controlling the false discovery rate. Journal "
    "of the Royal Statistical Society B 57:289-300 (1995).",
]


class Reading(Section[RunContents], name="reading", title="Reading p and q", kind="run", place=100):
    """Words on what the numbers promise."""

    heading = "How to read p- and q-values"
    template = """
{% set n_calibration = about.splits.calibration %}
<p><strong>p</strong> is the share of calibration samples that are at least as strange as this one, counting the sample itself (split-conformal p-value). It assumes nothing about the model or about distributions, only that a normal sample is as good as any calibration sample. {% if run.cross_fitted %}Each sample is compared with the calibration samples of its fold.{% else %}With {{ n_calibration | count }} calibration samples no p can be below 1 / {{ (n_calibration + 1) | count }} = {{ (1 / (n_calibration + 1)) | number(2) }}.{% endif %}</p>
<p><strong>q</strong> corrects p for the number of tested samples (Benjamini-Hochberg). Flagging all samples with q ≤ {{ about.fdr }} means that on average at most {{ about.fdr | percent }} of the flagged ones are false alarms. q depends on which other samples are tested; p does not.</p>
{% if calibration %}
<p>{{ calibration }}</p>
{% endif %}
<p>A flag says that a profile is unlike the reference cohort, not why: a rare biology, a poor sample, a batch or a swapped label all look alike here.{% if "genes" in others | map(attribute="name") %} The genes above are the place to start.{% endif %}</p>
"""

    def content(self, run: RunContents) -> dict[str, Any]:
        return {"calibration": calibration(run)}

    def citations(self, run: RunContents) -> list[str]:
        return CITATIONS


def calibration(run: RunContents) -> str:
    """Whether p-values of held-out normal samples are as frequent as they should be."""
    p = run.score("p_value")[run.held_out].dropna()
    if run.cross_fitted or len(p) < MIN_HELD_OUT:
        return ""
    low = int((p <= 0.1).sum())
    return (
        f"A check: {low} of the {len(p)} held-out normal samples ({percent(low / len(p))}) have "
        f"p ≤ 0.1; about {percent(0.1)} should."
    )
