"""How to read p- and q-values."""

from __future__ import annotations

from typing import Any

from tybalt_like.report.run_contents import RunContents
from tybalt_like.report.section import Section

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
{% set d = about.detector %}
<p><strong>p</strong> is the share of reference samples that are at least as strange as this one, counting the sample itself (conformal p-value); each of them was scored by what was learned without it. It assumes nothing about the detector or about distributions, only that a normal sample is as good as any {% if d.group %}sample of another {{ d.group }}: samples of one {{ d.group }} depend on each other and count as one{% else %}reference sample{% endif %}. By ranks among {{ d.units | count }} no p can be below 1 / {{ (d.units + 1) | count }} = {{ d.smallest_p | number(2) }}.{% if d.extrapolates %} With fewer than 100 that would be too coarse for flags: p-values of the strangest samples are read off an exponential tail of the largest quarter of the reference scores, and are marked as extrapolated where they are smaller than that. They hold as far as the tail goes on as it begins.{% endif %}{% if d.rule == "conditional" %} p-values are widened so that, with a probability of 90 %, they hold for all new samples that are compared with these.{% endif %}</p>
<p><strong>q</strong> corrects p for the number of tested samples (Benjamini-Hochberg). Flagging all samples with q ≤ {{ about.fdr }} means that on average at most {{ about.fdr | percent }} of the flagged ones are false alarms. q depends on which other samples are tested; p does not.</p>
<p>A flag says that a profile is unlike the reference cohort, not why: a rare biology, a poor sample, a batch or a swapped label all look alike here.{% if "genes" in others | map(attribute="name") %} The genes above are the place to start.{% endif %}</p>
"""

    def content(self, run: RunContents) -> dict[str, Any]:
        return {}

    def citations(self, run: RunContents) -> list[str]:
        return CITATIONS
