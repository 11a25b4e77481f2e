"""What latent features mean: arrays and tables in, tables out."""

from tybalt_like.interpretation.directions import linear_probe, mean_difference

__all__ = ["linear_probe", "mean_difference"]


def __dir__() -> list[str]:
    return __all__
