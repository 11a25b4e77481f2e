from dataclasses import replace

import numpy as np

from tybalt_like import pp, tl
from tybalt_like.core import keys
from tybalt_like.io import datasets
from tybalt_like.models import Model


def test_scores_of_the_model_itself_become_columns() -> None:
    adata = datasets.load("tcga_brca")[:80, :40].copy()
    pp.split(adata, seed=0)
    train = np.asarray(adata.obs[keys.SPLIT] == keys.TRAIN)
    adata = pp.Normaliser.fit(adata, pp.Normalisation(), train=train).transform(adata)
    training = replace(Model.named("tybalt").training_defaults, epochs=20)
    model = tl.fit(adata, model="tybalt", device="cpu", latent_dim=4, training=training)
    tl.score(adata, model=model)
    score = {name: adata.obs[f"tybalt_{name}"] for name in ("likelihood", "kl", "negative_elbo")}
    np.testing.assert_allclose(score["likelihood"] + score["kl"], score["negative_elbo"])
    tighter = adata.obs["tybalt_importance_weighted"]
    assert (tighter < score["negative_elbo"]).mean() > 0.95
    assert np.corrcoef(tighter, score["negative_elbo"])[0, 1] > 0.8
    del adata.obs["tybalt_kl"]
    tl.score(adata, model="tybalt")  # the name alone brings no scores of the model's own
    assert "tybalt_kl" not in adata.obs
    assert adata.obs["tybalt_combined"].notna().all()
