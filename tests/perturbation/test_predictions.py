"""Nothing is learned from what is held out, and measures are what they say."""

from pathlib import Path

import numpy as np
import pytest
import torch
from quick import plan
from sklearn.metrics import average_precision_score, roc_auc_score

from tybalt_like import io
from tybalt_like.perturbation import PairedJob, Plan, baselines, read, rules
from tybalt_like.perturbation.agreement import agreement, intervals
from tybalt_like.perturbation.design import Simulation
from tybalt_like.perturbation.simulation import TRUTH, simulate
from tybalt_like.perturbation.training import train_pairs


@pytest.mark.slow
def test_nothing_of_the_test_groups_is_learned(tmp_path: Path) -> None:
    """Changing held-out profiles and responses changes neither normaliser nor model."""
    adata = simulate(Simulation(groups=30, n_genes=6, latent_dim=2))
    held_n = adata.obs["cell_line"].isin([f"line_{i:04d}" for i in range(1, 11)]).to_numpy()
    adata.obs["part"] = np.where(held_n, "a", "b")
    made = []
    for name in ("one", "other"):
        io.write_h5ad(adata, tmp_path / f"{name}.h5ad")
        tables = {"simulation": None, "data": {"path": str(tmp_path / f"{name}.h5ad")}}
        of = plan(**tables, perturbation={"fold": "part"})
        made.append(train_pairs(of, PairedJob("treatment", 0, 0), read(of), device="cpu"))
        adata.X[held_n] += 5
        adata.obs.loc[held_n, "response"] = 1 - adata.obs.loc[held_n, "response"]
    assert set(made[0].found.arrays["group"]) == set(adata.obs["cell_line"][held_n])
    one, other = (of_one.model.state_dict() for of_one in made)
    for name, value in one.items():
        torch.testing.assert_close(value, other[name], rtol=0, atol=0)
    assert (made[0].found.arrays["scores"] != made[1].found.arrays["scores"]).any()


def test_agreement_is_scikit_learns_within_folds() -> None:
    rng = np.random.default_rng(0)
    y, score = rng.integers(0, 2, 60).astype(float), rng.integers(0, 9, 60).astype(float)
    fold = np.repeat([0, 1, 2], 20)
    found = agreement(y, score, np.zeros(60, dtype=int))
    assert found["auroc"] == pytest.approx(roc_auc_score(y, score))
    assert found["auprc"] == pytest.approx(average_precision_score(y, score))
    # Folds on scales of their own do not matter.
    assert agreement(y, score, fold) == pytest.approx(agreement(y, score + 100 * fold, fold))
    y[fold == 1] = 1
    both = fold != 1
    assert agreement(y, score, fold)["auroc"] == pytest.approx(
        agreement(y[both], score[both], fold[both])["auroc"]
    )
    assert np.isnan(agreement(np.ones(60), score, fold)["auroc"])
    numbers = agreement(score + y, score, np.zeros(60, dtype=int))
    assert numbers["correlation"] == pytest.approx(np.corrcoef(score + y, score)[0, 1])


def test_intervals_cover() -> None:
    """Of repeated experiments, nearly all intervals hold the true area."""
    rng, hits = np.random.default_rng(0), 0
    for i in range(30):
        y = np.repeat([0.0, 1.0], 40)
        score = y + rng.normal(size=80)
        groups = np.arange(80).astype(str)
        fold = np.tile([0, 1], 40)
        low, high = intervals(y, score, fold_n=fold, group_n=groups, seed=i)["auroc"]
        hits += low <= 0.7602 <= high  # Phi(1 / sqrt 2)
    assert hits >= 26


def test_simulated_truth_is_the_mean_change() -> None:
    settings = Simulation(groups=4000, n_genes=5, latent_dim=2, noise=1.0, single=0.1)
    adata = simulate(settings)
    treated = adata[adata.obs["treatment"] == "treated"]
    control = adata[adata.obs["treatment"] == "control"]
    assert len(treated) == 3600
    before = control[[f"{line}_before" for line in treated.obs["cell_line"]]]
    found = (treated.X - before.X).mean(0)
    truth = (treated.layers[TRUTH] - before.layers[TRUTH]).mean(0)
    np.testing.assert_allclose(found, truth, atol=0.1)
    assert (simulate(settings).X == adata.X).all()


