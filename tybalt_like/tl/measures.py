"""What is measured on a cohort and its encodings, as rows of its report."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import partial
from itertools import combinations

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from tybalt_like import evaluation
from tybalt_like.anomaly import standardised_norm
from tybalt_like.core import keys
from tybalt_like.core.helpers import Helpers
from tybalt_like.core.provenance import recorded
from tybalt_like.evaluation import Estimate, Labels, tabulate
from tybalt_like.evaluation.report import CHANCE, GENES, MEAN
from tybalt_like.models import Model
from tybalt_like.models.base import Batch
from tybalt_like.models.networks.variational import Variational
from tybalt_like.tl.covariates import known
from tybalt_like.tl.encoders import Array, Cohort, Encoding
from tybalt_like.training.loop import losses

MAX_PROBED = 2000
"""Probes and clusters look at so many held-out samples at most, drawn at random."""

Codes = NDArray[np.intp]
Measured = dict[str, dict[str, Estimate]]


def inside(
    cohort: Cohort, model: Model, encoding: Encoding
) -> tuple[pd.DataFrame, list[str], pd.DataFrame]:
    """The model's latent features, alarms, and the parts of its loss, over the test samples."""
    test_n, x_ng = cohort.test_n, cohort.x_ng
    batch = _batch(cohort, model)
    parts = {
        part if part == "loss" else f"loss_{part}": Estimate(value)
        for part, value in losses(model, batch.tensors).items()
        if part != "beta"
    }
    features = evaluation.latent_features(encoding.z_nk[test_n])
    if isinstance(model, Variational):
        with torch.no_grad():
            mean_nk, logvar_nk = (t.cpu().numpy() for t in model.eval().marginals(batch))
        features = evaluation.latent_features(mean_nk, logvar_nk)
        parts["active_units"] = Estimate(float(features["active"].sum()))
        parts["kl"] = Estimate(float(features["kl"].sum()))
    features.index = pd.Index(
        [f"{model.name}_{i + 1}" for i in range(len(features))], name="feature"
    )
    norm_n = standardised_norm(x_ng[test_n], x_ng[cohort.train_n])
    alarms = evaluation.posterior_collapse(features)
    if encoding.reconstruction_tg is not None:
        y_tg = encoding.reconstruction_tg
        alarms += evaluation.constant_reconstruction(x_ng[test_n], y_tg, norm_n=norm_n)
    return features, alarms, tabulate({model.name: parts}, n=int(test_n.sum()))


def _batch(cohort: Cohort, model: Model) -> Batch:
    """The test samples as the model takes them."""
    test = cohort.adata[cohort.test_n]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of unknown categories, which training has told of
        arrays = {"x_ng": np.asarray(test.X, dtype=np.float32)} | known(test, model)
    device = next(iter(model.state_dict().values())).device
    return Batch({name: torch.from_numpy(values).to(device) for name, values in arrays.items()})


