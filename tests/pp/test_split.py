"""Who is learned from: at random, or by an official division."""

import anndata
import numpy as np
import pandas as pd
import pytest

from tybalt_like import pp
from tybalt_like.core import keys
from tybalt_like.core.errors import DataError
from tybalt_like.pp import Normalisation, Normaliser


@pytest.fixture
def cohort() -> anndata.AnnData:
    """200 official training samples and 100 test samples of two labels."""
    obs = pd.DataFrame({"part": ["train"] * 200 + ["test"] * 100, "label": ["a", "b", "a"] * 100})
    x_ng = np.random.default_rng(0).random((300, 5), dtype=np.float32)
    x_ng[:, 1] = 0.5
    return anndata.AnnData(x_ng, obs=obs.set_index(obs.index.astype(str)))


def test_an_official_test_split_is_kept_whole(cohort) -> None:
    pp.split(cohort, label="label", by="part", train=0.6, calibration=0.2, validation=0.1)
    split = cohort.obs[keys.SPLIT]
    assert (split == keys.TEST).equals(cohort.obs["part"] == "test")
    counts = split.value_counts()
    # 3 : 1 of the others, as of the whole without a division
    assert counts[[keys.TRAIN, keys.VALIDATION, keys.CALIBRATION]].tolist() == [135, 15, 50]


def test_other_labels_are_asked_about_whatever_their_part(cohort) -> None:
    pp.split(cohort, label="label", normal=["a"], by="part")
    split = cohort.obs[keys.SPLIT]
    assert (split[cohort.obs["label"] == "b"] == keys.QUERY).all()
    in_test = (cohort.obs["label"] == "a") & (cohort.obs["part"] == "test")
    assert (split[in_test] == keys.TEST).all()


def test_a_division_that_is_not_there_is_named(cohort) -> None:
    with pytest.raises(DataError, match="no column 'fold'"):
        pp.split(cohort, by="fold")


def test_all_columns_can_be_kept_in_their_places(cohort) -> None:
    settings = Normalisation(select="all", scale="none", units="zero_one")
    kept = Normaliser.fit(cohort, settings, train=np.arange(100)).transform(cohort)
    assert list(kept.var_names) == list(cohort.var_names)  # also the constant one
    np.testing.assert_array_equal(kept.X, cohort.X)
