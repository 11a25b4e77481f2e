"""The scikit-learn face."""

import subprocess
import sys

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks, get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from tybalt_like import ExpressionEncoder, pp
from tybalt_like.core.errors import DataError, RecipeError

QUICK = {"epochs": 8, "min_epochs": 0}


@pytest.mark.filterwarnings("default")
@parametrize_with_checks(
    [
        ExpressionEncoder(name, latent_dim=2, training=QUICK)
        for name in ("ppca_vae", "tybalt", "pca")
    ]
)
def test_is_a_scikit_learn_estimator(estimator, check) -> None:
    check(estimator)


@pytest.mark.parametrize(
    "check",
    [
        "check_transformer_get_feature_names_out",
        "check_transformer_get_feature_names_out_pandas",
        "check_set_output_transform",
        "check_set_output_transform_pandas",
        "check_global_output_transform_pandas",
        "check_dataframe_column_names_consistency",
    ],
)
@pytest.mark.filterwarnings("default")
def test_keeps_the_rules_that_check_estimator_leaves_to_its_own(check) -> None:
    estimator = ExpressionEncoder("pca", latent_dim=2)
    getattr(estimator_checks, check)("ExpressionEncoder", estimator)
    tags = get_tags(estimator)
    assert tags.estimator_type == "outlier_detector"
    assert tags.transformer_tags.preserves_dtype == ["float64"]
    assert [tags.input_tags.sparse, tags.input_tags.allow_nan, tags.target_tags.required] == [
        False,
        False,
        False,
    ]


def test_groups_are_routed_through_a_pipeline_and_cross_validation() -> None:
    rng = np.random.default_rng(0)
    x_ng, y, groups = rng.normal(size=(120, 6)), np.arange(120) % 2, np.repeat(np.arange(12), 10)
    with sklearn.config_context(enable_metadata_routing=True):
        encoder = ExpressionEncoder("pca", latent_dim=2, calibration=0.25)
        pipeline = make_pipeline(
            StandardScaler(), encoder.set_fit_request(groups=True), LogisticRegression()
        )
        pipeline.fit(x_ng, y, groups=groups)
        assert len(pipeline[1].detector_.calibration_scores) % 10 == 0
        given = {"params": {"groups": groups}, "cv": GroupKFold(3), "error_score": "raise"}
        cross_validate(pipeline, x_ng, y, **given)


@pytest.mark.parametrize(("name", "value"), [("alpha", 2.0), ("alpha", 0), ("calibration", "a")])
def test_shares_that_are_none_are_refused(name, value) -> None:
    with pytest.raises(RecipeError, match=f"{name} is a share above 0 and below 1, not {value!r}"):
        ExpressionEncoder("pca", latent_dim=2, **{name: value}).fit(np.eye(30))


def test_random_state_is_any_of_scikit_learns() -> None:
    x_ng = np.random.default_rng(0).normal(size=(60, 6))

    def offset(state) -> float:
        encoder = ExpressionEncoder("pca", latent_dim=2, random_state=state).fit(x_ng)
        with pytest.raises(DataError, match=r"the 2 latent coordinates .* not 3 columns"):
            encoder.inverse_transform(x_ng[:, :3])
        return encoder.offset_

    assert offset(np.random.RandomState(1)) == offset(np.random.RandomState(1)) != offset(None)


def test_takes_anndata_and_works_in_a_pipeline() -> None:
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1], 40)
    x_ng = rng.normal(size=(80, 30)) + 3 * group[:, None] * (np.arange(30) < 10)
    encoder = ExpressionEncoder("pca", latent_dim=4)
    from_array = encoder.fit_transform(x_ng)
    adata = ad.AnnData(x_ng)
    from_anndata = ExpressionEncoder("pca", latent_dim=4).fit_transform(adata)
    np.testing.assert_allclose(from_anndata, from_array, rtol=1e-9)
    pipeline = make_pipeline(ExpressionEncoder("pca", latent_dim=4), LogisticRegression())
    assert pipeline.fit(x_ng, group).score(x_ng, group) > 0.95
    back = encoder.inverse_transform(from_array)
    assert np.corrcoef(back.ravel(), x_ng.ravel())[0, 1] > 0.7


def test_flags_what_it_has_not_seen() -> None:
    rng = np.random.default_rng(1)
    normal, strange = rng.normal(size=(300, 20)), rng.normal(size=(50, 20)) + 4
    encoder = ExpressionEncoder("pca", latent_dim=5, alpha=0.1).fit(normal)
    assert (encoder.predict(strange) == -1).mean() > 0.9
    assert (encoder.predict(rng.normal(size=(500, 20))) == -1).mean() == pytest.approx(
        0.1, abs=0.08
    )


def test_features_have_names_and_tables_come_out(tmp_path) -> None:
    rng = np.random.default_rng(0)
    x = pd.DataFrame(rng.gamma(2, 50, size=(60, 8)).round(), columns=[f"g{i}" for i in range(8)])
    encoder = ExpressionEncoder("pca", latent_dim=3, normalisation={"n_genes": 5})
    table = encoder.set_output(transform="pandas").fit_transform(x)
    assert list(table) == list(encoder.get_feature_names_out()) == ["pca_1", "pca_2", "pca_3"]
    assert table.index.equals(x.index)
    # The same counts, division and settings as a run: logged, scaled, five genes.
    assert [step.name for step in encoder.normaliser_.sample_steps] == ["cpm", "log2"]
    assert encoder.inverse_transform(table).shape == (60, 5)
    encoder.normaliser_.save(tmp_path / "n.json")
    assert len(pp.Normaliser.load(tmp_path / "n.json").genes) == 5


def test_groups_stay_together_as_in_scikit_learns_splitters() -> None:
    rng = np.random.default_rng(0)
    x_ng, groups = rng.normal(size=(120, 6)), np.repeat(np.arange(12), 10)
    encoder = ExpressionEncoder("pca", latent_dim=2, calibration=0.25).fit(x_ng, groups=groups)
    assert len(encoder.detector_.calibration_scores) % 10 == 0
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        encoder.fit(x_ng, groups=groups[1:])
    with pytest.raises(DataError, match="1 groups of samples"):
        encoder.fit(x_ng, groups=["a"] * 120)


FORKED = """
import multiprocessing
import numpy as np
import torch
from tybalt_like import ExpressionEncoder

torch.set_num_threads(2)
x_ng = np.random.default_rng(0).normal(size=(400, 300))

def fitted():
    training = {"epochs": 2, "min_epochs": 0}
    encoder = ExpressionEncoder("tybalt", latent_dim=5, training=training, progress=False)
    return encoder.fit(x_ng).score_samples(x_ng)

def child(answers):
    answers.put(fitted())

here_n = fitted()
forking = multiprocessing.get_context("fork")
answers = forking.Queue()
process = forking.Process(target=child, args=(answers,), daemon=True)
process.start()
there_n = answers.get(timeout=60)
np.testing.assert_allclose(there_n, here_n, atol=0.01 * here_n.std())
"""


@pytest.mark.slow
def test_a_forked_child_can_train_after_its_parent_has():
    """Threads of the parent, of which it knows but which it has not, do not let it wait."""
    code = [sys.executable, "-c", FORKED]
    done = subprocess.run(code, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
