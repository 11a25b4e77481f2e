"""What latent features mean: arrays and tables in, tables out."""

from tybalt_like.interpretation.arithmetic import compared, feature_table, gene_table
from tybalt_like.interpretation.directions import linear_probe, mean_difference
from tybalt_like.interpretation.fidelity import fidelity, train_on_synthetic
from tybalt_like.interpretation.path import gene_course, steps_of
from tybalt_like.interpretation.privacy import privacy

__all__ = [
    "compared",
    "feature_table",
    "fidelity",
    "gene_course",
    "gene_table",
    "linear_probe",
    "mean_difference",
    "privacy",
    "steps_of",
    "train_on_synthetic",
]


def __dir__() -> list[str]:
    return __all__
