"""Figures: tables or AnnData in, matplotlib Axes or Figure out; nothing is shown or trained."""

from tybalt_like.images.drawing import image_rows, image_sheets
from tybalt_like.images.plots import bands, bars, code_planes, subspace_angles, trade_off
from tybalt_like.images.residual_maps import image_guess, residual_maps
from tybalt_like.pl.aberrant import aberrant_per_sample, expected_observed, p_value_qq, volcano
from tybalt_like.pl.compression import compression
from tybalt_like.pl.curves import detection_by_label, precision_recall, roc
from tybalt_like.pl.evaluation import encoder_styles, gene_agreement, latent_kl, probe_scores
from tybalt_like.pl.genes import gene_residuals
from tybalt_like.pl.heatmap import latent_heatmap
from tybalt_like.pl.history import training
from tybalt_like.pl.palette import Style, styles
from tybalt_like.pl.perturbation import (
    change_scores,
    gene_changes,
    intervals,
    response_curves,
    shifts,
    uncertain_responses,
)
from tybalt_like.pl.qc import batch_purity, qc
from tybalt_like.pl.saving import save
from tybalt_like.pl.scatter import embedding, tsne, umap
from tybalt_like.pl.scores import metrics, score_distribution
from tybalt_like.pl.sweep import marginals, parallel_coordinates, sweep_panels

__all__ = [
    "Style",
    "aberrant_per_sample",
    "bands",
    "bars",
    "batch_purity",
    "change_scores",
    "code_planes",
    "compression",
    "detection_by_label",
    "embedding",
    "encoder_styles",
    "expected_observed",
    "gene_agreement",
    "gene_changes",
    "gene_residuals",
    "image_guess",
    "image_rows",
    "image_sheets",
    "intervals",
    "latent_heatmap",
    "latent_kl",
    "marginals",
    "metrics",
    "p_value_qq",
    "parallel_coordinates",
    "precision_recall",
    "probe_scores",
    "qc",
    "residual_maps",
    "response_curves",
    "roc",
    "save",
    "score_distribution",
    "shifts",
    "styles",
    "subspace_angles",
    "sweep_panels",
    "trade_off",
    "training",
    "tsne",
    "umap",
    "uncertain_responses",
    "volcano",
]
