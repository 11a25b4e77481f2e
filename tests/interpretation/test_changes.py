"""Differences of groups: intervals and verdicts beside scipy, least squares and simulated truth."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tybalt_like.interpretation.arithmetic import (
    MEANS,
    agreement,
    ceiling,
    compared,
    gene_table,
)
from tybalt_like.interpretation.changes import Comparison, fixed, projected


def comparison(first_n, second_n, unit_n=None, level_n=None) -> Comparison:
    unit_n = np.arange(len(first_n)) if unit_n is None else unit_n
    return Comparison.of(first_n, second_n, unit_n=unit_n, level_n=level_n)


def test_intervals_of_separate_samples_are_welchs_and_of_pairs_those_of_pairs() -> None:
    rng = np.random.default_rng(0)
    x_ng = rng.normal(size=(27, 40)) * np.r_[np.full(7, 3.0), np.ones(20)][:, None]
    first_n = np.arange(27) < 7
    error_g, free_g = comparison(first_n, ~first_n).change(x_ng).uncertainty()
    welch = stats.ttest_ind(x_ng[:7], x_ng[7:], equal_var=False)
    np.testing.assert_allclose(free_g, welch.df, rtol=1e-9)
    np.testing.assert_allclose(
        (x_ng[:7].mean(0) - x_ng[7:].mean(0)) / error_g, welch.statistic, rtol=1e-9
    )
    pair_n = np.tile(np.arange(9), 2)
    x_ng = rng.normal(size=(18, 40)) + 5 * rng.normal(size=(9, 40))[pair_n]
    first_n = np.arange(18) < 9
    change = comparison(first_n, ~first_n, unit_n=pair_n).change(x_ng)
    error_g, free_g = change.uncertainty()
    paired = stats.ttest_rel(x_ng[:9], x_ng[9:])
    np.testing.assert_allclose(change.value_g / error_g, paired.statistic, rtol=1e-9)
    np.testing.assert_allclose(free_g, paired.df)


def test_levels_weigh_as_in_a_linear_model() -> None:
    rng = np.random.default_rng(1)
    level_n = rng.choice(list("abc"), 120).astype(object)
    first_n = rng.random(120) < np.where(level_n == "a", 0.8, 0.3)
    x_ng = rng.normal(size=(120, 5)) + 10 * (level_n == "a")[:, None] + 2 * first_n[:, None]
    design = np.column_stack([first_n, *(level_n == level for level in "abc")]).astype(float)
    expected_g = np.linalg.lstsq(design, x_ng, rcond=None)[0][0]
    found = comparison(first_n, ~first_n, level_n=level_n)
    np.testing.assert_allclose(found.value(x_ng), expected_g)
    back = comparison(~first_n, first_n, level_n=level_n)
    np.testing.assert_allclose(back.value(x_ng), -expected_g)


def test_standard_errors_of_agreement_are_those_of_the_jackknife() -> None:
    rng = np.random.default_rng(2)
    effect_g = rng.normal(size=60)
    first_n = np.arange(80) < 30
    x_ng = rng.normal(size=(80, 60)) + first_n[:, None] * effect_g
    said_g = effect_g + 0.5 * rng.normal(size=60)

    def measures(kept: np.ndarray) -> dict[str, float]:
        measured = comparison(first_n[kept], ~first_n[kept]).change(x_ng[kept])
        return {k: e.value for k, e in agreement(fixed(said_g, measured), measured).items()}

    measured = comparison(first_n, ~first_n).change(x_ng)
    found = agreement(fixed(said_g, measured), measured)
    left_out = pd.DataFrame([measures(np.arange(80) != i) for i in range(80)])
    assert found["correlation"].value == pytest.approx(
        np.corrcoef(said_g, measured.value_g)[0, 1], abs=1e-12
    )
    for name, estimate in found.items():
        jackknife = np.sqrt(left_out[name].var(ddof=0) * 79)
        assert estimate.standard_error == pytest.approx(jackknife, rel=0.1), name


def test_nothing_is_said_to_differ_where_all_is_sampling() -> None:
    """Training and held-out samples with the same true difference, in small groups of unequal
    size and variance, some of them in pairs."""
    rng = np.random.default_rng(3)
    covered, marked = [], 0
    for repeat in range(200):
        n, g = 14, 30
        unit_n = np.r_[np.arange(9), np.arange(5)] if repeat % 2 else np.arange(n)
        first_n = np.arange(n) >= 9
        truth_g = rng.normal(size=g)
        sd_n1 = np.where(first_n, 2.0, 1.0)[:, None]

        def drawn(unit_n=unit_n, first_n=first_n, truth_g=truth_g, sd_n1=sd_n1):
            own_ng = rng.normal(size=(14, 30))[unit_n]  # what a unit's samples share
            x_ng = own_ng + sd_n1 * rng.normal(size=(14, 30)) + first_n[:, None] * truth_g
            return comparison(first_n, ~first_n, unit_n=unit_n).change(x_ng)

        table = gene_table(truth_g, drawn(), drawn(), genes=pd.Index(range(g)))
        covered.append(
            table["model_change"].between(table["measured_low"], table["measured_high"]).mean()
        )
        marked += (table["mean_verdict"] != "agrees").any()
    assert 0.94 < np.mean(covered) < 0.975
    assert marked <= 0.05 * 200 + 2 * np.sqrt(0.05 * 0.95 * 200)


def test_what_a_model_invents_is_marked() -> None:
    rng = np.random.default_rng(4)
    truth_g = np.r_[np.zeros(20), np.full(20, 3.0)]
    first_n = np.arange(60) < 30

    def drawn():
        return comparison(first_n, ~first_n).change(
            rng.normal(size=(60, 40)) + first_n[:, None] * truth_g
        )

    said_g = truth_g.copy()
    said_g[0], said_g[20], said_g[21], said_g[22] = 3.0, -3.0, 6.0, 0.5
    table = gene_table(said_g, drawn(), drawn(), genes=pd.Index(range(40))).set_index("gene")
    assert list(table["model_verdict"][[0, 20, 21, 22]]) == [
        *("invented", "opposite", "overstated", "understated"),
    ]
    assert (table["model_verdict"].drop([0, 20, 21, 22]) == "agrees").mean() > 0.9
    assert (table["mean_verdict"] == "agrees").mean() > 0.9
    assert table.index[0] == 21  # the largest change by the model


def test_the_ceiling_is_what_the_truth_reaches() -> None:
    rng = np.random.default_rng(5)
    reached, said = [], []
    first_n = np.arange(60) < 24
    for seed in range(30):
        truth_g = 0.3 * rng.normal(size=200)
        x_ng = rng.normal(size=(60, 200)) + first_n[:, None] * truth_g
        whole = comparison(first_n, ~first_n)

        def value(kept_n, whole=whole, x_ng=x_ng):
            half = whole.among(kept_n)
            return None if half is None else half.value(x_ng)

        said.append(ceiling(value, whole.unit_n, whole.cell_n, seed))
        measured = whole.change(x_ng)
        rules = {"truth": fixed(truth_g, measured), MEANS: fixed(-truth_g, measured)}
        table = compared(rules, measured, ceiling=said[-1]).set_index("rule")
        reached.append(table.loc["truth", "correlation"])
        assert table.loc["truth", "verdict"] == "better"
    assert np.mean(said) == pytest.approx(np.mean(reached), abs=0.02)


def test_projection_is_that_of_sklearn_and_in_full_rank_changes_nothing() -> None:
    from sklearn.decomposition import PCA

    rng = np.random.default_rng(6)
    for shape in ((30, 80), (80, 30)):
        x_ng = rng.normal(size=shape)
        difference_g = x_ng[:10].mean(0) - x_ng[10:].mean(0)
        axes_kg = PCA(4).fit(x_ng).components_
        np.testing.assert_allclose(
            projected(difference_g, x_ng, 4), difference_g @ axes_kg.T @ axes_kg, atol=1e-9
        )
        np.testing.assert_allclose(projected(difference_g, x_ng, 99), difference_g, atol=1e-9)
