"""Verbs on an AnnData; each says what it adds."""

from tybalt_like.tl.attributions import attributions
from tybalt_like.tl.closest_normal import closest_normal
from tybalt_like.tl.detect import detect
from tybalt_like.tl.embed import tsne, umap
from tybalt_like.tl.ensemble import ensemble
from tybalt_like.tl.evaluate import evaluate
from tybalt_like.tl.explain import explain, explain_gene_sets
from tybalt_like.tl.fit import fit, latent
from tybalt_like.tl.score import score
from tybalt_like.tl.survival import survival

__all__ = [
    "attributions",
    "closest_normal",
    "detect",
    "ensemble",
    "evaluate",
    "explain",
    "explain_gene_sets",
    "fit",
    "latent",
    "score",
    "survival",
    "tsne",
    "umap",
]


def __dir__() -> list[str]:
    return __all__
