import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import cdist
from scipy.stats import median_abs_deviation, multivariate_normal
from sklearn.covariance import LedoitWolf

from tybalt_like.anomaly import (
    VIEWS,
    Detector,
    FittedViews,
    HeldOut,
    ModelOutputs,
    gene_scores,
    standardised_norm,
)
from tybalt_like.core.errors import DataError


def evidence(n: int, *, seed: int, g: int = 40, k: int = 3) -> ModelOutputs:
    rng = np.random.default_rng(seed)
    x_ng = rng.normal(size=(n, g))
    return ModelOutputs(
        x_ng, 0.5 * x_ng, x_ng[:, :k] @ rng.normal(size=(k, k)), {"own": x_ng[:, 0]}
    )


def scored(detector: Detector, outputs: ModelOutputs, **how) -> pd.DataFrame:
    """Scores as columns, with the p-values of the combined one."""
    names = [f"s{i}" for i in range(len(outputs.x_ng))]
    long = detector.score(outputs, names=names, model="m", **how)
    wide = long.pivot_table(index="sample", columns="score", values="value").loc[names]
    p_n = long[long["score"] == "combined"]["p_value"].to_numpy()
    return wide.assign(p_value=p_n).reset_index(drop=True)


@pytest.fixture
def detector() -> Detector:
    return Detector.fit(evidence(60, seed=0), evidence(30, seed=1))


def test_scores_are_their_definitions(detector) -> None:
    train, new = evidence(60, seed=0), evidence(12, seed=2)
    table = scored(detector, new)
    np.testing.assert_allclose(table["reconstruction"], (new.x_ng**2).mean(1) / 4)
    usual_g = np.sqrt((train.residual_ng**2).sum(0) / (60 - 1 - 3))  # the mean and three axes
    expected = np.sqrt(((new.residual_ng / usual_g) ** 2).mean(1))
    np.testing.assert_allclose(table["gene_residual"], expected)
    shape = LedoitWolf().fit(train.z_nk)
    np.testing.assert_allclose(table["mahalanobis"] ** 2, shape.mahalanobis(new.z_nk))
    nearest = np.sort(cdist(new.z_nk, train.z_nk))[:, :5].mean(1)
    np.testing.assert_allclose(table["knn"], nearest)
    mean_g, sd_g = train.x_ng.mean(0), train.x_ng.std(0)
    known, fresh = ((part.x_ng - mean_g) / sd_g for part in (train, new))
    np.testing.assert_allclose(
        table["nearest"], cdist(fresh, known).min(1) / np.sqrt(40), rtol=1e-6
    )
    inverse = np.linalg.inv(LedoitWolf(assume_centered=True).fit(known).covariance_)
    inverse *= 40 / np.trace(inverse)  # only its shape counts
    whitened = cdist(fresh, known, "mahalanobis", VI=inverse).min(1) / np.sqrt(40)
    np.testing.assert_allclose(table["whitened"], whitened, rtol=1e-6)
    apart = cdist(known, known) + np.diag(np.full(60, np.inf))
    spacing = np.sort(apart)[:, :5].mean(1)
    around = cdist(fresh, known)
    usual = spacing[np.argsort(around)[:, :20]].mean(1)
    np.testing.assert_allclose(table["relative"], np.sort(around)[:, :5].mean(1) / usual, rtol=1e-6)
    np.testing.assert_allclose(table["own"], new.own["own"])
    top_n = np.abs(fresh).max(1)  # a hundredth of 40 genes is one
    np.testing.assert_allclose(table["top_genes"], top_n)
    np.testing.assert_allclose(table["top_residuals"], np.abs(new.residual_ng / usual_g).max(1))
    axes = np.linalg.svd(train.z_nk - train.z_nk.mean(0))[2][:5].T  # three there are
    sixth = np.sort(cdist(new.z_nk @ axes, train.z_nk @ axes))[:, 5]  # a tenth of 60
    np.testing.assert_allclose(table["kth_neighbour"], sixth)


def test_the_combined_score_is_a_soft_maximum_of_robustly_standardised_views(detector) -> None:
    calibration, new = evidence(30, seed=1), evidence(12, seed=2)
    views, table = list(VIEWS), scored(detector, new)
    held_out = scored(detector, calibration)[views]
    z = (table[views] - held_out.median()) / (1.4826 * median_abs_deviation(held_out))
    expected = np.log(np.average(np.exp(z), axis=1, weights=[1, 1, 1, 0.5, 0.5]))
    np.testing.assert_allclose(table["combined"], expected)
    # For its p-value a sample is standardised together with the calibration samples.
    for row in range(3):
        together = pd.concat([table[views].iloc[[row]], held_out])
        z = (together - together.median()) / (1.4826 * median_abs_deviation(together))
        score = np.log(np.average(np.exp(z), axis=1, weights=[1, 1, 1, 0.5, 0.5]))
        plain = (score[1:] >= score[0]).sum() + 1
        if plain > 9:  # beyond the eighth of 30 an exponential tail decides
            assert table["p_value"][row] == pytest.approx(plain / 31)


def test_images_are_blurred_and_keep_one_scale_for_all_pixels() -> None:
    train, calibration, new = (
        replace(evidence(n, seed=s), image_shape=(1, 5, 8)) for n, s in ((60, 0), (30, 1), (12, 2))
    )
    found = scored(Detector.fit(train, calibration), new)
    known, fresh = (
        gaussian_filter(part.x_ng.reshape(-1, 5, 8), (0, 1, 1)).reshape(-1, 40)
        for part in (train, new)
    )
    scale = np.sqrt(known.var(0).mean())
    expected = cdist(fresh, known).min(1) / scale / np.sqrt(40)
    np.testing.assert_allclose(found["nearest"], expected, rtol=1e-6)


