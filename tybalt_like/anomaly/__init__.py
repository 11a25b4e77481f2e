"""Anomaly scores, their calibration, and the genes behind them: arrays in, arrays out."""

from tybalt_like.anomaly.attribution import ResidualStatistics, gene_scores
from tybalt_like.anomaly.calibration import conformal_p_values, q_values
from tybalt_like.anomaly.combination import VIEWS, pooled, surprise
from tybalt_like.anomaly.detector import Detector
from tybalt_like.anomaly.metrics import (
    auroc_difference,
    auroc_interval,
    detection_metrics,
    together,
)
from tybalt_like.anomaly.norm import standardised_norm
from tybalt_like.anomaly.outputs import ModelOutputs
from tybalt_like.anomaly.trimming import trimmed
from tybalt_like.anomaly.view import View

__all__ = [
    "VIEWS",
    "Detector",
    "ModelOutputs",
    "ResidualStatistics",
    "View",
    "auroc_difference",
    "auroc_interval",
    "conformal_p_values",
    "detection_metrics",
    "gene_scores",
    "pooled",
    "q_values",
    "standardised_norm",
    "surprise",
    "together",
    "trimmed",
]
