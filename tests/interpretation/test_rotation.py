"""Rotated axes: what is planted is found, whatever the axes of the model are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group

from tybalt_like.core.errors import DataError, RecipeError
from tybalt_like.interpretation import Axes, gene_effects, matched, rotation


def planted(seed: int, *, n: int = 300, g: int = 200, k: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Scores of k processes, and their genes: each has 20 of its own."""
    rng = np.random.default_rng(seed)
    effects_kg = 0.02 * rng.normal(size=(k, g))
    for j in range(k):
        effects_kg[j, 20 * j : 20 * (j + 1)] += rng.uniform(1, 2, size=20)
    return rng.laplace(size=(n, k)), effects_kg


def any_axes(scores_nk: np.ndarray, effects_kg: np.ndarray, mix_kk: np.ndarray):
    """The same space in other axes: codes, and effects of one standard deviation."""
    z_nk = scores_nk @ mix_kk
    return z_nk, np.linalg.solve(mix_kk, effects_kg) * z_nk.std(0)[:, None]


@pytest.mark.parametrize("how", ["varimax", "ica"])
def test_planted_processes_are_found_in_arbitrary_axes(how: str) -> None:
    scores_nk, effects_kg = planted(0)
    mix_kk = ortho_group.rvs(5, random_state=1) @ np.diag([3.0, 1, 1, 0.5, 0.1])
    z_nk, mixed_kg = any_axes(scores_nk, effects_kg, mix_kk)
    assert np.abs(matched(effects_kg, mixed_kg)[1]).min() < 0.8
    axes = rotation(z_nk, mixed_kg, how=how)
    weight_kg = np.linalg.solve(mix_kk, effects_kg)
    found_mg = gene_effects(lambda z: z @ weight_kg, z_nk, axes=axes)
    partner, alike = matched(effects_kg, found_mg)
    assert (alike > 0.95).all()  # and not below -0.95: the long tail of genes is positive
    read_nm = axes.scores(z_nk)
    for j in range(5):
        assert np.corrcoef(read_nm[:, partner[j]], scores_nk[:, j])[0, 1] > 0.95
    assert np.all(np.diff(np.linalg.norm(found_mg, axis=1)) <= 1e-9)


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6))
def test_the_result_does_not_depend_on_the_axes_of_the_model(seed: int) -> None:
    """Nor on how long they are: what is turned is what was learned."""
    scores_nk, effects_kg = planted(seed % 7)
    rng = np.random.default_rng(seed)
    mix_kk = ortho_group.rvs(5, random_state=rng) @ np.diag(rng.uniform(0.2, 5, size=5))
    mix_kk += 0.1 * rng.normal(size=(5, 5))
    one, other = (rotation(*any_axes(scores_nk, effects_kg, mix)) for mix in (np.eye(5), mix_kk))
    read_nm = other.scores(scores_nk @ mix_kk)
    np.testing.assert_allclose(one.scores(scores_nk), read_nm, atol=1e-2)
    np.testing.assert_allclose(read_nm.std(0), 1)
    np.testing.assert_allclose(other.moves_jk @ other.reading_kj, np.eye(5), atol=1e-8)


def test_varimax_is_a_turn_of_profiles() -> None:
    """Axes are at right angles where distances are those of profiles, as they were."""
    scores_nk, effects_kg = planted(3)
    z_nk, mixed_kg = any_axes(scores_nk, effects_kg, np.diag([2.0, 1, 1, 1, 1]))
    axes = rotation(z_nk, mixed_kg)
    turned_mg = axes.moves_jk @ (mixed_kg / z_nk.std(0)[:, None])
    unit_mg = turned_mg / np.linalg.norm(turned_mg, axis=1, keepdims=True)
    np.testing.assert_allclose(unit_mg @ unit_mg.T, np.eye(5), atol=1e-8)
    profile_ng = (z_nk - z_nk.mean(0)) @ (mixed_kg / z_nk.std(0)[:, None])
    np.testing.assert_allclose(axes.scores(z_nk) @ turned_mg, profile_ng, atol=1e-8)


def test_features_that_decode_to_nothing_are_left_out() -> None:
    scores_nk, effects_kg = planted(1, k=3)
    z_nk = np.column_stack([scores_nk, scores_nk[:, 0], np.zeros(300)])
    effects_kg = np.vstack([effects_kg, np.zeros((2, 200))])
    axes = rotation(z_nk, effects_kg)
    assert axes.names == ("varimax_1", "varimax_2", "varimax_3")
    assert np.isfinite(axes.moves_jk).all()
    assert np.isfinite(axes.reading_kj).all()
    with pytest.raises(DataError, match="the same profile from all codes"):
        rotation(z_nk, 0 * effects_kg)
    with pytest.raises(RecipeError, match="unknown rotation 'promax'; choose 'varimax' or 'ica'"):
        rotation(z_nk, effects_kg, how="promax")


def test_what_is_read_and_where_codes_move_are_dual() -> None:
    """Of correlated features, what is read alone is not what changes alone."""
    rng = np.random.default_rng(0)
    noise_n, signal_n = rng.normal(size=(2, 500))
    z_nk = np.column_stack([signal_n + noise_n, noise_n])
    axes = Axes.read_by(np.array([[1.0], [-1.0]]), z_nk)  # cancels the noise
    assert np.corrcoef(axes.scores(z_nk)[:, 0], signal_n)[0, 1] > 0.999
    np.testing.assert_allclose(axes.moves_jk, [[1, 0]], atol=0.1)  # and moves none of it
    along = Axes.along([[1.0, -1.0]], z_nk)
    assert along.moves_jk[0, 1] < -0.4
