"""Pairs are of one group, and folds never divide one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from quick import plate

from tybalt_like import io
from tybalt_like.core import keys
from tybalt_like.core.errors import DataError
from tybalt_like.perturbation.design import Design, Simulation
from tybalt_like.perturbation.folds import folds, keep_labels, splits
from tybalt_like.perturbation.matching import chosen_controls, units
from tybalt_like.perturbation.simulation import simulate

PLATE = Design(group="line", treatment="type", control="vehicle", match=("hours",))


def test_pairs_are_of_one_group_and_match() -> None:
    obs = plate()
    found = units(obs, PLATE, drug="treatment")
    assert len(found.table) == (obs["type"] == "compound").sum()
    for name, controls in zip(found.table.index, found.candidates, strict=True):
        of = obs.iloc[controls]
        assert (of["type"] == "vehicle").all()
        assert (of["line"] == obs.loc[name, "line"]).all()
        assert (of["hours"] == obs.loc[name, "hours"]).all()
        assert len(of) == 2


def test_held_out_changes_are_measured_against_controls_that_no_predictor_sees() -> None:
    obs = pd.concat([plate(), plate().set_axis([f"other_{i}" for i in range(32)])])
    found = units(obs, PLATE, drug="treatment")
    fold_n = folds(found, obs, replace(PLATE, folds=2), seed=0)
    controls = chosen_controls(found, PLATE, fold_n, np.random.default_rng(0), held_out=0)
    for i, fold in enumerate(fold_n):
        used, spare = set(controls.used[i]), set(controls.spare[i])
        assert used | spare == set(found.candidates[i])
        assert (len(used), len(spare)) == ((2, 2) if fold == 0 else (4, 0))
    held = [i for i, fold in enumerate(fold_n) if fold == 0]
    assert not set.union(*(set(controls.used[i]) for i in held)) & set.union(
        *(set(controls.spare[i]) for i in held)
    )


def test_groups_without_treatment_are_single_samples() -> None:
    obs = plate()
    obs = obs[(obs["line"] == "A") | (obs["type"] == "vehicle")]
    found = units(obs, PLATE, drug="treatment")
    single = found.table[~found.table["is_pair"]]
    assert set(single["group"]) == {"B"}
    assert len(single) == 4
    assert [list(c) for c in found.candidates[-4:]] == [[row] for row in single["row"]]


def test_shared_controls_serve_one_fold_each() -> None:
    obs = plate(n_drugs=8)
    design = Design("line", "type", "vehicle", drug="drug", hold_out="drug", folds=2)
    found = units(obs, design, drug="treatment")
    assert found.shared_n.all()
    fold_n = folds(found, obs, design, seed=0)
    chosen = chosen_controls(found, design, fold_n, np.random.default_rng(0)).used
    used = [set(np.concatenate([c for c, f in zip(chosen, fold_n, strict=True) if f == fold]))
            for fold in (0, 1)]  # fmt: skip
    assert not used[0] & used[1]
    one = Design("line", "type", "vehicle", drug="drug", hold_out="drug", controls="one", folds=2)
    chosen = chosen_controls(found, one, fold_n, np.random.default_rng(0)).used
    assert {len(c) for c in chosen} == {1}
    many = Design("line", "type", "vehicle", drug="drug", hold_out="drug", folds=8)
    fold_n = folds(found, obs, many, seed=0)
    with pytest.raises(DataError, match="too few for 8 folds"):
        chosen_controls(found, many, fold_n, np.random.default_rng(0))


@given(st.integers(0, 10_000), st.integers(2, 6))
def test_folds_never_divide_a_group(seed: int, k: int) -> None:
    adata = simulate(Simulation(groups=30, n_genes=2, latent_dim=2, unknown=0.3, seed=seed))
    design = Design("cell_line", response="response", folds=k)
    found = units(adata.obs, design, drug="treatment")
    fold_n = folds(found, adata.obs, design, seed=seed)
    assert set(fold_n) == set(range(k))
    for fold in range(k):
        split_n = splits(found, fold_n, design, fold=fold, seed=seed)
        groups = {name: set(found.table["group"][split_n == name]) for name in set(split_n)}
        assert groups[keys.TEST] == set(found.table["group"][fold_n == fold])
        assert not groups[keys.TEST] & groups[keys.TRAIN]
        assert not groups[keys.VALIDATION] & groups[keys.TRAIN]
        known = keep_labels(found.table, split_n, share=0.2, seed=seed)
        test_n = split_n == keys.TEST
        np.testing.assert_array_equal(known[test_n], found.table["response"][test_n])
        n_before = found.table["response"][~test_n].notna().sum()
        assert np.isfinite(known[~test_n]).sum() <= max(2, 0.2 * n_before + 1)


def test_unmatched_samples_can_be_left_out() -> None:
    obs = plate()
    obs = obs[~((obs["line"] == "B") & (obs["hours"] == 6) & (obs["type"] == "vehicle"))]
    found = units(obs, Design("line", "type", "vehicle", match=("hours",), unmatched="drop"),
                  drug="treatment")  # fmt: skip
    assert found.table["is_pair"].sum() == 18
    assert "6 of 24" in found.notes[0]


def test_real_hepatocytes_pair_up(shared_data: Path) -> None:
    obs = io.read(shared_data / "tggates_hepatocyte" / "tggates_hepatocyte.h5ad").obs
    design = Design("exp_id", "xptype", "control", match=("individual_id", "duration"))
    found = units(obs, design, drug="treatment")
    assert found.table["is_pair"].sum() == 1712
    assert {len(c) for c in found.candidates} == {1}