def reconstruction(
    cohort: Cohort, encodings: Mapping[str, Encoding]
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Agreement by gene, by sample, and altogether, for every encoder that decodes."""
    test_n, mean_g = cohort.test_n, cohort.x_ng[cohort.train_n].mean(0)
    x_ng = cohort.x_ng[test_n]
    decoded = {
        name: encoding.reconstruction_tg
        for name, encoding in encodings.items()
        if encoding.reconstruction_tg is not None
    }
    decoded[MEAN] = np.broadcast_to(mean_g, x_ng.shape)
    genes, samples = {}, {}
    measured: Measured = {}
    for name, y_ng in decoded.items():
        of_gene = evaluation.per_gene(x_ng, y_ng, mean_g=mean_g)
        of_sample = evaluation.per_sample(x_ng, y_ng, mean_g=mean_g)
        genes[name] = of_gene.set_index(cohort.adata.var_names.rename("gene"))
        samples[name] = of_sample.set_index(cohort.adata.obs_names[test_n].rename("sample"))
        measured[name] = (
            evaluation.overall(x_ng, y_ng, mean_g=mean_g)
            | evaluation.quartiles(of_gene, of="gene")
            | evaluation.quartiles(of_sample, of="sample")
        )
    return _stacked(genes), _stacked(samples), tabulate(measured, n=len(x_ng))


def _stacked(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One table below the other, with the encoder as first column."""
    stacked = pd.concat([table.assign(encoder=name) for name, table in tables.items()])
    return stacked[["encoder", *stacked.columns.drop("encoder")]]


def stability(cohort: Cohort, encodings: Mapping[str, Encoding]) -> pd.DataFrame:
    """Agreement of the test samples' latents between trainings, the mean over all pairs."""
    train_n, test_n = cohort.train_n, np.flatnonzero(cohort.test_n)
    if len(test_n) > MAX_PROBED:  # whose products with each other are many
        test_n = np.sort(np.random.default_rng(0).choice(test_n, MAX_PROBED, replace=False))
    measured: Measured = {}
    for name, encoding in encodings.items():
        pairs = list(combinations([encoding.z_nk, *encoding.again], 2))
        found = {
            "cka": [evaluation.linear_cka(a[test_n], b[test_n]) for a, b in pairs],
            "svcca": [
                evaluation.svcca(a[train_n], b[train_n], judged_on=(a[test_n], b[test_n]))
                for a, b in pairs
            ],
        }
        measured[name] = {
            measure: Estimate(float(np.mean(values)))
            for measure, values in found.items()
            if values and not np.isnan(values).any()
        }
    return tabulate(measured, n=len(test_n))


def groups(
    cohort: Cohort,
    encodings: Mapping[str, Encoding],
    *,
    batch: str | None,
    seed: int,
    helpers: Helpers | None = None,
) -> tuple[list[pd.DataFrame], int, list[str]]:
    """Probes, clusters and batches among the held-out samples, their number, and notes.

    What the division keeps together, probes do not take apart either.
    """
    held = np.flatnonzero(cohort.held_n)
    notes = []
    if len(held) > MAX_PROBED:
        notes.append(f"probes and clusters see {MAX_PROBED} of {len(held)} held-out samples")
        held = np.sort(np.random.default_rng(seed).choice(held, MAX_PROBED, replace=False))
    obs = cohort.adata.obs.iloc[held]
    # Scores are made from the encodings, and batches are not to be predicted well.
    made = recorded(cohort.adata).get(keys.SCORE_COLUMNS, [])
    together = recorded(cohort.adata).get(keys.GROUP)
    leave_out = [keys.SPLIT, *made, *(name for name in (batch, together) if name)]
    group_n = None if cohort.group_n is None else cohort.group_n[held]
    found, left_out = evaluation.label_columns(obs, leave_out=leave_out, group_n=group_n)
    if not found:
        least = evaluation.labels.MIN_PER_CLASS
        several = "" if together is None else f" in several groups of {together}"
        notes.append(
            f"no label column has two classes of at least {least} held-out samples{several}"
        )
    of_held = {name: encoding.z_nk[held] for name, encoding in encodings.items()}
    helpers = helpers or Helpers()
    tables = helpers.share([partial(_labels, of_held, one, group_n, seed=seed) for one in found])
    if batch is not None:
        labels = evaluation.grouped(obs[batch], group_n)
        if len(labels.classes) < 2:  # batches of one group each can only be told sample by sample
            labels, group_n = evaluation.grouped(obs[batch]), None
        if len(labels.classes) > 1:
            tables.append(_batches(of_held, labels, group_n, seed=seed))
        else:
            notes.append(f"the held-out samples have no two batches in {batch}")
    return tables, len(held), notes + left_out


def _labels(
    encoded: Mapping[str, Array], labels: Labels, group_n: Codes | None, *, seed: int
) -> pd.DataFrame:
    """How well one label column is read from every encoding, and how well it clusters."""
    code_n, of_known = labels.code_n[labels.known_n], _known(group_n, labels)
    measured: Measured = {}
    for name, z_nk in encoded.items():
        known_nk = z_nk[labels.known_n]
        probes = evaluation.probe(known_nk, code_n, group_n=of_known, seed=seed)
        near_nk = evaluation.row_space(known_nk) if name == GENES else known_nk
        measured[name] = probes | evaluation.clusters(near_nk, code_n, seed=seed)
    guess = Estimate(1 / len(labels.classes))
    measured[CHANCE] = dict.fromkeys(probes, guess)
    return tabulate(measured, n=labels.n, column=labels.column)


def _batches(
    encoded: Mapping[str, Array], labels: Labels, group_n: Codes | None, *, seed: int
) -> pd.DataFrame:
    """How well batches can be told apart; the lower, the better."""
    code_n, of_known = labels.code_n[labels.known_n], _known(group_n, labels)
    measured: Measured = {}
    for name, z_nk in encoded.items():
        known_nk = z_nk[labels.known_n]
        probes = evaluation.probe(known_nk, code_n, group_n=of_known, seed=seed)
        accuracy = probes["linear_balanced_accuracy"]
        near = evaluation.purity(known_nk, code_n)
        measured[name] = {"batch_linear_balanced_accuracy": accuracy, "batch_purity": near}
    measured[CHANCE] = {
        "batch_linear_balanced_accuracy": Estimate(1 / len(labels.classes)),
        "batch_purity": Estimate(evaluation.mixed_purity(code_n)),
    }
    return tabulate(measured, n=labels.n, column=labels.column)


def _known(group_n: Codes | None, labels: Labels) -> Codes | None:
    """The groups of the samples that have a class."""
    return None if group_n is None else group_n[labels.known_n]
