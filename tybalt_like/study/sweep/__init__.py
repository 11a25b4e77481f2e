"""Train a recipe at many points of its settings, in one process or in several that share a folder,
and keep the best."""

from tybalt_like.study.sweep.search import sweep
from tybalt_like.study.sweep.space import TABLE, Plan, Range, Sweep

__all__ = ["TABLE", "Plan", "Range", "Sweep", "sweep"]
