"""What latent features mean: arrays and tables in, tables out."""

from tybalt_like.interpretation.associations import associations
from tybalt_like.interpretation.directions import linear_probe, mean_difference
from tybalt_like.interpretation.enrichment import enrichment, random_effects, tail_genes
from tybalt_like.interpretation.naming import names, set_title

__all__ = [
    "associations",
    "enrichment",
    "linear_probe",
    "mean_difference",
    "names",
    "random_effects",
    "set_title",
    "tail_genes",
]


def __dir__() -> list[str]:
    return __all__
