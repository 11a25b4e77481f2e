"""What was done, as a paragraph for a paper, with the numbers of the run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from tybalt_like.core.stored import read_json
from tybalt_like.report.run_contents import NORM_TITLE, RunContents, title
from tybalt_like.report.section import Section
from tybalt_like.report.words import capital, counted, listed, percent

STEPS = {
    "cpm": "counts were divided by library size (counts per million)",
    "median_of_ratios": "counts were divided by size factors (median of ratios, as in DESeq2)",
    "tmm": "counts were divided by library size (trimmed mean of M values, as in edgeR)",
    "log2": "log2(x + 1) was taken",
    "log1p": "ln(x + 1) was taken",
    "quantile": "every sample was given the mean distribution of the training samples",
    "zero_one": "the training range of each gene became [0, 1]",
    "zscore": "each gene was standardised by training mean and standard deviation",
    "robust_z": "each gene was standardised by training median and median absolute deviation",
    "inverse_normal": "each gene became the normal scores of its ranks among training samples",
    "median": "missing values were given the training median",
    "knn": "missing values were given the mean of the five nearest training samples",
}
"""Transforms in words; of others the name."""
CHOSEN = {
    "mean_ad": "mean absolute deviation",
    "median_ad": "median absolute deviation",
    "variance": "variance",
    "dispersion": "variance beyond what the mean explains",
}


class Methods(Section[RunContents], name="methods", title="Methods", kind="run", place=104):
    """A text to paste."""

    heading = "Methods, ready to paste"
    template = """
<div id="methods-text" class="quoted">
{% for paragraph in paragraphs %}
<p>{{ paragraph }}</p>
{% endfor %}
</div>
<p class="controls" data-needs-script hidden><button type="button" data-copy="methods-text cite-list">Copy text and references</button></p>
<p class="note">Numbers are those of this run. Shorten it, but keep what was compared with what, and the error rate.</p>
"""

    def content(self, run: RunContents) -> dict[str, Any]:
        return {"paragraphs": [*_learned(run), *_tested(run)]}


def _learned(run: RunContents) -> Iterator[str]:
    """Data, normalisation and model."""
    about, recipe = run.about, run.about["recipe"]
    reading, splits = about["reading"], about["splits"]
    data = recipe["data"]
    source = data["dataset"] or PurePath(str(data["path"])).name
    noun = "pixel" if run.of_images else "gene"
    yield (
        f"{counted(reading['n_obs'])} with {counted(reading['n_vars'], noun)} ({source}) were "
        f"analysed with tybalt_like {about['versions']['tybalt-like']} (seed {about['seed']}). "
        f"{_normalised(run, noun)}"
    )
    watched = (
        f"; {counted(splits['validation'], 'other sample')} decided when to stop"
        if about["model"]["best_epoch"] >= 0
        else ""
    )
    normal = f" labelled {listed(about['normal'], 'or')}" if about["normal"] else ""
    epochs = recipe["training"].get("epochs") if about["model"]["best_epoch"] >= 0 else None
    for_at_most = f" for at most {epochs:,} epochs" if epochs else ""
    yield (
        f"{capital(run.title())} with {counted(len(about['features']), 'latent feature')} was "
        f"trained on {counted(splits['train'])}{normal}{for_at_most}{watched}."
    )


def _normalised(run: RunContents, noun: str) -> str:
    path = run.folder / "normaliser.json"
    if not path.is_file():
        return ""
    fitted, settings = read_json(path), run.about["recipe"]["normalize"]
    before = [step["transform"] for step in fitted["sample_steps"]]
    after = [fitted[part]["transform"] for part in ("imputer", "scaler") if fitted[part]]
    n, n_read = len(fitted["genes"]), run.about["reading"]["n_vars"]
    chosen = CHOSEN.get(settings["select"])
    said = [STEPS.get(step, step) for step in before]
    if chosen and n < n_read:
        said.append(f"the {n:,} {noun}s with the largest {chosen} in training were kept")
    said += [STEPS.get(step, step) for step in after]
    return f"{capital(listed(said))}." if said else f"{n:,} {noun}s were used as they are."


def _tested(run: RunContents) -> Iterator[str]:
    """Detector, calls, and pictures."""
    about, detector = run.about, run.about["detector"]
    who = f"the {title(run.decides)}" if run.decides == "default" else run.title(run.decides)
    with_what = "all others" if run.all_tested else "the reference"
    tested, flagged = about["flagged"]["tested"], about["flagged"]["flagged"]
    beside = [title(name) for name in about["scorers"] if name != run.decides]
    yield (
        f"Samples were scored by {who}: {detector['combined']}. "
        f"{counted(detector['reference'], 'reference sample')} were scored by what was learned "
        f"without them; p is the share of samples at least as strange among them and the sample itself "
        "(conformal p-value), "
        + ("with an exponential tail beyond the ranks, " if detector["extrapolates"] else "")
        + f"and q-values are those of Benjamini and Hochberg. Of {counted(tested, 'sample')} "
        f"compared with {with_what}, {flagged:,} had q ≤ {about['fdr']:g} (expected share of false "
        f"alarms among them: at most {percent(about['fdr'])}). Beside it stood "
        f"{listed([*beside, 'the ' + NORM_TITLE])}."
    )
    if not run.of_images:
        yield (
            "Genes of strange samples were compared with the closest normal profile that the model "
            "can make; p-values come from residuals of reference samples that were left out, "
            "corrected over all genes of a sample."
        )
    maps = about["recipe"]["pictures"]
    drawn = {
        "umap": f"UMAP ({maps['umap_n_neighbors']} neighbours, minimal distance "
        f"{maps['umap_min_dist']:g})",
        "tsne": f"t-SNE (perplexity {maps['tsne_perplexity']})",
    }
    if maps["maps"]:
        yield f"Maps: {listed([drawn[name] for name in maps['maps'] if name in drawn])}."