def test_numbers_are_predicted_too() -> None:
    of = plan(model={"response": "continuous"}, simulation={"unknown": 0.0})
    samples = read(of)
    table = samples.units["treatment"].table
    table["response"] = 50 + 10 * table["response"] + np.arange(len(table)) / 100
    arrays = train_pairs(of, PairedJob("treatment", 0, 0), samples, device="cpu").found.arrays
    assert {"dr_vae", "ridge on x1", "SVM on latents"} <= set(arrays["methods"])
    assert 40 < arrays["scores"][:, 0].mean() < 70
    found = agreement(arrays["y"], arrays["scores"][:, 0], np.zeros(len(arrays["y"]), dtype=int))
    assert set(found) == {"correlation", "rank_correlation"}


@pytest.mark.slow
def test_recovers_the_perturbation_and_beats_logistic_regression() -> None:
    """One sample in ten has a known response, nine pairs in ten have none."""
    of = Plan.from_tables(
        {
            "simulation": {"groups": 400, "n_genes": 300, "latent_dim": 6, "effect": 3.0,
                           "noise": 1.5},
            "perturbation": {"group": "cell_line", "response": "response", "labelled": 0.1,
                             "validation": 0.1},
            "model": {"name": "dr_vae", "latent_dim": 20, "top_dim": 20, "encoder_dims": [],
                      "decoder_dims": [50], "rate": 3.0, "noise": 0.3,
                      "perturbation_weight": 0.5},
            "training": {"batch_size": 50, "min_batches": 4, "learning_rate": 1e-3},
        }
    )  # fmt: skip
    samples = read(of)
    outcomes = [
        train_pairs(of, PairedJob("treatment", f, 0), samples, device="cpu").found for f in (0, 1)
    ]
    area = {"dr_vae": [], "logistic on x1": []}
    for outcome in outcomes:
        of_samples = outcome.about["of_samples"]
        true = {name: found["true_correlation"] for name, found in of_samples.items()}
        assert true["dr_vae"] > 0.6
        assert true["dr_vae"] > max(true[name] for name in rules.RULES if name in true)
        arrays = outcome.arrays
        for name, values in area.items():
            score_n = arrays["scores"][:, list(arrays["methods"]).index(name)]
            values.append(roc_auc_score(arrays["y"], score_n))
    assert np.mean(area["dr_vae"]) > np.mean(area["logistic on x1"])


def test_simple_rules_do_not_choose_penalties_by_samples_of_the_same_group() -> None:
    """Responses to a drug that are of the donor alone: of new donors nothing can be said."""
    rng = np.random.default_rng(0)
    donor_n = np.repeat(np.arange(40), 6)
    x1_ng = rng.normal(size=(40, 30))[donor_n] + 0.1 * rng.normal(size=(240, 30))
    x2_ng = rng.normal(size=(40, 30))[donor_n] + 0.1 * rng.normal(size=(240, 30))
    learned_n, none = donor_n < 30, np.zeros((240, 0))
    x1_mg, x2_mg, c_mc = x1_ng[learned_n], x2_ng[learned_n], none[learned_n]
    error = {}
    for name, group_n in (("donors", donor_n), ("samples", np.arange(240))):
        predicted = rules.profiles(
            x1_mg,
            x2_mg,
            x1_ng[~learned_n],
            c_mc=c_mc,
            c_nc=none[~learned_n],
            group_m=group_n[learned_n].astype(str),
        )
        error[name] = ((predicted[rules.RIDGE].after_ng - x2_ng[~learned_n]) ** 2).mean()
    assert error["donors"] < 0.8 * error["samples"]
    y_n = rng.integers(0, 2, 40)[donor_n].astype(float)
    inputs = {"x": (x1_mg, x1_ng[~learned_n])}
    spread = {}
    for name, group_n in (("donors", donor_n), ("samples", np.arange(240))):
        found = baselines.responses(
            inputs, y_n[learned_n], group_n[learned_n].astype(str), is_binary=True, seed=0
        )
        spread[name] = found["logistic on x"].std()
    assert spread["donors"] < 0.5 * spread["samples"]
