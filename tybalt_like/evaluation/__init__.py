"""How good an encoding is: arrays in, estimates with their standard errors out."""

from tybalt_like.evaluation.alarms import constant_reconstruction, posterior_collapse
from tybalt_like.evaluation.clusters import clusters
from tybalt_like.evaluation.estimate import Estimate
from tybalt_like.evaluation.labels import Labels, grouped, label_columns
from tybalt_like.evaluation.posterior import latent_features
from tybalt_like.evaluation.probes import classification, mixed_purity, probe, purity, row_space
from tybalt_like.evaluation.reconstruction import overall, per_gene, per_sample, quartiles
from tybalt_like.evaluation.report import EvaluationReport, tabulate
from tybalt_like.evaluation.stability import linear_cka, svcca

__all__ = [
    "Estimate",
    "EvaluationReport",
    "Labels",
    "classification",
    "clusters",
    "constant_reconstruction",
    "grouped",
    "label_columns",
    "latent_features",
    "linear_cka",
    "mixed_purity",
    "overall",
    "per_gene",
    "per_sample",
    "posterior_collapse",
    "probe",
    "purity",
    "quartiles",
    "row_space",
    "svcca",
    "tabulate",
]
