import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.covariance import LedoitWolf
from sklearn.metrics import average_precision_score, roc_auc_score

from tybalt_like.anomaly import (
    Detector,
    Evidence,
    detection_metrics,
    gene_scores,
    standardised_norm,
)


def evidence(n: int, *, seed: int, g: int = 40, k: int = 3) -> Evidence:
    rng = np.random.default_rng(seed)
    x_ng = rng.normal(size=(n, g))
    return Evidence(x_ng, 0.5 * x_ng, x_ng[:, :k] @ rng.normal(size=(k, k)))


@pytest.fixture
def detector() -> Detector:
    return Detector.fit(evidence(60, seed=0), evidence(30, seed=1))


def test_scores_are_their_definitions(detector) -> None:
    train, calibration, new = (evidence(n, seed=s) for n, s in ((60, 0), (30, 1), (12, 2)))
    table = detector.score(new)
    shape = LedoitWolf().fit(train.z_nk)
    np.testing.assert_allclose(table["reconstruction"], (new.x_ng**2).mean(1) / 4)
    np.testing.assert_allclose(table["mahalanobis"] ** 2, shape.mahalanobis(new.z_nk))
    nearest = np.sort(cdist(new.z_nk, train.z_nk))[:, :5].mean(1)
    np.testing.assert_allclose(table["knn"], nearest)
    held_out = detector.score(calibration)
    parts = ["reconstruction", "mahalanobis"]
    z = (table[parts] - held_out[parts].mean()) / held_out[parts].std(ddof=0)
    np.testing.assert_allclose(table["combined"], z.mean(axis=1))


def test_a_sample_scores_the_same_alone_and_survives_saving(detector, tmp_path) -> None:
    detector.save(tmp_path / "d.safetensors")
    again = Detector.load(tmp_path / "d.safetensors")
    new = evidence(12, seed=2)
    alone = again.score(new[np.arange(12) == 5])
    np.testing.assert_allclose(alone.iloc[0], detector.score(new).iloc[5], rtol=1e-12)


def test_constant_genes_and_latents_give_finite_scores() -> None:
    flat = Evidence(np.zeros((20, 4)), np.zeros((20, 4)), np.zeros((20, 2)))
    detector = Detector.fit(flat, flat)
    table = detector.score(flat)
    assert np.isfinite(table.to_numpy()).all()
    assert (table["p_value"] == 1).all()
    genes = gene_scores(detector, flat, names=list("a" * 20), genes=list("wxyz"))
    assert np.isfinite(genes["z"]).all()
    assert standardised_norm(flat.x_ng, flat.x_ng).tolist() == [0] * 20


def test_planted_genes_are_found_with_their_direction(detector) -> None:
    new = evidence(1, seed=3)
    new.x_ng[0, [7, 30]] += [+12, -12]
    genes = gene_scores(detector, new, names=["s"], genes=[f"g{i}" for i in range(40)], n_top=2)
    assert dict(zip(genes["gene"], genes["direction"], strict=True)) == {"g7": "up", "g30": "down"}


def test_metrics_equal_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    label = np.repeat(["ok", "odd", "bad", "other"], 25)
    normal = (label == "ok") & (np.arange(100) % 2 == 0)
    score = rng.normal(size=100) + (label == "odd") + 2 * (label == "bad")
    table = detection_metrics(
        {"mine": score}, label_n=list(label), normal_n=normal, anomalies=["odd", "bad"]
    ).set_index("anomaly")
    for name, strange in (("odd", label == "odd"), ("all", np.isin(label, ["odd", "bad"]))):
        used = normal | strange
        assert table.loc[name, "auroc"] == roc_auc_score(strange[used], score[used])
        assert table.loc[name, "auprc"] == average_precision_score(strange[used], score[used])
        assert table.loc[name, "prevalence"] == strange.sum() / used.sum()
