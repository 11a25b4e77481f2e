"""The page of aberrant counts."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from tybalt_like import pl
from tybalt_like.core.files import write_text
from tybalt_like.pl.theme import theme
from tybalt_like.report.page import environment, image, script_hash, template_text
from tybalt_like.report.picture import Picture, figure_of

PAGE = "aberrant.html"
PANELS = 6
"""Samples or genes drawn in one figure."""
MAX_PAIRS = 1000
"""Rows of the table of genes; the file has the rest."""
MIN_PAIRS = 50
"""Rows of the table of genes where fewer are significant."""
CITATIONS = [
    "OUTRIDER: Brechtmann F, Mertes C, Matusevičiūtė A, et al. OUTRIDER: a statistical method for "
    "detecting aberrantly expressed genes in RNA sequencing data. American Journal of Human "
    "Genetics 103:907-917 (2018).",
    "Latent size: Gavish M, Donoho DL. The optimal hard threshold for singular values is 4/√3. "
    "IEEE Transactions on Information Theory 60:5040-5053 (2014).",
    "Size factors: Anders S, Huber W. Differential expression analysis for sequence count data. "
    "Genome Biology 11:R106 (2010).",
    "Adjusted p-values: Benjamini Y, Yekutieli D. The control of the false discovery rate in "
    "multiple testing under dependency. Annals of Statistics 29:1165-1188 (2001).",
]
FILES = {
    "aberrant.tsv.gz": "every tested pair of gene and sample, significant ones first",
    "aberrant_significant.tsv": "the significant ones only",
    "samples.tsv": "one row per sample",
    "aberrant.json": "settings, versions and warnings",
    "reference.json": "the fitted cohort, with model.safetensors and noise.safetensors; name this "
    "folder with --using to test new samples",
}


def build(
    folder: Path, *, pairs: pd.DataFrame, summary: pd.DataFrame, about: dict[str, Any]
) -> Path:
    """Draw the figures of a folder of aberrant counts and write its page.

    Parameters
    ----------
    folder
        Gets ``figures/*.png``, ``figures/*.svg`` and ``aberrant.html``, which loads nothing from
        anywhere.
    pairs, summary, about
        What the folder's tables and ``aberrant.json`` hold.
    """
    drawn = _pictures(pairs, summary, alpha=about["alpha"])
    for picture in drawn:
        figure = picture.draw()
        pl.save(figure, folder / "figures", picture.name)
        plt.close(figure)
    scripts = [template_text("report.js")]
    n_called = int(summary["aberrant"].sum())
    n_shown = min(MAX_PAIRS, max(MIN_PAIRS, n_called))
    page = (
        environment()
        .get_template("aberrant.html.j2")
        .render(
            about=about,
            n_called=n_called,
            n_genes=int(pairs.loc[pairs["padjust"] <= about["alpha"], "gene"].nunique()),
            samples=summary.reset_index().to_dict(orient="records"),
            rows=pairs.head(n_shown).to_dict(orient="records"),
            drawn=drawn,
            image=partial(image, folder / "figures"),
            files={name: what for name, what in FILES.items() if (folder / name).exists()},
            citations=CITATIONS,
            style=template_text("report.css"),
            scripts=scripts,
            script_hashes=[script_hash(text) for text in scripts],
        )
    )
    path = folder / PAGE
    write_text(path, page)
    return path


def _pictures(pairs: pd.DataFrame, summary: pd.DataFrame, *, alpha: float) -> list[Picture]:
    strongest = pairs.drop_duplicates("sample")["sample"].head(PANELS)
    genes = pairs.drop_duplicates("gene")["gene"].head(PANELS)
    return [
        Picture(
            "aberrant_per_sample",
            "Aberrant genes per sample",
            "Bars: number of aberrant genes of each sample, the quietest first.",
            "A sample far above the others is more likely a bad or swapped sample, or another "
            "tissue, than one with so many causes.",
            lambda: figure_of(pl.aberrant_per_sample(summary)),
        ),
        Picture(
            "volcano",
            "Genes of the samples with the smallest p-values",
            "Volcano plots: log2 fold change against minus log10 p, one panel per sample.",
            f"Up to {PANELS} samples. In colour: aberrant genes, orange with more and blue with "
            "fewer counts than expected.",
            lambda: _panels(
                lambda name, ax: pl.volcano(pairs, name, alpha=alpha, ax=ax), strongest
            ),
        ),
        Picture(
            "expected_observed",
            "Observed against expected counts",
            "Scatter plots, one panel per gene: expected against observed counts of all samples.",
            f"Up to {PANELS} genes with the smallest p-values; one point is one sample. Grey "
            "points along the line: the expectation is right for the other samples.",
            lambda: _panels(
                lambda name, ax: pl.expected_observed(pairs, name, alpha=alpha, ax=ax), genes
            ),
        ),
        Picture(
            "qq",
            "Are the p-values to be trusted?",
            "Quantile-quantile plot of all p-values against uniform ones.",
            "Points should follow the line, but for aberrant counts at the upper right. Counts "
            "that are whole numbers keep points a little below it. Points that leave the line "
            "early mean that the model misses something, such as a covariate.",
            lambda: figure_of(pl.p_value_qq(pairs)),
        ),
    ]


@theme
def _panels(draw: Any, names: pd.Series[str]) -> Figure:
    """One panel per name, three in a row."""
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(3.9 * columns, 3.6 * rows), squeeze=False)
    for name, ax in zip(names, axes.flat, strict=False):
        draw(name, ax)
    for ax in axes.flat[len(names) :]:
        ax.axis("off")
    return figure
