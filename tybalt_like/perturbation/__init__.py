"""Profiles before and after treatment, and the response to it: PertVAE, SSVAE and Dr.VAE in
grouped folds beside simple baselines."""

from tybalt_like.perturbation.design import Design, Simulation
from tybalt_like.perturbation.plan import TABLE, Cell, Plan, beside
from tybalt_like.perturbation.samples import Samples, read

__all__ = ["TABLE", "Cell", "Design", "Plan", "Samples", "Simulation", "beside", "read"]
