"""Anomaly scores, their calibration, and the genes behind them: arrays in, arrays out."""

from tybalt_like.anomaly.attribution import Errors, gene_scores
from tybalt_like.anomaly.calibration import conformal_p_values, q_values
from tybalt_like.anomaly.combination import COMBINED, VIEWS, pooled, surprise
from tybalt_like.anomaly.detector import COMMON, Detector
from tybalt_like.anomaly.detector_1 import Detector1
from tybalt_like.anomaly.metrics import detection_metrics, together
from tybalt_like.anomaly.norm import standardised_norm
from tybalt_like.anomaly.outputs import Evidence
from tybalt_like.anomaly.trimming import trimmed

__all__ = [
    "COMBINED",
    "COMMON",
    "VIEWS",
    "Detector",
    "Detector1",
    "Errors",
    "Evidence",
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
