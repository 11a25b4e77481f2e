"""The report card: every measurement as a row of one long table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from tybalt_like.evaluation.estimate import Estimate

GENES, PERMUTED, MEAN, CHANCE = "genes", "permuted genes", "mean profile", "chance"
"""What encodings are compared with, beside other models: the genes themselves; PCA trained on
genes that were permuted one by one; the training mean; guessing by frequency."""
REFERENCE = "pca"
"""The encoding that every other one has to beat."""
COLUMNS = [
    *("encoder", "metric", "column", "value", "standard_error"),
    *("minus_pca", "minus_pca_error", "n"),
]


@dataclass(frozen=True)
class Card:
    """How good an encoding is, measured on held-out samples, beside simple ones.

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
    """Rows of `Card.table` from measurements on the same samples, by encoder and metric."""
    reference = measured.get(REFERENCE, {})
    rows = []
    for encoder, metrics in measured.items():
        for metric, estimate in metrics.items():
            row = [encoder, metric, column, estimate.value, estimate.standard_error]
            beside = None
            if encoder != REFERENCE and metric in reference:
                beside = estimate - reference[metric]
            row += [beside.value, beside.standard_error] if beside else [float("nan")] * 2
            rows.append([*row, n])
    return pd.DataFrame(rows, columns=COLUMNS)
