"""Verbs on an AnnData; each says what it adds."""

from tybalt_like.tl.again import trained_again
from tybalt_like.tl.attributions import attributions
from tybalt_like.tl.closest_normal import closest_normal
from tybalt_like.tl.closest_reference import closest_reference
from tybalt_like.tl.contrast import contrast
from tybalt_like.tl.detect import detect
from tybalt_like.tl.direction import direction
from tybalt_like.tl.embed import tsne, umap
from tybalt_like.tl.ensemble import ensemble
from tybalt_like.tl.evaluate import evaluate
from tybalt_like.tl.explain import explain, explain_gene_sets
from tybalt_like.tl.features import features
from tybalt_like.tl.fit import fit, latent
from tybalt_like.tl.gene_effects import gene_effects
from tybalt_like.tl.move import interpolate, move
from tybalt_like.tl.rotate import rotate
from tybalt_like.tl.score import score
from tybalt_like.tl.survival import survival
from tybalt_like.tl.synthesise import judge_synthetic, synthesise

__all__ = [
    "attributions",
    "closest_normal",
    "closest_reference",
    "contrast",
    "detect",
    "direction",
    "ensemble",
    "evaluate",
    "explain",
    "explain_gene_sets",
    "features",
    "fit",
    "gene_effects",
    "interpolate",
    "judge_synthetic",
    "latent",
    "move",
    "rotate",
    "score",
    "survival",
    "synthesise",
    "trained_again",
    "tsne",
    "umap",
]


def __dir__() -> list[str]:
    return __all__
