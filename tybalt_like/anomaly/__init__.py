"""Anomaly scores, their calibration, and the genes behind them: arrays in, arrays out."""

from tybalt_like.anomaly.attribution import gene_scores
from tybalt_like.anomaly.calibration import conformal_p_values, q_values
from tybalt_like.anomaly.detector import COMBINED, Detector, Evidence
from tybalt_like.anomaly.metrics import detection_metrics
from tybalt_like.anomaly.norm import standardised_norm

__all__ = [
    "COMBINED",
    "Detector",
    "Evidence",
    "conformal_p_values",
    "detection_metrics",
    "gene_scores",
    "q_values",
    "standardised_norm",
]
