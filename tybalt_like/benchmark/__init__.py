"""Measurements over seeds, always beside the simple baselines: one long table each."""

from tybalt_like.benchmark.detection import brca, print_detection
from tybalt_like.benchmark.latent import latent, print_latent

__all__ = ["brca", "latent", "print_detection", "print_latent"]
