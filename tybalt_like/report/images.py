"""The section on what a model of images has learned: a table, and pictures of pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pandas as pd

from tybalt_like import pl
from tybalt_like.report.picture import Picture, figure_of
from tybalt_like.report.tables import by_measure

if TYPE_CHECKING:
    from tybalt_like.report.contents import Contents

SECTION = "images"
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
HIGH_IS_GOOD = ("coverage",)


def overview(run: Contents) -> dict[str, Any]:
    """A row per model: errors, the prior, bounds of the likelihood."""
    table = run.gallery.table
    of = table["measure"].where(~table["measure"].isin(["distance", "bound"]), table["item"])
    rows = table.assign(column=of)[of.isin(COLUMNS)]
    return by_measure(
        rows, index="model", columns="column", headings=COLUMNS, main=run.model, name=run.title
    )


def said(run: Contents) -> list[str]:
    """What the concepts and the bounds say, in sentences."""
    gallery = run.gallery
    of_models = gallery.rows("bound")
    bounds = of_models[of_models["model"] == run.model].set_index("item")["value"]
    sentences = []
    if len(bounds):
        sentences.append(
            f"Test images, pixels as they are in [0, 1]: negative ELBO "
            f"{bounds['negative_elbo']:.1f} nats (reconstruction {bounds['reconstruction']:.1f}, "
            f"KL {bounds['kl']:.1f}), importance-weighted bound "
            f"{bounds['importance_weighted']:.1f} nats."
        )
    rises = gallery.rows("monotone")
    if len(rises):
        accuracy = gallery.rows("classifier accuracy")["value"].iloc[0]
        sentences.append(
            f"Along the vectors between labels, a classifier ({accuracy:.1%} of the test images "
            f"right) moves steadily to the other label for {rises['value'].min():.1%} to "
            f"{rises['value'].max():.1%} of the test images."
        )
    return sentences


def pictures(run: Contents) -> Iterator[Picture]:
    """The figures that the run has pictures for."""
    if not run.gallery.arrays:
        return
    if run.gallery.of("reconstructions"):
        yield from _reconstructions(run)
    yield from _planes(run)
    yield from _prior(run)
    yield from _ways(run)
    yield from _concepts(run)
    yield from _bounds(run)


def _titled(run: Contents, figure: str) -> dict[str, Any]:
    return {run.title(name): array for name, array in run.gallery.of(figure).items()}


def _picture(name: str, title: str, alt: str, caption: str, draw: Any) -> Picture:
    return Picture(name, title, alt, caption, draw, SECTION)


def _reconstructions(run: Contents) -> Iterator[Picture]:
    rows = _titled(run, "reconstructions")
    yield _picture(
        "images_reconstructions",
        "What the models make of images they have never seen",
        "Test images and their reconstructions, a row per model.",
        "Above, test images; below, what is left of them after they went through each model's "
        "code. Blur is what a code of that size cannot hold.",
        lambda: pl.image_rows(rows),
    )
    repairs = _titled(run, "repairs")
    if repairs:
        yield _picture(
            "images_repairs",
            "Images that lost half their pixels",
            "Damaged test images and what the models make of them.",
            "Above, the same images with half their pixels deleted at random. A model that was "
            "trained on damaged images repairs them; others reconstruct the damage too.",
            lambda: pl.image_rows(repairs),
        )
    angles = run.gallery.rows("angle")
    if len(angles):
        errors = run.gallery.rows("error of reconstructions").set_index("model")["value"]
        linear = str(angles["model"].iloc[0])
        yield _picture(
            "images_angles",
            "A linear autoencoder is PCA",
            "Principal angles between the spaces of a linear autoencoder and of PCA.",
            f"Angles between the space that the {run.title(linear)} found by gradient descent and "
            f"that of PCA: 0 is the same direction. Squared error of test images: "
            f"{errors[linear]:.2f} against {errors['pca']:.2f} of PCA.",
            lambda: figure_of(pl.subspace_angles(angles)),
        )


def _planes(run: Contents) -> Iterator[Picture]:
    codes = _titled(run, "codes")
    if not codes:
        return
    labels = list(run.gallery.of("labels")["codes"])
    yield _picture(
        "images_planes",
        "Two features, seen as a plane",
        "Codes of test images in two latent features, coloured by label.",
        "Each dot is the code of a test image. The codes of a variational autoencoder fill a round "
        "cloud around 0, as its prior asks for; those of an autoencoder lie where they happen to.",
        lambda: pl.code_planes(codes, labels, palette=run.palette if run.label else None),
    )
    sheets = _titled(run, "manifold")
    yield _picture(
        "images_manifold",
        "The manifold of images",
        "What the points of a grid in two latent features decode to.",
        "The plane above, read backwards: codes on a grid of Gaussian quantiles, so that each "
        "image stands for as much of the prior as any other. Of models without a prior, quantiles "
        "of the normal distribution with the mean and covariance of their codes.",
        lambda: pl.image_sheets(sheets, x="feature 1", y="feature 2"),
    )


def _prior(run: Contents) -> Iterator[Picture]:
    sheets = _titled(run, "random")
    if not sheets:
        return
    yield _picture(
        "images_random",
        "What random codes decode to",
        "Images of random codes, a sheet per model.",
        "Codes drawn from the prior, decoded. Variational autoencoders were trained for this; an "
        "autoencoder's codes are drawn from the normal distribution with the mean and covariance "
        "of those of its training images.",
        lambda: pl.image_sheets(sheets),
    )
    distances, coverage = run.gallery.rows("distance"), run.gallery.rows("coverage")
    measured = {
        run.title(str(name)): dict(zip(rows["item"], rows["value"], strict=True))
        for name, rows in distances.groupby("model", sort=False)
    }
    covered = ", ".join(
        f"{run.title(name)} {share:.0%}"
        for name, share in zip(coverage["model"], coverage["value"], strict=True)
    )
    yield _picture(
        "images_nearest",
        "How far random images are from real ones",
        "Distance of decoded random codes, and of decoded test images, to the nearest real image.",
        "Median distance to the nearest training image: of images of random codes, and, for "
        "comparison, of reconstructed test images. Blurred images are nearer to everything. "
        "Share of random codes that lie as near to codes of images as these do to each other: "
        f"{covered}.",
        lambda: figure_of(pl.bars(measured, x="distance to the nearest training image")),
    )


def _ways(run: Contents) -> Iterator[Picture]:
    ways = run.gallery.of("ways")
    if ways:
        yield _picture(
            "images_ways",
            "From one image to another",
            "Decoded codes on the straight and on the spherical way between test images.",
            f"Ways between the codes of two test images, decoded by {run.title()}. Straight: their "
            "mixtures; spherical: around 0, so that the codes on the way are as long as those at "
            "its ends.",
            lambda: pl.image_sheets(
                {"straight": ways["linear"], "spherical": ways["spherical"]}, side=5.2
            ),
        )


def _concepts(run: Contents) -> Iterator[Picture]:
    strips = run.gallery.of("concept")
    if strips:
        rises = run.gallery.rows("monotone").set_index("item")["value"]
        steady = "; ".join(f"{item} {share:.1%}" for item, share in rises.items())
        yield _picture(
            "images_concepts",
            "Vectors that turn one label into another",
            "Test images with multiples of concept vectors added to their codes.",
            "The vector from the mean code of one label to that of the other (mean), or along "
            "which a linear classifier parts them (probe), subtracted to the left and added to the "
            "right of the framed images, which are plain reconstructions.",
            lambda: _steps(run, "concept"),
        )
        yield _picture(
            "images_verdicts",
            "What a classifier says on the way",
            "Probability of the second label along each concept vector.",
            "Median and quartiles over the test images of the first label; 0 is the image itself, "
            "1 the length of the vector. Share of images whose probability rises from 0 on and "
            f"never falls by more than 0.01: {steady}.",
            lambda: pl.bands(
                run.gallery.table,
                "verdict",
                x="multiples of the vector",
                y="probability of the second label",
                items=list(rises.index),
                limits=(-0.02, 1.02),
            ),
        )
    if run.gallery.of("attribute"):
        yield _picture(
            "images_attributes",
            "Vectors along thickness and slant of strokes",
            "Test images with multiples of attribute vectors added to their codes.",
            "Thickness is twice the ink per length of its outline, slant comes from the image "
            "moments; a vector is how codes change when one of them rises by a standard deviation.",
            lambda: _steps(run, "attribute"),
        )
        yield _picture(
            "images_measured",
            "What is measured on the way",
            "Thickness in pixels, and slant, along their vectors.",
            "Median and quartiles over test images, measured in the decoded images. Thickness is "
            "in pixels, slant in columns per row.",
            lambda: pl.bands(
                run.gallery.table,
                "attribute",
                x="standard deviations along the vector",
                y="measured",
                items=list(run.gallery.of("attribute")),
            ),
        )


def _steps(run: Contents, figure: str) -> Any:
    """Strips of images with their steps as columns; 0 is framed."""
    columns = [f"{step:+.2g}" if step else "0" for step in run.gallery.of("steps")[figure]]
    strips = run.gallery.of(figure)
    return pl.image_rows(strips, columns=columns, mark=columns.index("0"))


def _bounds(run: Contents) -> Iterator[Picture]:
    bounds = run.gallery.rows("bound")
    if bounds.empty:
        return
    wide = bounds.pivot_table(index="model", columns="item", values="value", sort=False)
    wide["beta"] = bounds.groupby("model")["x"].first()
    features = _same_size(run, wide)
    if len(features) > 1:
        yield _picture(
            "images_trade_off",
            "Reconstruction against KL divergence",
            "Reconstruction and KL divergence of models with several weights of the KL term.",
            "With a smaller beta a code says more of its image, and reconstructions gain; with a "
            "larger one codes stay closer to the prior. Their sum, the negative ELBO, is least "
            "where beta is 1, which is what it is the bound for.",
            lambda: figure_of(pl.trade_off(features.rename(index=run.title))),
        )


def _same_size(run: Contents, wide: pd.DataFrame) -> pd.DataFrame:
    """The models that differ from the recipe's in beta alone."""
    own = dict(run.about["recipe"]["model"])
    beside = run.about["recipe"]["images"]["beside"]
    ignored = ("beta", "training", "kappa")

    def plain(table: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in table.items() if key not in ignored}

    alike = [title for title, table in beside.items() if plain(table) == plain(own)]
    return wide.loc[[name for name in wide.index if name in (run.model, *alike)]]
