"""What latent features mean: arrays and tables in, tables out."""

from tybalt_like.interpretation.arithmetic import compared, feature_table, gene_table
from tybalt_like.interpretation.associations import associations
from tybalt_like.interpretation.axes import Axes
from tybalt_like.interpretation.concordance import Predictor, concordance
from tybalt_like.interpretation.directions import (
    Direction,
    direction,
    linear_probe,
    mean_difference,
)
from tybalt_like.interpretation.effects import gene_effects
from tybalt_like.interpretation.enrichment import enrichment, random_effects, tail_genes
from tybalt_like.interpretation.fidelity import fidelity, train_on_synthetic
from tybalt_like.interpretation.follow_up import FollowUp
from tybalt_like.interpretation.hazards import hazard_ratios, kaplan_meier
from tybalt_like.interpretation.naming import names, set_title
from tybalt_like.interpretation.path import gene_course, steps_of
from tybalt_like.interpretation.privacy import privacy
from tybalt_like.interpretation.rotation import rotation
from tybalt_like.interpretation.stability import SAME, matched, redundancy, similarity, stability
from tybalt_like.interpretation.survival import Survival, survival

__all__ = [
    "SAME",
    "Axes",
    "Direction",
    "FollowUp",
    "Predictor",
    "Survival",
    "associations",
    "compared",
    "concordance",
    "direction",
    "enrichment",
    "feature_table",
    "fidelity",
    "gene_course",
    "gene_effects",
    "gene_table",
    "hazard_ratios",
    "kaplan_meier",
    "linear_probe",
    "matched",
    "mean_difference",
    "names",
    "privacy",
    "random_effects",
    "redundancy",
    "rotation",
    "set_title",
    "similarity",
    "stability",
    "steps_of",
    "survival",
    "tail_genes",
    "train_on_synthetic",
]


def __dir__() -> list[str]:
    return __all__
