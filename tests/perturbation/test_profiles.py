"""Measures of treated profiles, the rules beside them, and intervals."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from anndata import AnnData
from scipy.stats import kstest, ttest_ind
from sklearn.linear_model import LinearRegression

from tybalt_like import tl
from tybalt_like.core import keys
from tybalt_like.evaluation.conformal import MIN_GROUPS, half_widths
from tybalt_like.models import Training
from tybalt_like.models.networks.linear_pairs import Choice, LinearPairs, Pairs
from tybalt_like.models.pert_vae import PertVAE
from tybalt_like.perturbation import rules
from tybalt_like.perturbation.profiles import (
    MEASURES,
    HeldOut,
    measured,
    shared_control_correlation,
)
from tybalt_like.perturbation.replicates import Variance, moderated, p_values, within
from tybalt_like.training.inference import applied


def held_out(rng: np.random.Generator, n: int = 40, g: int = 60) -> tuple[HeldOut, np.ndarray]:
    """Conditions with effects of their own on 15 genes, and the changes that are predicted with
    knowledge of half of these."""
    constant_g, mean_change_g = rng.normal(size=(2, g))
    own_ng = np.where(np.arange(g) < 15, rng.normal(size=(n, g)), 0)
    before_ng = rng.normal(size=(n, g))
    change_ng = mean_change_g + 2 * own_ng
    held = HeldOut(
        group_c=np.repeat([f"line {i:02}" for i in range(n // 2)], 2),
        kind_c=np.tile(["low", "high"], n // 2),
        x2_cg=before_ng + change_ng,
        change_cg=change_ng,
        changed_cg=np.tile(np.arange(g) < 15, (n, 1)),
        constant_g=constant_g,
        mean_change_g=mean_change_g,
        other_og=rng.normal(size=(10, g)),
        kind_o=np.array(["low"] * 10),
    )
    return held, mean_change_g + own_ng


def test_measures_of_treated_profiles() -> None:
    rng = np.random.default_rng(0)
    held, guess_cg = held_out(rng)
    before_cg = held.x2_cg - held.change_cg

    def found(predicted_cg: np.ndarray) -> dict[str, float]:
        value_gm = measured(held, predicted_cg, predicted_cg - before_cg)
        assert value_gm.shape == (20, len(MEASURES))
        return dict(zip(MEASURES, value_gm.mean(0), strict=True))

    right = found(held.x2_cg)
    for name in ("treated_correlation", "explained", "retrieval", "change_correlation"):
        assert right[name] == pytest.approx(1)
    assert right["sign_accuracy"] == 1
    constant = found(np.tile(held.constant_g, (40, 1)))
    assert constant["treated_correlation"] == constant["explained"] == 0
    assert constant["retrieval"] == 0.5
    mean = found(before_cg + held.mean_change_g)
    assert mean["change_correlation"] == 0
    none = found(before_cg)
    assert none["sign_accuracy"] == 0.5
    assert none["change_auprc"] == pytest.approx(15 / 60)
    half = found(before_cg + guess_cg)
    assert half["change_correlation"] == pytest.approx(1)
    assert mean["explained"] < half["explained"] < 1
    # The means of both conditions of a value are what numpy says.
    truth_cg, seen_cg = held.x2_cg - held.constant_g, before_cg + guess_cg - held.constant_g
    by_hand = [np.corrcoef(truth_cg[i], seen_cg[i])[0, 1] for i in range(2)]
    assert measured(held, before_cg + guess_cg, guess_cg)[0, 0] == pytest.approx(np.mean(by_hand))
    alone = replace(held, change_cg=np.full_like(held.change_cg, np.nan),
                    changed_cg=np.zeros_like(held.changed_cg))  # fmt: skip
    assert np.isnan(measured(alone, before_cg + guess_cg, guess_cg)[:, 3:]).all()
    assert not np.isnan(measured(alone, before_cg + guess_cg, guess_cg)[:, :3]).any()


def test_a_shared_control_flatters_nonsense() -> None:
    """Nothing can be predicted; the old measure says .7, the new ones nothing."""
    rng = np.random.default_rng(0)
    x1, x2, other = rng.normal(size=(3, 400, 50))
    constant = np.zeros((400, 50))
    assert shared_control_correlation(x1, x2, constant) == pytest.approx(0.5**0.5, abs=0.02)
    held = HeldOut(
        np.arange(400).astype(str), np.full(400, ""), x2, x2 - other,
        np.zeros((400, 50), dtype=bool), np.zeros(50), np.zeros(50), np.zeros((0, 50)),
        np.zeros(0, dtype=str),
    )  # fmt: skip
    found = dict(zip(MEASURES, measured(held, constant, constant - x1).mean(0), strict=True))
    assert found["treated_correlation"] == 0
    assert abs(found["change_correlation"]) < 0.02


def test_moderated_t_tests() -> None:
    """Without a prior they are Student's; with one, p-values of null genes are uniform."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 5, 30))
    cells = within(np.concatenate([a, b]), np.repeat([0, 1], 5))
    assert cells.df == 8
    p_g = p_values((a.mean(0) - b.mean(0))[None], cells, np.array([2 / 5]))[0]
    np.testing.assert_allclose(p_g, ttest_ind(a, b).pvalue)
    g, prior_df, prior = 20_000, 6.0, 0.5
    true_g = prior * prior_df / rng.chisquare(prior_df, g)
    x_ng = rng.normal(size=(4, g)) * np.sqrt(true_g)
    shrunk = moderated(within(x_ng, np.array([0, 0, 1, 1])))
    assert shrunk.df == pytest.approx(2 + prior_df, rel=0.1)
    p_g = p_values((x_ng[:2].mean(0) - x_ng[2:].mean(0))[None], shrunk, np.array([1.0]))[0]
    assert kstest(p_g, "uniform").statistic < 0.015
    same = moderated(Variance(rng.chisquare(10, 5000) / 10, 10.0))
    assert same.df > 200


