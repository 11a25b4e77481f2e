"""Verbs on an AnnData; each says what it adds."""

from tybalt_like.images.figure_data import Gallery
from tybalt_like.images.generated import game_of, made_images
from tybalt_like.images.learned import beside, images, shows_images
from tybalt_like.images.strange import strange_images
from tybalt_like.tl.embed import check_maps, tsne, umap
from tybalt_like.tl.ensemble import ensemble
from tybalt_like.tl.evaluate import evaluate
from tybalt_like.tl.fit import fit, latent
from tybalt_like.tl.gene_sets import explain_pathways
from tybalt_like.tl.score import explain, score

__all__ = [
    "Gallery",
    "beside",
    "check_maps",
    "ensemble",
    "evaluate",
    "explain",
    "explain_pathways",
    "fit",
    "game_of",
    "images",
    "latent",
    "made_images",
    "score",
    "shows_images",
    "strange_images",
    "tsne",
    "umap",
]
