"""What models of images are shown and measured by, on images whose answers are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tybalt_like.core.errors import DataError
from tybalt_like.images import FigureData, concepts, learned_images
from tybalt_like.images import latent_space as image_codes
from tybalt_like.images.latent_space import LatentSpace
from tybalt_like.interpretation import linear_probe, mean_difference
from tybalt_like.models import Model

vectors = arrays(np.float64, 5, elements=st.floats(-3, 3, width=32))


def bars(width: int, *, lean: float = 0.0, side: int = 32) -> np.ndarray:
    """An upright or leaning bar, smooth at its edges."""
    row, column = np.mgrid[:side, :side].astype(float)
    centre = side / 2 + lean * (side / 2 - row)
    inside = np.clip(width / 2 + 0.5 - np.abs(column - centre), 0, 1)
    return (inside * ((row > 3) & (row < side - 4)))[None]


def test_a_grid_of_quantiles_stands_for_the_prior() -> None:
    points = image_codes.quantile_grid(20)
    np.testing.assert_allclose(points.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(points.var(0), 1, atol=0.1)
    assert points[0, 0] < 0 < points[0, 1]  # top left
    assert points[-1, 1] < 0 < points[-1, 0]  # bottom right


@given(start=vectors, end=vectors)
def test_ways_begin_and_end_where_they_should(start, end) -> None:
    for path in (image_codes.linear_path, image_codes.spherical_path):
        way = path(start, end, np.linspace(0, 1, 7))
        np.testing.assert_allclose(way[[0, -1]], [start, end], atol=1e-6)
    lengths = np.linalg.norm(image_codes.spherical_path(start, end, np.linspace(0, 1, 7)), axis=1)
    longest = max(np.linalg.norm(start), np.linalg.norm(end))
    assert (lengths <= longest + 1e-6).all()


def test_the_spherical_way_keeps_its_distance_from_0() -> None:
    start, end = np.array([2.0, 0, 0]), np.array([0, 2.0, 0])
    way = image_codes.spherical_path(start, end, np.linspace(0, 1, 9))
    np.testing.assert_allclose(np.linalg.norm(way, axis=1), 2)
    np.testing.assert_allclose(way[4], [2**0.5, 2**0.5, 0])


def test_coverage_is_what_random_codes_share_with_images() -> None:
    rng = np.random.default_rng(0)
    codes, others, random = rng.standard_normal((3, 400, 2))
    assert image_codes.coverage(random, codes, others) > 0.9
    assert image_codes.coverage(random + 20, codes, others) == 0
    half = np.where(np.arange(400)[:, None] < 200, random, 50.0)
    assert image_codes.coverage(half, codes, others) == pytest.approx(0.48, abs=0.03)


def test_angles_between_spaces() -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((3, 8))
    same = rng.standard_normal((3, 3)) @ rows
    np.testing.assert_allclose(image_codes.principal_angles(rows, same), 0, atol=1e-4)
    one, other = np.eye(4)[:2], np.eye(4)[1:3]
    np.testing.assert_allclose(image_codes.principal_angles(one, other), [0, 90], atol=1e-4)


@pytest.mark.parametrize("kind", ["deep_autoencoder", "beta_vae"])
def test_the_prior_of_a_model(kind: str) -> None:
    x_ng = np.random.default_rng(0).random((300, 16)).astype(np.float32)
    codes = LatentSpace.of(Model.create(kind, 16, latent_dim=3).eval(), x_ng)
    drawn_nk = codes.from_prior(np.random.default_rng(1).standard_normal((4000, 3)))
    if kind == "beta_vae":
        np.testing.assert_allclose(np.cov(drawn_nk.T), np.eye(3), atol=0.1)
        assert codes.drawn(x_ng, seed=0).std() > codes.encode(x_ng).std()
    else:
        z_nk = codes.encode(x_ng)
        np.testing.assert_allclose(np.cov(drawn_nk.T), np.cov(z_nk.T), rtol=0.3, atol=1e-4)
        np.testing.assert_array_equal(codes.drawn(x_ng, seed=0), z_nk)


def test_the_importance_weighted_bound_is_tighter() -> None:
    x_ng = np.random.default_rng(0).random((20, 16)).astype(np.float32)
    model = Model.create("beta_vae", 16, latent_dim=3, likelihood="bernoulli").eval()
    bounds = image_codes.bounds(model, x_ng, draws=32)
    assert bounds["importance_weighted"] < bounds["negative_elbo"]
    assert bounds["negative_elbo"] == pytest.approx(bounds["reconstruction"] + bounds["kl"])


def test_vectors_between_groups_and_along_an_attribute() -> None:
    rng = np.random.default_rng(0)
    z_nk = rng.standard_normal((2000, 4))
    second_n = np.arange(2000) >= 1000
    z_nk[second_n] += [3, 0, -1, 0]
    expected = [3, 0, -1, 0]
    found = mean_difference(z_nk, ~second_n, second_n)
    np.testing.assert_allclose(found, expected, atol=0.15)
    found = linear_probe(z_nk, ~second_n, second_n)
    np.testing.assert_allclose(found, expected, atol=0.3)
    value_n = 2 * z_nk[:1000, 1] + 5  # in the first group features are independent
    found = concepts.attribute_vector(z_nk[:1000], value_n)
    np.testing.assert_allclose(found, [0, 1, 0, 0], atol=0.15)


def test_groups_of_labels_and_the_others() -> None:
    labels = np.array(["4", "9", "1", "4"], dtype=object)
    first, second = concepts.groups(labels, ("others", "4"))
    assert list(second) == [True, False, False, True]
    assert list(first) == [False, True, True, False]
    first, second = concepts.groups(labels, ("4", "9"))
    assert list(first) == [True, False, False, True]
    assert list(second) == [False, True, False, False]


def test_monotone_forgives_little() -> None:
    verdicts = np.array([[0, 0.5, 1], [0, 0.5, 0.495], [0.2, 0.5, 0.4], [0.9, 0.5, 0.1], [0, 0, 0]])
    assert list(concepts.monotone(verdicts)) == [True, True, False, False, False]


@pytest.mark.parametrize("width", [2, 3, 5])
@pytest.mark.parametrize("lean", [0.0, 0.3, -0.3])
def test_thickness_and_slant_of_a_bar(width: int, lean: float) -> None:
    image = bars(width, lean=lean)
    across, long = width / (1 + lean**2) ** 0.5, 25 * (1 + lean**2) ** 0.5
    area_per_outline = 2 * across * long / (2 * across + 2 * long)  # the outline has two ends
    assert concepts.thickness(image)[0] == pytest.approx(area_per_outline, rel=0.12)
    assert concepts.slant(image)[0] == pytest.approx(lean, abs=0.03)


def test_empty_images_have_no_thickness_and_no_slant() -> None:
    blank = np.zeros((1, 8, 8))
    assert concepts.thickness(blank)[0] == concepts.slant(blank)[0] == 0


def test_a_gallery_is_read_as_it_was_written(tmp_path) -> None:
    assert FigureData.load(tmp_path).table.empty
    figures = FigureData()
    figures.keep("rows/a model", np.array([[0, 0.5, 1, 2.0]]), shape=(1, 1, 2, 2))
    figures.measured("coverage", 0.25, model="001")
    figures.measured("verdict", [0.1, 0.9], item="4 to 9", x=[0, 1])
    figures.save(tmp_path)
    again = FigureData.load(tmp_path)
    assert again.of("rows")["a model"].ravel().tolist() == [0, 128, 255, 255]
    assert again.table.astype(str).equals(figures.table.astype(str))
    assert again.rows("verdict")["value"].tolist() == [0.1, 0.9]


def test_a_label_without_images_is_named(tiny_images) -> None:
    from tybalt_like import tl

    model = tl.fit(tiny_images, model="pca", device="cpu", latent_dim=2)
    with pytest.raises(DataError, match="up and sideways must both have images"):
        learned_images(
            tiny_images, {"pca": model}, main="pca", label="label", concepts=[("up", "sideways")]
        )