def test_intervals_cover_samples_of_new_groups() -> None:
    """Also where groups differ in size and share most of their error."""
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(200):
        size = rng.integers(1, 12, 13)
        group = np.repeat(np.arange(13), size)
        error = np.abs(rng.normal(size=(13, 8))[group] + 0.5 * rng.normal(size=(len(group), 8)))
        width = half_widths(error[group < 12], group[group < 12].astype(str))
        inside.append((error[group == 12] <= width).mean())
    assert 0.88 < np.mean(inside) < 0.96
    few = half_widths(error[group < MIN_GROUPS - 1], group[group < MIN_GROUPS - 1].astype(str))
    assert np.isinf(few).all()


def test_simple_rules_find_what_they_are_made_for() -> None:
    rng = np.random.default_rng(0)
    group, dose = np.repeat(np.arange(60), 2), np.tile([0, 1], 60)
    c = np.eye(2)[dose]
    kind = rng.integers(0, 3, 60)[group]
    x1 = 4 * rng.normal(size=(3, 30))[kind] + rng.normal(size=(120, 30))
    of_dose, of_kind = 3 * rng.normal(size=(2, 30))[dose], 3 * rng.normal(size=(3, 30))[kind]
    worlds = {
        rules.CONSTANT: np.tile(rng.normal(size=30), (120, 1)),
        rules.BY_CONDITION: of_dose,
        rules.NO_CHANGE: x1,
        rules.MEAN_CHANGE: x1 + rng.normal(size=30),
        rules.MEAN_BY_CONDITION: x1 + of_dose,
        rules.RIDGE: x1 @ rng.normal(size=(30, 30)) / 5,
        rules.NEIGHBOURS: of_dose + of_kind,
        rules.FACTORS: of_dose + of_kind,
    }
    train = group < 40
    for name, mean in worlds.items():
        x2 = mean + 0.3 * rng.normal(size=(120, 30))
        found = rules.profiles(
            x1[train], x2[train], x1[~train], c_mc=c[train], c_nc=c[~train],
            group_m=group[train].astype(str),
        )  # fmt: skip
        assert set(found) == set(rules.RULES)
        error = {rule: ((p.after_ng - mean[~train]) ** 2).mean() for rule, p in found.items()}
        assert error[name] < 0.1, (name, error)
        assert name == rules.CONSTANT or error[name] < 0.1 * error[rules.CONSTANT]


def paired(rng: np.random.Generator, n: int = 200, g: int = 12) -> AnnData:
    """Pairs of 40 units, and an effect that only unit and untreated profile decide."""
    unit = np.repeat(np.arange(n // 5), 5)
    x1 = rng.normal(size=(n // 5, g))[unit] + 0.5 * rng.normal(size=(n, g))
    x2 = 1 + x1 @ (np.eye(g) + 0.3 * rng.normal(size=(g, g))) + 0.3 * rng.normal(size=(n, g))
    split = np.where(unit < 32, keys.TRAIN, keys.VALIDATION)
    obs = pd.DataFrame({keys.SPLIT: split, keys.UNIT: unit.astype(str)}).rename(index=str)
    return AnnData(x1.astype(np.float32), obs=obs, layers={keys.AFTER: x2.astype(np.float32)})


QUICK = {"latent_dim": 2, "encoder_dims": (), "decoder_dims": ()}
FEW = Training(epochs=3, min_epochs=0, min_batches=1)


def after(model: PertVAE, x_ng: np.ndarray) -> np.ndarray:
    return applied(model, lambda m, b: m.predict(b), x_ng)["after_ng"]


def test_the_linear_part_is_a_ridge_regression() -> None:
    """With all components, no shrinkage to speak of, and nothing carried, it is least squares."""
    adata = paired(np.random.default_rng(0))
    x1, x2 = adata.X.astype(float), adata.layers[keys.AFTER].astype(float)
    none = torch.zeros(len(x1), 0)
    pairs = Pairs(torch.from_numpy(x1), torch.from_numpy(x2), none.double(), torch.arange(len(x1)))
    part = LinearPairs(12, 0).double()
    part.solve(pairs, Choice(rank=20, out=0, penalty=1e-9, carry=False))
    expected = LinearRegression().fit(x1, x2).predict(x1)
    np.testing.assert_allclose(part(pairs.x1_ng, pairs.c_nc)[1], expected, atol=1e-4)


def test_a_network_that_knows_nothing_is_shut_out() -> None:
    adata = paired(np.random.default_rng(0))
    model = tl.fit(adata, model="pert_vae", training=FEW, device="cpu", **QUICK)
    x1, x2 = adata.X, adata.layers[keys.AFTER]
    assert model.gate < 0.3
    assert ((after(model, x1) - x2) ** 2).mean() < 0.3 * x2.var()
    assert np.isinf(model.half_width_g.numpy()).all()  # 8 units are too few for 90 %
    bare = tl.fit(adata, model="pert_vae", training=FEW, device="cpu", linear_part=False, **QUICK)
    assert bare.gate == 1
    assert ((after(bare, x1) - x2) ** 2).mean() > 0.6 * x2.var()
    adata.obs[keys.UNIT] = "the same"
    same = tl.fit(adata, model="pert_vae", training=FEW, device="cpu", **QUICK)
    assert same.gate == 0
