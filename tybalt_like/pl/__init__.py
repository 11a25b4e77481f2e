"""Figures: tables or AnnData in, matplotlib Axes or Figure out; nothing is shown or trained."""

from tybalt_like.pl.aberrant import volcano
from tybalt_like.pl.arithmetic import contrast_agreement, contrast_genes, interpolation
from tybalt_like.pl.curves import precision_recall, roc
from tybalt_like.pl.features import feature_columns, feature_values
from tybalt_like.pl.genes import gene_residuals
from tybalt_like.pl.heatmap import latent_heatmap
from tybalt_like.pl.history import training
from tybalt_like.pl.qc import qc
from tybalt_like.pl.saving import save
from tybalt_like.pl.scatter import embedding, tsne, umap
from tybalt_like.pl.scores import score_distribution
from tybalt_like.pl.survival import hazard_ratios, kaplan_meier
from tybalt_like.pl.synthetic import synthetic_measures

__all__ = [
    "contrast_agreement",
    "contrast_genes",
    "embedding",
    "feature_columns",
    "feature_values",
    "gene_residuals",
    "hazard_ratios",
    "interpolation",
    "kaplan_meier",
    "latent_heatmap",
    "precision_recall",
    "qc",
    "roc",
    "save",
    "score_distribution",
    "synthetic_measures",
    "training",
    "tsne",
    "umap",
    "volcano",
]


def __dir__() -> list[str]:
    return __all__
