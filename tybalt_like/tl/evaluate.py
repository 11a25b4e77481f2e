"""What the encoding of a model is worth, beside simple ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tybalt_like.core import keys
from tybalt_like.core.errors import DataError
from tybalt_like.core.helpers import Helpers
from tybalt_like.core.provenance import recorded
from tybalt_like.evaluation import EvaluationReport
from tybalt_like.evaluation.report import COLUMNS
from tybalt_like.models import Model, Training
from tybalt_like.tl.again import trained_again
from tybalt_like.tl.encoders import (
    Cohort,
    Encoding,
    baseline,
    controls,
    few_threads,
    is_small,
    of_model,
)
from tybalt_like.tl.fit import in_split
from tybalt_like.tl.measures import groups, inside, reconstruction, stability
from tybalt_like.training.loop import EpochHook

if TYPE_CHECKING:
    from anndata import AnnData

BASELINES = ("pca", "ica", "nmf")
MIN_TEST = 10
"""Correlations over fewer test samples say nothing."""


def evaluate(
    adata: AnnData,
    model: Model,
    *,
    baselines: Sequence[str] = BASELINES,
    batch: str | None = None,
    seeds: int = 2,
    training: Training | None = None,
    again: Sequence[Model] | Callable[[], Sequence[Model]] | None = None,
    fitted: Mapping[str, Model] | None = None,
    device: str = "auto",
    on_epoch: EpochHook | None = None,
    helpers: Helpers | None = None,
) -> EvaluationReport:
    """Judge an encoding on samples that nothing was fitted on, beside encodings of the same size.

    Loss and reconstruction are measured on the split ``test``. Probes and clusters also see the
    split ``query``, samples outside the reference that no model was fitted, stopped or
    calibrated on either, because labels often only differ there. The model is compared with
    `baselines` of as many features, with the genes themselves, and with PCA trained on genes
    that were permuted one by one, which can have learned no co-expression. Groups that `pp.split`
    kept together stay so in the folds of the probes. `adata` stays as it is.

    Parameters
    ----------
    adata
        Normalised, with the split that `model` was trained by.
    model
        Trained on it (`tl.fit`).
    baselines
        Registered models that are solved, at least to start with.
    batch
        obs column that should *not* be readable from the encoding.
    seeds
        Trainings to compare for stability, the given one included; each costs as much as the
        first. 1 leaves stability out.
    training
        How the model was trained, for the further trainings; its defaults if None.
    again
        The model trained with other seeds, if that has been done, or what gives it once all else
        is encoded; it is trained here if None.
    fitted
        Baselines that were trained on `adata` already, with as many features.
    device, on_epoch
        As for `tl.fit`.
    helpers
        Processes that share the work; none if None.

    Returns
    -------
    EvaluationReport
        Tables, alarms, and notes on what could not be measured.

    Raises
    ------
    DataError
        If there is no split, the genes are not the model's, or the batch column is missing.
    """
    if batch is not None and batch not in adata.obs:
        raise DataError(f"no column {batch!r} in the sample table to take batches from")
    cohort = Cohort(_judged(adata), counts=model.domain == "counts")
    helpers = helpers or Helpers()
    n_test = int(cohort.test_n.sum())
    seed = int(recorded(adata).get(model.name, {}).get("seed", 0))
    others = range(seed + 1, seed + seeds) if n_test >= MIN_TEST else range(0)
    k = of_model(cohort, model, [])[model.name].z_nk.shape[1]
    rivals = [name for name in baselines if name != model.name]
    known = fitted or {}
    works = [
        partial(baseline, cohort, name, k=k, seed=seed, seeds=others, fitted=known.get(name))
        for name in rivals
    ]
    compared = helpers.share(works) if is_small(adata) else [work() for work in works]
    notes: list[str] = []
    if again is None:
        trained, notes = trained_again(
            cohort.adata,
            model,
            times=len(others),
            training=training,
            device=device,
            on_epoch=on_epoch,
        )
    else:
        trained = list(again() if callable(again) else again)
    encodings = of_model(cohort, model, trained[: len(others)])
    for name, (encoding, said) in zip(rivals, compared, strict=True):
        encodings[name] = encoding
        notes += said
    encodings |= controls(cohort, k=k, seed=seed)
    with few_threads():
        return _measured(cohort, model, encodings, notes, batch=batch, seed=seed, helpers=helpers)


def _measured(
    cohort: Cohort,
    model: Model,
    encodings: Mapping[str, Encoding],
    notes: list[str],
    *,
    batch: str | None,
    seed: int,
    helpers: Helpers,
) -> EvaluationReport:
    n_test = int(cohort.test_n.sum())
    genes = samples = features = pd.DataFrame()
    tables, alarms = [pd.DataFrame(columns=COLUMNS)], list[str]()
    if n_test < MIN_TEST:
        notes.append(
            f"{n_test} test samples are too few to measure loss, reconstruction and stability; "
            f"{MIN_TEST} would do"
        )
    else:
        features, alarms, losses = inside(cohort, model, encodings[model.name])
        genes, samples, agreement = reconstruction(cohort, encodings)
        tables += [losses, agreement, stability(cohort, encodings)]
    probed, n_held_out, said = groups(cohort, encodings, batch=batch, seed=seed, helpers=helpers)
    filled = [table for table in [*tables, *probed] if len(table)]
    return EvaluationReport(
        table=pd.concat(filled or tables, ignore_index=True),
        genes=genes,
        samples=samples,
        features=features,
        alarms=tuple(alarms),
        notes=tuple(notes + said),
        n_test=n_test,
        n_held_out=n_held_out,
    )


def _judged(adata: AnnData) -> AnnData:
    """All samples but those that only calibrate, without layers."""
    used_n = ~in_split(adata, keys.CALIBRATION)
    x = adata.X[used_n]
    x_ng = np.asarray(x if isinstance(x, np.ndarray) else x.toarray())
    return type(adata)(x_ng, obs=adata.obs[used_n], var=adata.var[[]], uns=dict(adata.uns))
