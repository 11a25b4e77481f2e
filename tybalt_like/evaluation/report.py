"""What was measured of an encoding: every measurement as a row of one long table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from tybalt_like.evaluation.estimate import Estimate

GENES, PERMUTED, MEAN, CHANCE = "genes", "permuted genes", "mean profile", "chance"
"""What encodings are compared with, difference other models: the genes themselves; PCA trained on
genes that were permuted one by one; the training mean; guessing by frequency."""
REFERENCE = "pca"
"""The encoding that every other one has to beat."""
CITATIONS = [
    "Active units: Burda Y, Grosse R, Salakhutdinov R. Importance weighted autoencoders. ICLR "
    "(2016).",
    "CKA: Kornblith S, Norouzi M, Lee H, Hinton G. Similarity of neural network representations "
    "revisited. ICML (2019); unbiased estimate: Song L, Smola A, Gretton A, Bedo J, Borgwardt K. "
    "Feature selection via dependence maximization. Journal of Machine Learning Research "
    "13:1393-1434 (2012).",
    "SVCCA: Raghu M, Gilmer J, Yosinski J, Sohl-Dickstein J. SVCCA: singular vector canonical "
    "correlation analysis for deep learning dynamics and interpretability. NeurIPS (2017).",
    "Comparison of encodings by size and algorithm: Way GP, Zietz M, Rubinetti V, Himmelstein DS, "
    "Greene CS. Compressing gene expression data using multiple latent space dimensionalities "
    "learns complementary biological representations. Genome Biology 21:109 (2020).",
]
COLUMNS = [
    *("encoder", "metric", "column", "value", "standard_error"),
    *("minus_pca", "minus_pca_error", "n"),
]


@dataclass(frozen=True)
class EvaluationReport:
    """How good an encoding is, measured on held-out samples, difference simple ones.

    Attributes
    ----------
    table
        One row per ``encoder``, ``metric`` and label ``column`` (empty where there is none):
        ``value``, its ``standard_error``, the difference to PCA on the same samples
        (``minus_pca``) with its standard error, and the number ``n`` of samples.
    genes, samples
        Agreement of reconstructions and profiles, a row per encoder and test gene or sample.
    features
        One row per latent feature of the model; see `latent_features`.
    alarms
        What a user must know before believing the model.
    notes
        What was not measured, and why.
    n_test, n_held_out
        Samples behind reconstructions (split test), and behind probes and clusters (test and
        query).
    """

    table: pd.DataFrame
    genes: pd.DataFrame
    samples: pd.DataFrame
    features: pd.DataFrame
    alarms: tuple[str, ...]
    notes: tuple[str, ...]
    n_test: int
    n_held_out: int


def tabulate(
    measured: Mapping[str, Mapping[str, Estimate]], *, n: int, column: str = ""
) -> pd.DataFrame:
    """Rows of `EvaluationReport.table` from measurements on the same samples, by encoder."""
    reference = measured.get(REFERENCE, {})
    rows = []
    for encoder, metrics in measured.items():
        for metric, estimate in metrics.items():
            row = [encoder, metric, column, estimate.value, estimate.standard_error]
            apart = None
            if encoder != REFERENCE and metric in reference:
                apart = estimate - reference[metric]
            row += [apart.value, apart.standard_error] if apart else [float("nan")] * 2
            rows.append([*row, n])
    return pd.DataFrame(rows, columns=COLUMNS)
