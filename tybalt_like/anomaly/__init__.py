"""Anomaly scores, their calibration, and the genes behind them: arrays in, arrays out."""

from tybalt_like.anomaly.attribution import UsualGenes, gene_scores
from tybalt_like.anomaly.calibration import Calibration, PValues, conformal_p_values, q_values
from tybalt_like.anomaly.combination import IMAGE_VIEWS, VIEWS, pooled, pooled_calibration, surprise
from tybalt_like.anomaly.detector import Detector, HeldOut
from tybalt_like.anomaly.domain import Domain
from tybalt_like.anomaly.fitted_views import FittedViews
from tybalt_like.anomaly.metrics import (
    auroc_difference,
    auroc_interval,
    detection_metrics,
    together,
)
from tybalt_like.anomaly.norm import Norm, standardised_norm
from tybalt_like.anomaly.null import ResidualNull
from tybalt_like.anomaly.outputs import ModelOutputs
from tybalt_like.anomaly.recalibration import as_reference, left_out, offset
from tybalt_like.anomaly.set_null import SetNull
from tybalt_like.anomaly.trimming import trimmed
from tybalt_like.anomaly.verdict import Verdict
from tybalt_like.anomaly.view import View

__all__ = [
    "IMAGE_VIEWS",
    "VIEWS",
    "Calibration",
    "Detector",
    "Domain",
    "FittedViews",
    "HeldOut",
    "ModelOutputs",
    "Norm",
    "PValues",
    "ResidualNull",
    "SetNull",
    "UsualGenes",
    "Verdict",
    "View",
    "as_reference",
    "auroc_difference",
    "auroc_interval",
    "conformal_p_values",
    "detection_metrics",
    "gene_scores",
    "left_out",
    "offset",
    "pooled",
    "pooled_calibration",
    "q_values",
    "standardised_norm",
    "surprise",
    "together",
    "trimmed",
]
