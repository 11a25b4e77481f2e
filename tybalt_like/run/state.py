"""A run under way, and the stages that it is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tybalt_like.core.helpers import Helpers
from tybalt_like.models import Model
from tybalt_like.run.maps import Maps
from tybalt_like.run.on_disk import OnDisk
from tybalt_like.run.progress import Progress
from tybalt_like.run.recipe import Recipe
from tybalt_like.run.results import Results

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass
class State:
    """A run under way.

    Attributes
    ----------
    work
        The unfinished folder; None where nothing is written.
    inputs
        The files that are read (`about.inputs_of`).
    adata
        As read, with the split.
    cohort
        All samples, where most of them stay on disk; `adata` then has those that are held.
    results
        What has been found so far.
    helpers
        Processes that share the work.
    can_map, maps, again
        What they were asked for: whether maps can be made here, maps of the genes and the latents,
        and the model trained with other seeds.
    """

    recipe: Recipe
    device: str
    progress: Progress
    checkpoint: Path | None = None
    work: Path | None = None
    inputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    adata: AnnData = field(init=False)
    cohort: OnDisk | None = None
    results: Results = field(init=False)
    helpers: Helpers = field(default_factory=Helpers)
    can_map: Callable[[], None] = field(default=lambda: None)
    maps: list[Callable[[], Maps]] = field(default_factory=list)
    again: Callable[[], tuple[list[Model], list[str]]] = field(init=False)


class Stage(NamedTuple):
    """A part of a run.

    Attributes
    ----------
    title
        What it is called while it runs, with ``{model}`` for the name of the model.
    work
        Changes the state.
    everywhere
        Whether every process that trains has a share in it; the others are the writing one's.
    """

    title: str
    work: Callable[[State], None]
    everywhere: bool = True
