"""What a run shows of a model of images: the recipe's table ``[images]``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tybalt_like.core.errors import RecipeError
from tybalt_like.core.settings import table
from tybalt_like.models import ModelSettings


@table("images")
@dataclass(frozen=True)
class Images:
    """What a run shows of a model of images; see `learned_images`. Other data have no use for it.

    Parameters
    ----------
    beside
        Further models to train and to show beside the recipe's, by the name that they have in
        figures: tables as ``[model]``, with changes to their training as ``training``.
    concepts
        Pairs of labels: from the first to the second there is a vector in the latent space. One
        of a pair may be "others", all labels but the other one.
    """

    beside: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    concepts: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        self.models()

    def models(self) -> dict[str, ModelSettings]:
        """The further models, checked."""
        found = {}
        for title, given in self.beside.items():
            where = f"images.beside.{title}."
            if "name" not in given:
                raise RecipeError(f"{where}name is missing: which model is it?")
            config = {key: value for key, value in given.items() if key not in ("name", "training")}
            found[title] = ModelSettings.of(
                given["name"], config, given.get("training"), where=where
            )
        return found
