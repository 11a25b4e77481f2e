"""The page of new samples: whether their p-values hold, and the sections of a run, for them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import ClassVar

from matplotlib.figure import Figure as Drawing

from tybalt_like import pl
from tybalt_like.report.figure import Figure, drawing_of
from tybalt_like.report.new_samples import KIND, NEW, NewSamples
from tybalt_like.report.run_contents import HOLD, RunContents
from tybalt_like.report.section import Section
from tybalt_like.report.sections.genes import Genes
from tybalt_like.report.sections.reading import Reading
from tybalt_like.report.sections.samples import Samples, scores
from tybalt_like.report.sections.sheets import Sheets


class NewSummary(Section[NewSamples], name="summary", title="Summary", kind=KIND, place=10):
    """The first section."""

    heading = HOLD
    template = """
{% for said in about.summary %}
<p>{{ said }}</p>
{% endfor %}
<p>Scored by {{ about.recipe.run }} with {{ about.detector.reference | count }} reference samples.</p>
"""


class NewTable(Samples, name="samples", title="Samples", kind=KIND, place=30):
    """The new samples, the strange ones first, on the map of the run."""

    heading = "The new samples among those of the run"
    only: ClassVar[str | None] = NEW

    def shown(self, run: RunContents) -> RunContents:
        assert isinstance(run, NewSamples)  # it is registered for no other
        return run.everyone

    def figures(self, run: RunContents) -> Iterator[Figure]:
        assert isinstance(run, NewSamples)
        yield from scores(run)
        for basis, name in (("X_umap", "UMAP"), ("X_tsne", "t-SNE")):
            if basis in run.everyone.adata().obsm:
                yield Figure(
                    f"{basis[2:]}_of_new_samples",
                    f"New samples on the {name} map",
                    f"{name} map of the latent features of the run with the new samples.",
                    f"The map is that of the run, by the latent features of {run.title()}. A new "
                    "sample stands between its five nearest samples of the run, nearer to the "
                    "nearer ones; one that is like none of them stands among them all the same.",
                    partial(_drawn, run.everyone, basis),
                )


class NewGenes(Genes, name="genes", title="Genes", kind=KIND, place=37):
    """Why the new samples are strange."""


class NewSheets(Sheets, name="sheets", title="Sample by sample", kind=KIND, place=35):
    """For each strange new sample all that is known of it."""


class NewReading(Reading, name="reading", title="Reading p and q", kind=KIND, place=100):
    """Words on what the numbers promise."""


def _drawn(run: NewSamples, basis: str) -> Drawing:
    return drawing_of(pl.embedding(run.adata(), basis, color=str(run.label), palette=run.palette))
