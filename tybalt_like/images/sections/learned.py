"""What a model of images has learned: a table, and pictures of pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from tybalt_like.images.drawing import image_rows, image_sheets
from tybalt_like.images.figure_data import FigureData, by_measure
from tybalt_like.images.plots import bands, bars, code_planes, subspace_angles, trade_off
from tybalt_like.report.figure import Figure, drawing_of
from tybalt_like.report.run_contents import RunContents
from tybalt_like.report.section import Section

COLUMNS = {
    "error of reconstructions": "squared error",
    "error of repairs": "of repairs",
    "coverage": "prior near images",
    "random codes": "random, to nearest image",
    "test images": "test, to nearest image",
    "negative_elbo": "negative ELBO",
    "importance_weighted": "importance weighted",
}
"""Columns of the table, by measure or by its item."""


class Learned(Section[RunContents], name="images", title="Images", kind="run", place=80):
    """Reconstructions, the plane and the manifold, random codes, ways, concepts, bounds."""

    template = """
{% for sentence in said %}
<p>{{ sentence }}</p>
{% endfor %}
{% if table %}
{{ ui.measured("Models of images", "Models on held-out images", "model", table) }}
<p class="note">Squared error: per image, summed over pixels. Prior near images: share of random codes that lie as near to codes of training images as codes of test images do. Distances are medians in pixel space. Bounds in nats per image; those of the recipe's model are from all test images, the others from 1,000.</p>
{% endif %}
{{ ui.figures(figures) }}
"""

    def content(self, run: RunContents) -> dict[str, Any] | None:
        data = FigureData.load(run.folder)
        table, sentences = overview(run, data), said(run, data)
        return {"table": table, "said": sentences} if table or sentences else None

    def figures(self, run: RunContents) -> Iterator[Figure]:
        data = FigureData.load(run.folder)
        for several in (_reconstructions, _planes, _prior, _ways, _concepts, _bounds):
            yield from several(run, data)


def overview(run: RunContents, data: FigureData) -> dict[str, Any]:
    """A row per model: errors, the prior, bounds of the likelihood."""
    table = data.table
    of = table["measure"].where(~table["measure"].isin(["distance", "bound"]), table["item"])
    rows = table.assign(column=of)[of.isin(COLUMNS)]
    return by_measure(
        rows, index="model", columns="column", headings=COLUMNS, main=run.model, name=run.title
    )


def said(run: RunContents, data: FigureData) -> list[str]:
    """What the concepts and the bounds say, in sentences."""
    of_models = data.rows("bound")
    bounds = of_models[of_models["model"] == run.model].set_index("item")["value"]
    sentences = []
    if len(bounds):
        sentences.append(
            f"Test images, pixels as they are in [0, 1]: negative ELBO "
            f"{bounds['negative_elbo']:.1f} nats (reconstruction {bounds['reconstruction']:.1f}, "
            f"KL {bounds['kl']:.1f}), importance-weighted bound "
            f"{bounds['importance_weighted']:.1f} nats."
        )
    rises = data.rows("monotone")
    if len(rises):
        accuracy = data.rows("classifier accuracy")["value"].iloc[0]
        sentences.append(
            f"Along the vectors between labels, a classifier ({accuracy:.1%} of the test images "
            f"right) moves steadily to the other label for {rises['value'].min():.1%} to "
            f"{rises['value'].max():.1%} of the test images."
        )
    return sentences


def _titled(run: RunContents, data: FigureData, figure: str) -> dict[str, Any]:
    return {run.title(name): array for name, array in data.of(figure).items()}


def _reconstructions(run: RunContents, data: FigureData) -> Iterator[Figure]:
    rows = _titled(run, data, "reconstructions")
    if not rows:
        return
    yield Figure(
        "images_reconstructions",
        "What the models make of images they have never seen",
        "Test images and their reconstructions, a row per model.",
        "Above, test images; below, what is left of them after they went through each model's "
        "code. Blur is what a code of that size cannot hold.",
        lambda: image_rows(rows),
    )
    repairs = _titled(run, data, "repairs")
    if repairs:
        yield Figure(
            "images_repairs",
            "Images that lost half their pixels",
            "Damaged test images and what the models make of them.",
            "Above, the same images with half their pixels deleted at random. A model that was "
            "trained on damaged images repairs them; others reconstruct the damage too.",
            lambda: image_rows(repairs),
        )
    angles = data.rows("angle")
    if len(angles):
        errors = data.rows("error of reconstructions").set_index("model")["value"]
        linear = str(angles["model"].iloc[0])
        yield Figure(
            "images_angles",
            "A linear autoencoder is PCA",
            "Principal angles between the spaces of a linear autoencoder and of PCA.",
            f"Angles between the space that the {run.title(linear)} found by gradient descent and "
            f"that of PCA: 0 is the same direction. Squared error of test images: "
            f"{errors[linear]:.2f} against {errors['pca']:.2f} of PCA.",
            lambda: drawing_of(subspace_angles(angles)),
        )


def _planes(run: RunContents, data: FigureData) -> Iterator[Figure]:
    codes = _titled(run, data, "codes")
    if not codes:
        return
    labels = list(data.of("labels")["codes"])
    yield Figure(
        "images_planes",
        "Two features, seen as a plane",
        "Codes of test images in two latent features, coloured by label.",
        "Each dot is the code of a test image. The codes of a variational autoencoder fill a round "
        "cloud around 0, as its prior asks for; those of an autoencoder lie where they happen to.",
        lambda: code_planes(codes, labels, palette=run.palette if run.label else None),
    )
    sheets = _titled(run, data, "manifold")
    yield Figure(
        "images_manifold",
        "The manifold of images",
        "What the points of a grid in two latent features decode to.",
        "The plane above, read backwards: codes on a grid of Gaussian quantiles, so that each "
        "image stands for as much of the prior as any other. Of models without a prior, quantiles "
        "of the normal distribution with the mean and covariance of their codes.",
        lambda: image_sheets(sheets, x="feature 1", y="feature 2"),
    )


def _prior(run: RunContents, data: FigureData) -> Iterator[Figure]:
    sheets = _titled(run, data, "random")
    if not sheets:
        return
    yield Figure(
        "images_random",
        "What random codes decode to",
        "Images of random codes, a sheet per model.",
        "Codes drawn from the prior, decoded. Variational autoencoders were trained for this; an "
        "autoencoder's codes are drawn from the normal distribution with the mean and covariance "
        "of those of its training images.",
        lambda: image_sheets(sheets),
    )
    distances, coverage = data.rows("distance"), data.rows("coverage")
    measured = {
        run.title(str(name)): dict(zip(rows["item"], rows["value"], strict=True))
        for name, rows in distances.groupby("model", sort=False)
    }
    covered = ", ".join(
        f"{run.title(name)} {share:.0%}"
        for name, share in zip(coverage["model"], coverage["value"], strict=True)
    )
    yield Figure(
        "images_nearest",
        "How far random images are from real ones",
        "Distance of decoded random codes, and of decoded test images, to the nearest real image.",
        "Median distance to the nearest training image: of images of random codes, and, for "
        "comparison, of reconstructed test images. Blurred images are nearer to everything. "
        "Share of random codes that lie as near to codes of images as these do to each other: "
        f"{covered}.",
        lambda: drawing_of(bars(measured, x="distance to the nearest training image")),
    )


def _ways(run: RunContents, data: FigureData) -> Iterator[Figure]:
    ways = data.of("ways")
    if ways:
        yield Figure(
            "images_ways",
            "From one image to another",
            "Decoded codes on the straight and on the spherical way between test images.",
            f"Ways between the codes of two test images, decoded by {run.title()}. Straight: their "
            "mixtures; spherical: around 0, so that the codes on the way are as long as those at "
            "its ends.",
            lambda: image_sheets(
                {"straight": ways["linear"], "spherical": ways["spherical"]}, side=5.2
            ),
        )


def _concepts(_: RunContents, data: FigureData) -> Iterator[Figure]:
    strips = data.of("concept")
    if strips:
        rises = data.rows("monotone").set_index("item")["value"]
        steady = "; ".join(f"{item} {share:.1%}" for item, share in rises.items())
        yield Figure(
            "images_concepts",
            "Vectors that turn one label into another",
            "Test images with multiples of concept vectors added to their codes.",
            "The vector from the mean code of one label to that of the other (mean), or along "
            "which a linear classifier parts them (probe), subtracted to the left and added to the "
            "right of the framed images, which are plain reconstructions.",
            lambda: _steps(data, "concept"),
        )
        yield Figure(
            "images_verdicts",
            "What a classifier says on the way",
            "Probability of the second label along each concept vector.",
            "Median and quartiles over the test images of the first label; 0 is the image itself, "
            "1 the length of the vector. Share of images whose probability rises from 0 on and "
            f"never falls by more than 0.01: {steady}.",
            lambda: bands(
                data.table,
                "verdict",
                x="multiples of the vector",
                y="probability of the second label",
                items=list(rises.index),
                limits=(-0.02, 1.02),
            ),
        )
    if data.of("attribute"):
        yield Figure(
            "images_attributes",
            "Vectors along thickness and slant of strokes",
            "Test images with multiples of attribute vectors added to their codes.",
            "Thickness is twice the ink per length of its outline, slant comes from the image "
            "moments; a vector is how codes change when one of them rises by a standard deviation.",
            lambda: _steps(data, "attribute"),
        )
        yield Figure(
            "images_measured",
            "What is measured on the way",
            "Thickness in pixels, and slant, along their vectors.",
            "Median and quartiles over test images, measured in the decoded images. Thickness is "
            "in pixels, slant in columns per row.",
            lambda: bands(
                data.table,
                "attribute",
                x="standard deviations along the vector",
                y="measured",
                items=list(data.of("attribute")),
            ),
        )


def _steps(data: FigureData, figure: str) -> Any:
    """Strips of images with their steps as columns; 0 is framed."""
    columns = [f"{step:+.2g}" if step else "0" for step in data.of("steps")[figure]]
    strips = data.of(figure)
    return image_rows(strips, columns=columns, mark=columns.index("0"))


def _bounds(run: RunContents, data: FigureData) -> Iterator[Figure]:
    bounds = data.rows("bound")
    if bounds.empty:
        return
    wide = bounds.pivot_table(index="model", columns="item", values="value", sort=False)
    wide["beta"] = bounds.groupby("model")["x"].first()
    features = _same_size(run, wide)
    if len(features) > 1:
        yield Figure(
            "images_trade_off",
            "Reconstruction against KL divergence",
            "Reconstruction and KL divergence of models with several weights of the KL term.",
            "With a smaller beta a code says more of its image, and reconstructions gain; with a "
            "larger one codes stay closer to the prior. Their sum, the negative ELBO, is least "
            "where beta is 1, which is what it is the bound for.",
            lambda: drawing_of(trade_off(features.rename(index=run.title))),
        )


def _same_size(run: RunContents, wide: pd.DataFrame) -> pd.DataFrame:
    """The models that differ from the recipe's in beta alone."""
    own = dict(run.about["recipe"]["model"])
    beside = run.about["recipe"]["images"]["beside"]
    ignored = ("beta", "training", "kappa")

    def plain(table: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in table.items() if key not in ignored}

    alike = [title for title, table in beside.items() if plain(table) == plain(own)]
    return wide.loc[[name for name in wide.index if name in (run.model, *alike)]]
