"""What was held out, and how the model compares."""

from __future__ import annotations

from typing import Any

from tybalt_like.perturbation.contents import PairedContents
from tybalt_like.perturbation.design import TABLE
from tybalt_like.report.section import Section
from tybalt_like.report.words import percent

CITATIONS = [
    "Dr.VAE and PertVAE: Rampášek L, Hidru D, Smirnov P, Haibe-Kains B, Goldenberg A. Dr.VAE: "
    "improving drug response prediction via modeling of drug perturbation effects. Bioinformatics "
    "35:3743-3751 (2019).",
    "Semi-supervised VAE: Kingma DP, Rezende DJ, Mohamed S, Welling M. Semi-supervised learning "
    "with deep generative models. NeurIPS (2014).",
    "Variational fair autoencoder: Louizos C, Swersky K, Li Y, Welling M, Zemel R. The variational "
    "fair autoencoder. ICLR (2016).",
]


class Summary(Section[PairedContents], name="summary", title="Summary", kind=TABLE, place=10):
    """The first section."""

    template = """
<p>Whole values of <em>{{ held_out }}</em> were held out in {{ about.folds }} folds, {{ times }}; everything below is measured on them.{% if labelled %} In training, {{ labelled }} of the groups kept their response.{% endif %}</p>
<ul>
{% for sentence in about.summary %}
<li>{{ sentence }}</li>
{% endfor %}
</ul>
"""

    def content(self, run: PairedContents) -> dict[str, Any]:
        design = run.about["recipe"][TABLE]
        return {
            "held_out": design["hold_out"] or design["group"],
            "times": "once" if design["seeds"] == 1 else f"{design['seeds']} times",
            "labelled": percent(design["labelled"]) if design["labelled"] < 1 else "",
        }

    def citations(self, run: PairedContents) -> list[str]:
        return CITATIONS
