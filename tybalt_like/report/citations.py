"""What to cite."""

from __future__ import annotations

MODELS = {
    "tybalt": "Tybalt: Way GP, Greene CS. Extracting a biologically relevant latent space from "
    "cancer transcriptomes with variational autoencoders. Pacific Symposium on Biocomputing "
    "23:80-91 (2018).",
}
METHODS = [
    "Calibrated p-values: Bates S, Candès E, Lei L, Romano Y, Sesia M. Testing for outliers with "
    "conformal p-values. Annals of Statistics 51:149-178 (2023).",
    "False-discovery rate: Benjamini Y, Hochberg Y. Controlling the false discovery rate. Journal "
    "of the Royal Statistical Society B 57:289-300 (1995).",
    "UMAP: McInnes L, Healy J, Melville J. UMAP: uniform manifold approximation and projection "
    "for dimension reduction. arXiv:1802.03426 (2018).",
    "t-SNE: van der Maaten L, Hinton G. Visualizing data using t-SNE. Journal of Machine Learning "
    "Research 9:2579-2605 (2008); openTSNE: Poličar PG, Stražar M, Zupan B. Journal of "
    "Statistical Software 109:3 (2024).",
]


def citations(model: str, version: str) -> list[str]:
    """The software, the model's paper, and the methods that every run uses."""
    software = f"tybalt_like {version}, BSD-3-Clause."
    return [software, *([MODELS[model]] if model in MODELS else []), *METHODS]
