"""Every name that tybalt_like writes into an AnnData, once."""

from __future__ import annotations

COUNTS = "counts"
"""Layer with the matrix as it was read, when it held counts."""
SPLIT = "tybalt_split"
"""obs column, under a name that no sample table has: one of `TRAIN`, `VALIDATION`, `CALIBRATION`,
`TEST`, `QUERY`."""
TRAIN, VALIDATION, CALIBRATION, TEST, QUERY = "train", "validation", "calibration", "test", "query"
AFTER = "after"
RESPONSE, WEIGHT, UNIT = "tybalt_response", "tybalt_weight", "tybalt_unit"
"""Of pairs: the layer with profiles after treatment (NaN = none), and the obs columns with the
response (NaN = unknown), with how often training draws a sample, and with what is held out
together."""
GROUP = "group"
"""Entry of the provenance: the obs column whose samples the division keeps together."""
SAME = "same"
"""Entry of the provenance: names of samples with the same profile, together."""
SCALE = "scale_of_file"
"""Entry of the provenance: scale, and evidence of it, of the file of which these samples are a
part."""
CONTRADICTED = "contradicted"
"""Entry of the provenance: names of samples whose genes tell another sex than their record."""
MEASURED = "tybalt_measured"
"""obsm table of what the matrix itself tells of every sample: library size, detected genes, missing
values, the sex by its genes."""
LABEL, PART = "label", "part"
"""obs columns of images: the class, and the part of the official division (train, test, ...)."""
UMAP, TSNE = "X_umap", "X_tsne"
OF_GENES = "_genes"
"""Ending of the embedding keys for pictures of the genes instead of the latents."""
DEFAULT = "default"
"""Name of the scores of the detector that is used when nobody chooses."""
MODEL = "ppca_vae"
"""The encoder when nobody chooses: never worse than PCA in `benchmark latent`."""
UNS = "tybalt_like"
"""uns entry: provenance, one JSON string."""
SCORE_COLUMNS = "score_columns"
"""Entry of the provenance: the obs columns that hold scores, p- and q-values and flags."""


CHOSEN = "chosen"
"""Layer with whether a gene was chosen without the sample."""
UNSCALED = "unscaled"
"""Layer with the values before the last step of the normalisation, which gives all genes one
scale."""


def latent(model: str) -> str:
    """obsm key of the latent table."""
    return f"X_{model}"


def rotated(model: str, how: str) -> str:
    """obsm key of the scores on rotated axes of the latent space."""
    return f"{latent(model)}_{how}"


def weights(model: str) -> str:
    """varm key of the decoder weights, genes x latent features."""
    return f"{model}_weights"


def reconstruction(model: str) -> str:
    """Layer with the model's reconstruction."""
    return f"{model}_reconstruction"


def closest_normal(model: str) -> str:
    """Layer with the normal profile nearest to each sample that the model can make."""
    return f"{model}_closest_normal"


def score(model: str, name: str) -> str:
    """obs column of one anomaly score, its p-value or its q-value."""
    return f"{model}_{name}"
