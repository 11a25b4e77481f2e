"""Whole cohorts from file to biology."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tybalt_like import pp, read, tl
from tybalt_like.core.provenance import recorded
from tybalt_like.models import Training
from tybalt_like.run import cohort
from tybalt_like.run.recipe import Data, Split


@pytest.mark.slow
def test_sex_is_in_the_latent_of_raw_counts(shared_data) -> None:
    folder = shared_data / "geuvadis_counts"
    adata = read(folder / "counts.tsv.gz", obs=folder / "samples.csv")
    assert pp.inspect(adata).scale == "counts"
    pp.split(adata, label="sex", train=0.8, calibration=0.1)
    train_n = np.asarray(adata.obs["tybalt_split"] == "train")
    normal = pp.Normaliser.fit(adata, pp.Normalisation(n_genes=300), train=train_n).transform(adata)
    # Five batches an epoch: batch normalisation takes long to settle, so patience has to be long.
    training = Training(batch_size=16, learning_rate=1e-3, patience=40)
    tl.fit(normal, model="tybalt", latent_dim=30, training=training, device="cpu")
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    accuracy = cross_val_score(probe, normal.obsm["X_tybalt"], adata.obs["sex"], cv=folds).mean()
    assert accuracy > 0.9


def test_query_samples_of_the_reference_are_named(shared_data, tmp_path) -> None:
    """Liver 15 to 18 are also there as liver 19 to 22; one more copy is asked about."""
    tissue = pd.read_csv(shared_data / "tissue_dslabs" / "tissue_gene_expression.csv.gz")
    copy = tissue[tissue["sample_id"] == "kidney_1"].assign(sample_id="new", tissue="odd")
    columns = tissue.columns.drop("tissue")
    both = pd.concat([tissue, copy])
    both[columns].to_csv(tmp_path / "values.csv", index=False)
    both[["sample_id", "tissue"]].to_csv(tmp_path / "tissue.csv", index=False)
    data = Data(
        path=tmp_path / "values.csv",
        obs=tmp_path / "tissue.csv",
        label="tissue",
        normal=("kidney", "liver"),
    )
    adata = cohort.read(data)
    cohort.split(adata, data, Split(), seed=0)
    *_, same, known = recorded(adata)["findings"]
    assert "samples with the same profile: 5 (kidney_1 = new, liver_15 = liver_19" in same
    assert "the reference holds under another name: 1 (new = kidney_1)" in known