def test_p_values_belong_to_the_views_that_are_chosen(tmp_path) -> None:
    train, calibration, new = (evidence(n, seed=s) for n, s in ((60, 0), (30, 1), (12, 2)))
    views = FittedViews.fit(train)
    held_out = HeldOut.of(views, calibration)
    by_rank = Detector.calibrated(views, held_out, combined=["own"], rule="conformal")
    by_rank.save(tmp_path / "d.safetensors")
    table = scored(Detector.load(tmp_path / "d.safetensors"), new)
    at_least = (calibration.own["own"] >= new.own["own"][:, None]).sum(1)
    np.testing.assert_allclose(table["p_value"], (1 + at_least) / 31)
    with pytest.raises(DataError, match="no score 'foreign' to combine; scores: "):
        Detector.fit(train, calibration, views=["foreign"])


def test_density_is_that_of_the_mixture_it_was_drawn_from() -> None:
    rng = np.random.default_rng(0)

    def two_clouds(n: int) -> ModelOutputs:
        z_nk = rng.normal(size=(n, 2)) + np.where(rng.random((n, 1)) < 0.5, -8, 8)
        return ModelOutputs(z_nk, z_nk, z_nk)

    train, new = two_clouds(600), two_clouds(100)
    table = scored(Detector.fit(train, two_clouds(50)), new)
    density = np.logaddexp(*(multivariate_normal([c, c]).logpdf(new.z_nk) for c in (-8.0, 8.0)))
    assert np.corrcoef(-density, table["density"])[0, 1] > 0.99
    between = ModelOutputs(*[np.zeros((1, 2))] * 3)
    found = scored(Detector.fit(train, two_clouds(50)), between)
    # The middle of two clouds is their mean: a distance from it sees nothing there.
    assert found["density"][0] > table["density"].max()
    assert found["mahalanobis"][0] < table["mahalanobis"].min()


def test_a_sample_scores_the_same_alone_and_survives_saving(detector, tmp_path) -> None:
    detector.save(tmp_path / "d.safetensors")
    again = Detector.load(tmp_path / "d.safetensors")
    new = evidence(12, seed=2)
    alone = scored(again, new[np.arange(12) == 5])
    np.testing.assert_allclose(alone.iloc[0], scored(detector, new).iloc[5], rtol=1e-12)


def test_constant_genes_and_latents_give_finite_scores() -> None:
    flat = ModelOutputs(np.zeros((20, 4)), np.zeros((20, 4)), np.zeros((20, 2)))
    detector = Detector.fit(flat, flat)
    table = scored(detector, flat)
    assert np.isfinite(table.to_numpy()).all()
    assert (table["p_value"] == 1).all()
    genes = gene_scores(detector.usual, flat, names=list("a" * 20), genes=list("wxyz"))
    assert np.isfinite(genes["z"]).all()
    assert standardised_norm(flat.x_ng, flat.x_ng).tolist() == [0] * 20


@pytest.mark.parametrize("n", [1, 2, 5, 30])
def test_few_or_duplicated_training_samples_give_usable_scores(n) -> None:
    one = evidence(1, seed=0)
    train = one[np.zeros(max(n, 2), dtype=int)]
    detector = Detector.fit(train, evidence(6, seed=1)[np.zeros(6, dtype=int)])
    table = scored(detector, evidence(n, seed=2))
    assert np.isfinite(table.to_numpy()).all()
    assert table[list(VIEWS)].abs().to_numpy().max() < 1e5


def test_groups_are_calibrated_apart() -> None:
    train, calibration, new = (evidence(n, seed=s) for n, s in ((60, 0), (40, 1), (10, 2)))
    calibration.x_ng[20:] *= 3  # a batch that varies more
    groups, views = ["a"] * 20 + ["b"] * 20, FittedViews.fit(train)
    held_out = HeldOut.of(views, calibration)
    detector = Detector.calibrated(
        views,
        held_out,
        combined=["reconstruction"],
        conditional_on="batch",
        stratum_c=groups,
        rule="conformal",
    )
    known = held_out.measures["reconstruction"].to_numpy()
    for name, rows in (("a", slice(20)), ("b", slice(20, None))):
        table = scored(detector, new, groups=[name] * 10)
        at_least = (known[rows] >= table["reconstruction"].to_numpy()[:, None]).sum(1)
        np.testing.assert_allclose(table["p_value"], (1 + at_least) / 21)
    assert scored(detector, new, groups=["c"] * 10)["p_value"].isna().all()
    assert detector.calibration.smallest == 1 / 21
    with pytest.raises(DataError, match="calibrated by 'batch'"):
        scored(detector, new)


def test_planted_genes_are_found_with_their_direction(detector) -> None:
    new = evidence(1, seed=3)
    new.x_ng[0, [7, 30]] += [+12, -12]
    genes = gene_scores(
        detector.usual, new, names=["s"], genes=[f"g{i}" for i in range(40)], n_top=2
    )
    assert dict(zip(genes["gene"], genes["direction"], strict=True)) == {"g7": "up", "g30": "down"}


def test_a_view_that_is_not_known_here_is_named(detector, tmp_path) -> None:
    path = tmp_path / "d.safetensors"
    detector.save(path)
    with safe_open(path, framework="np") as file:
        about, names = json.loads(file.metadata()["about"]), file.keys()
        arrays = {name: file.get_tensor(name) for name in names}
    for views, message in (
        ({"foreign": 1}, "it holds the view 'foreign', which is not known here"),
        ({"knn": 99}, "it holds version 99 of the view 'knn', this is version 1"),
    ):
        changed = about | {"views": about["views"] | views}
        save_file(arrays, path, {"about": json.dumps(changed)})
        with pytest.raises(DataError, match=message):
            Detector.load(path)
