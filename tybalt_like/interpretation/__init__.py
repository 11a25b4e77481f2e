"""What latent features mean: arrays and tables in, tables out."""

from tybalt_like.interpretation.concordance import Predictor, concordance
from tybalt_like.interpretation.directions import linear_probe, mean_difference
from tybalt_like.interpretation.follow_up import FollowUp
from tybalt_like.interpretation.hazards import hazard_ratios, kaplan_meier
from tybalt_like.interpretation.survival import Survival, survival

__all__ = [
    "FollowUp",
    "Predictor",
    "Survival",
    "concordance",
    "hazard_ratios",
    "kaplan_meier",
    "linear_probe",
    "mean_difference",
    "survival",
]


def __dir__() -> list[str]:
    return __all__
