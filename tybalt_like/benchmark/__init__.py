"""Measurements over seeds, always beside the simple baselines: one long table each."""

from tybalt_like.benchmark.aberrant import aberrant, print_aberrant
from tybalt_like.benchmark.anomaly import detect, print_anomaly
from tybalt_like.benchmark.cases import Case, of_file
from tybalt_like.benchmark.contaminated import adbench, contaminated
from tybalt_like.benchmark.detection import brca, print_detection
from tybalt_like.benchmark.images import images, print_images
from tybalt_like.benchmark.latent import latent, print_latent
from tybalt_like.benchmark.perturbation import perturbation, print_perturbation

__all__ = [
    "Case",
    "aberrant",
    "adbench",
    "brca",
    "contaminated",
    "detect",
    "images",
    "latent",
    "of_file",
    "perturbation",
    "print_aberrant",
    "print_anomaly",
    "print_detection",
    "print_images",
    "print_latent",
    "print_perturbation",
]
