"""Do latent features foretell survival, and does it take more than PCA?"""

from __future__ import annotations

import pandas as pd

from tybalt_like import pp, tl
from tybalt_like.benchmark.rows import mean_sd, print_table
from tybalt_like.core import keys
from tybalt_like.interpretation.survival import FEATURES, REFERENCE
from tybalt_like.io.datasets import load
from tybalt_like.run.progress import Progress
from tybalt_like.tl.encoders import few_threads

MODELS = ("ppca_vae", "tybalt")
SCALES = {"tybalt": "zero_one"}
K = 50
MINUS_PCA = f"{FEATURES} minus {REFERENCE}"


def survival(*, seeds: int = 5, progress: Progress) -> pd.DataFrame:
    """``dlbcl_chop``: of every division, 40 % of the samples are held out. One row per model, seed
    and ``what``: the concordance of a predictor, or the difference of the features to PCA's, as
    ``value`` with its interval; and how many ``features`` have a hazard ratio with q up to 0.05."""
    rows = []
    for seed in range(seeds):
        adata = load("dlbcl_chop")
        tl.detect(adata, seed=seed)
        pp.split(adata, train=0.6, calibration=0.0, validation=0.1, seed=seed)
        train_n = (adata.obs[keys.SPLIT] == keys.TRAIN).to_numpy()
        for model in MODELS:
            how = pp.Normalisation(n_genes=2000, scale=SCALES.get(model, "zscore"))
            encoded = pp.Normaliser.fit(adata, how, train=train_n).transform(adata)
            with progress.stage(f"{model}, seed {seed}"), few_threads():
                tl.fit(encoded, model=model, latent_dim=K, seed=seed, device="cpu")
                found = tl.survival(
                    encoded,
                    time="time",
                    event="event",
                    model=model,
                    score="default_combined",
                    seed=seed,
                )
            measured = found.concordance.rename(columns={"concordance": "value"})
            apart = found.differences.set_index(["of", "against"]).loc[(FEATURES, REFERENCE)]
            measured.loc[MINUS_PCA] = [*apart, *measured.iloc[0][["n", "events"]]]
            table = measured.rename_axis("what").reset_index().assign(model=model, seed=seed)
            rows.append(table.assign(features=int((found.hazards["q_value"] <= 0.05).sum())))
    return pd.concat(rows, ignore_index=True)


def print_survival(rows: pd.DataFrame) -> None:
    """Means over divisions of the same samples, which share what is peculiar to these; intervals
    are those of one division, on average."""
    cells = {}
    for (model, what), of in rows.groupby(["model", "what"], sort=False):
        cells[f"{model}: {what}"] = [
            mean_sd(of["value"].tolist()),
            f"{of['lower'].mean():.3f} to {of['upper'].mean():.3f}",
            f"{of['features'].mean():.1f}" if what == FEATURES else "",
        ]
    n, events = rows["n"].iloc[0], rows["events"].mean()
    title = f"dlbcl_chop, {n:.0f} held-out samples with {events:.0f} events"
    columns = ["concordance", "95 % interval", "features with q <= 0.05"]
    print_table(title, cells, columns)
