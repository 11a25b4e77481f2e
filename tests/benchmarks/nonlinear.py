"""How many samples it takes until a non-linear encoder is better than a linear one.

PPCA-VAE with and without its branch, on samples that neither training nor the decision about the
branch has seen: simulated ones, whose factors are seen through a network or straight, and two
cohorts. Validation samples, a tenth, are part of the samples that are counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from suite import cohort

from tybalt_like.benchmark.rows import Kept, print_table
from tybalt_like.core.errors import DataError
from tybalt_like.models import Batch, Model
from tybalt_like.run.progress import Progress
from tybalt_like.tl.encoders import few_threads
from tybalt_like.training.loop import train
from tybalt_like.training.seed import seeded

Array = NDArray[np.float32]

SIZES = (100, 200, 500, 1000, 2000)
FEATURES = (10, 50)
MOST_TESTED = 500
N_GENES = 2000
FACTORS, HIDDEN, SIMULATED_GENES = 8, 64, 500
COLUMNS = ["dataset", "seed", "features", "n", "kept", "gain", "r2_linear", "r2", "r2_pca"]


def nonlinear(
    *, only: Sequence[str] | None, seeds: int, file: Path | None, progress: Progress
) -> pd.DataFrame:
    """Rows of `COLUMNS`: ``gain`` is by how many nats a test sample is likelier with the branch,
    the R2 are medians over genes; ``kept`` is what validation samples decided."""
    kept = Kept(file, ("dataset", "seed"))
    for dataset, x_ng in _of_datasets(only, progress):
        for seed in range(seeds):
            if kept.has(dataset, seed):
                continue
            with progress.stage(f"{dataset}, seed {seed}"), few_threads():
                rows = [
                    _measured(x_ng, n, k, seed=seed)
                    for n in SIZES
                    for k in FEATURES
                    if n <= len(x_ng) - _n_tested(x_ng) and k <= n // 3
                ]
            kept.add(pd.DataFrame(rows).assign(dataset=dataset, seed=seed)[COLUMNS])
    return kept.rows()


def simulated(n: int, *, bend: float, seed: int = 0) -> Array:
    """Samples of `FACTORS` normal factors: sums of them, and of `bend` times what a layer of
    rectifiers makes of them, with noise."""
    fixed, rng = np.random.default_rng(1), np.random.default_rng(seed)
    straight_kg = fixed.normal(size=(FACTORS, SIMULATED_GENES)) / FACTORS**0.5
    inner_kh = 2 * fixed.normal(size=(FACTORS, HIDDEN)) / FACTORS**0.5
    shift_h, outer_hg = fixed.normal(size=HIDDEN), fixed.normal(size=(HIDDEN, SIMULATED_GENES))
    factors_nk = rng.normal(size=(n, FACTORS))
    bent_ng = np.maximum(factors_nk @ inner_kh + shift_h, 0) @ outer_hg / HIDDEN**0.5
    x_ng = factors_nk @ straight_kg + bend * bent_ng + 0.7 * rng.normal(size=bent_ng.shape)
    return x_ng.astype(np.float32)


COHORTS = ("tcga_brca", "tggates_hepatocyte")
SIMULATED = {"simulated, curved": 1.0, "simulated, straight": 0.0}


def _of_datasets(only: Sequence[str] | None, progress: Progress) -> Iterator[tuple[str, Array]]:
    known = (*SIMULATED, *COHORTS)
    if unknown := set(only or ()) - set(known):
        raise DataError(f"unknown data set {min(unknown)!r}; known: {', '.join(known)}")
    for name in only or known:
        if name in SIMULATED:
            yield name, simulated(max(SIZES) + MOST_TESTED, bend=SIMULATED[name])
            continue
        try:
            adata = cohort(name)
        except (DataError, OSError) as error:
            progress.say(f"left out: {error}")
            continue
        x_ng = np.asarray(adata.X, dtype=np.float32)
        # Chosen by all samples: every model and size sees the same genes.
        yield name, x_ng[:, np.argsort(-x_ng.std(0), kind="stable")[:N_GENES]]


def _n_tested(x_ng: Array) -> int:
    return min(MOST_TESTED, len(x_ng) // 4)


def _measured(x_ng: Array, n: int, k: int, *, seed: int) -> dict[str, float]:
    order_n = np.random.default_rng(seed).permutation(len(x_ng))
    tested, learned = np.split(order_n, [_n_tested(x_ng)])
    test_ng = torch.from_numpy(x_ng[tested])
    validation, training = np.split(learned[:n], [n // 10])
    rows = {"x_ng": torch.from_numpy(x_ng[training])}
    held = {"x_ng": torch.from_numpy(x_ng[validation])}
    models = {}
    for name in ("ppca_vae", "pca"):
        with seeded(seed):
            models[name] = Model.create(name, x_ng.shape[1], latent_dim=k)
            train(models[name], rows, validation=held)
    model, mean_g, surprise, r2 = models["ppca_vae"], rows["x_ng"].mean(0), [], []
    kept = float(model.gate)
    with torch.no_grad():
        for gate in (0.0, 1.0):
            model.gate.fill_(gate)
            surprise.append(model.score(Batch({"x_ng": test_ng}))["importance_weighted"].mean())
            r2.append(_median_r2(model, test_ng, mean_g))
        r2_pca = _median_r2(models["pca"], test_ng, mean_g)
    gain = float(surprise[0] - surprise[1])
    found = {"kept": kept, "gain": gain, "r2_linear": r2[0], "r2": r2[1], "r2_pca": r2_pca}
    return {"features": k, "n": n} | found


def _median_r2(model: Model, x_ng: torch.Tensor, mean_g: torch.Tensor) -> float:
    error_g = (x_ng - model.infer(Batch({"x_ng": x_ng}))[1]).square().sum(0)
    return float((1 - error_g / (x_ng - mean_g).square().sum(0)).median())


def print_nonlinear(rows: pd.DataFrame) -> None:
    """A table per data set and number of features, a column per number of samples."""
    for (dataset, k), part in rows.groupby(["dataset", "features"], sort=False):
        by_n = part.groupby("n")
        mean = by_n[["kept", "gain", "r2_pca", "r2_linear", "r2"]].mean()
        error = by_n["gain"].sem().map(lambda value: "" if np.isnan(value) else f" ± {value:.1f}")
        cells = {
            "branch kept, share of runs": [f"{value:.2f}" for value in mean["kept"]],
            "likelier with it, nats a sample ± SE": [
                f"{value:+.1f}{error[n]}" for n, value in mean["gain"].items()
            ],
            "median gene R2: PCA": [f"{value:.3f}" for value in mean["r2_pca"]],
            "without the branch": [f"{value:.3f}" for value in mean["r2_linear"]],
            "with it": [f"{value:.3f}" for value in mean["r2"]],
        }
        title = f"{dataset}, {k} features, {part['seed'].nunique()} seeds, samples:"
        print_table(title, cells, [str(n) for n in mean.index])
