"""Encoders and detectors beside the simple baselines, on data of one's own: one long table each."""

from tybalt_like.benchmark.anomaly import detect
from tybalt_like.benchmark.cases import Case, of_file
from tybalt_like.benchmark.latent import Task, latent, print_latent
from tybalt_like.benchmark.verdicts import print_anomaly

__all__ = ["Case", "Task", "detect", "latent", "of_file", "print_anomaly", "print_latent"]
