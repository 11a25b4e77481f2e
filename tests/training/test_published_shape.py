"""Tybalt at its published shape, 5,000 genes and 100 features, on TCGA breast tumours."""

import numpy as np
import pytest
from scipy.special import entr

from tybalt_like import pp, read, tl
from tybalt_like.models import Training


@pytest.fixture(scope="module")
def tumours(shared_data):
    adata = read(shared_data / "tcga_brca" / "tcga_brca.h5ad")
    pp.split(adata, train=0.9, calibration=0.1)
    train_n = np.asarray(adata.obs["tybalt_split"] == "train")
    return pp.Normaliser.fit(adata, pp.Normalisation(n_genes=5000), train=train_n).transform(adata)


@pytest.mark.slow
def test_as_run_learns_and_repeats_itself_bit_for_bit(tumours) -> None:
    training = Training(epochs=40, batch_size=50, learning_rate=5e-4, patience=None)
    one, other = tumours.copy(), tumours.copy()
    model = tl.fit(one, model="tybalt", mode="as_run", training=training, device="cpu", seed=1)
    tl.fit(other, model="tybalt", mode="as_run", training=training, device="cpu", seed=1)
    np.testing.assert_array_equal(one.obsm["X_tybalt"], other.obsm["X_tybalt"])
    # Cross-entropy of targets between 0 and 1 cannot fall below their entropy, nine tenths of the
    # loss here; what can be learned is the rest.
    x_ng = np.asarray(tumours.X, dtype=np.float64)[tumours.obs["tybalt_split"] == "validation"]
    floor = (entr(x_ng) + entr(1 - x_ng)).sum(1).mean()
    loss = model.history.frame()["val_loss"] - floor
    assert loss.min() > 0
    assert loss.iloc[-1] < 0.75 * loss.iloc[0]
