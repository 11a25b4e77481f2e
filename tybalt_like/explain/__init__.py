"""What the latent features of a run mean: what is asked, what is found, and its sections."""

from tybalt_like.explain.explained import FOLDER, Explained, check, explained
from tybalt_like.explain.settings import Explain

__all__ = ["FOLDER", "Explain", "Explained", "check", "explained"]
