"""Profiles before and after treatment, and the response to it: PertVAE, SSVAE and Dr.VAE in
grouped folds beside simple baselines."""

from tybalt_like.perturbation.design import TABLE, Design, Simulation
from tybalt_like.perturbation.plan import PairedJob, Plan
from tybalt_like.perturbation.samples import Samples, read

__all__ = ["TABLE", "Design", "PairedJob", "Plan", "Samples", "Simulation", "read"]
