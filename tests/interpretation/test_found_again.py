"""Whether features are found again: what is the same, what could be by chance."""

import numpy as np
from scipy.stats import ortho_group

from tybalt_like.interpretation import matched, redundancy, similarity, stability


def steep(rng: np.random.Generator, *, k: int = 8, g: int = 400) -> np.ndarray:
    """Effects of features of which the first are many times larger than the last."""
    return rng.normal(size=(k, g)) * np.geomspace(20, 1, k)[:, None]


def test_features_are_paired_once_whatever_their_order_and_sign() -> None:
    rng = np.random.default_rng(0)
    effects_kg = rng.normal(size=(6, 300))
    order, sign_k = rng.permutation(6), rng.choice([-1, 1], size=6)
    again_kg = (effects_kg + 0.2 * rng.normal(size=(6, 300)))[order] * sign_k[:, None]
    partner_k, alike_k = matched(effects_kg, again_kg)
    assert np.array_equal(order[partner_k], np.arange(6))
    assert np.array_equal(np.sign(alike_k), sign_k[partner_k])
    np.testing.assert_allclose(
        similarity(effects_kg, again_kg), np.corrcoef(effects_kg, again_kg)[:6, 6:]
    )
    # One copy of two twins is left without a partner.
    partner_k, alike_k = matched(effects_kg[[0, 0, 1]], again_kg[partner_k[:2]])
    assert sorted(partner_k) == [-1, 0, 1]
    assert (alike_k[partner_k == -1] == 0).all()


def test_what_is_trained_again_is_found_and_noise_is_not() -> None:
    rng = np.random.default_rng(1)
    shared_kg = rng.normal(size=(4, 300))

    def training() -> np.ndarray:
        own_kg = np.vstack([shared_kg + 0.3 * rng.normal(size=(4, 300)), rng.normal(size=(3, 300))])
        return own_kg[rng.permutation(7)]

    effects_kg = np.vstack([shared_kg, rng.normal(size=(3, 300)), np.zeros((1, 300))])
    table = stability(effects_kg, [training() for _ in range(3)], names=list("abcdefgh"))
    assert list(table.index) == list("abcdefgh")
    assert list(table["found"]) == [1, 1, 1, 1, 0, 0, 0, 0]
    assert (table["similarity"][:4] > 0.9).all()
    assert table["similarity"].iloc[-1] == 0


def test_arbitrary_axes_of_one_space_are_not_found() -> None:
    """Axes turned at random pass as the same in at most one pair in twenty, though correlations are
    high where one direction is far larger than the others."""
    rng = np.random.default_rng(2)
    passed, high = [], []
    for repeat in range(20):
        effects_kg = steep(rng)
        others = [ortho_group.rvs(8, random_state=rng) @ effects_kg for _ in range(4)]
        turned_kg = ortho_group.rvs(8, random_state=rng) @ effects_kg
        table = stability(turned_kg, others, seed=repeat)
        passed.append(table["found"].mean())
        high.append(table["similarity"].max() > 0.9)
    assert np.mean(passed) < 0.05 + 2 * np.std(passed) / np.sqrt(20)
    assert np.mean(high) > 0.5


def test_twins_within_a_model_are_named() -> None:
    rng = np.random.default_rng(3)
    effects_kg = rng.normal(size=(4, 200))
    effects_kg[3] = -2 * effects_kg[1] + 0.1 * rng.normal(size=200)
    table = redundancy(effects_kg, names=["a", "b", "c", "d"])
    assert table.loc["b", "nearest"] == "d"
    assert table.loc["d", "nearest"] == "b"
    assert table.loc["b", "similarity"] < -0.99
    assert (table.loc[["a", "c"], "similarity"].abs() < 0.5).all()
    assert np.isnan(redundancy(effects_kg[:1])["similarity"]).all()


def test_the_same_seed_gives_the_same_thresholds() -> None:
    rng = np.random.default_rng(4)
    one, other = steep(rng), steep(rng)
    assert stability(one, [other], seed=1).equals(stability(one, [other], seed=1))
    assert stability(one, []).isna().all(axis=None)  # not measured
