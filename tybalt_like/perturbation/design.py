"""Which samples are compared, and which are held out: the recipe's table ``[perturbation]``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tybalt_like.core.errors import RecipeError
from tybalt_like.core.settings import FilePath, table

TABLE = "perturbation"
ONE_TREATMENT = "treatment"
"""Name of the drug where no column names one."""


@table(TABLE)
@dataclass(frozen=True)
class Design:
    """Columns of the sample table, and the protocol.

    Parameters
    ----------
    group
        Column with the cell line, donor or experiment: pairs are formed within it.
    treatment
        Column that tells untreated from treated samples.
    control
        Its value for the untreated.
    drug
        Column that names the drug. Without it there is one treatment.
    drugs
        Train one model for each of these; ``["all"]`` for each drug of the column; empty: one
        model for all treated samples together.
    match
        Further columns in which a control must equal the treated sample, such as duration.
    controls
        Several controls of one treated sample are averaged (``"mean"``), or one is drawn
        (``"one"``).
    unmatched
        What to do with treated samples that have no control: refuse, or leave out.
    response
        Column with the response: 0 and 1, or numbers; empty where it is unknown.
    responses
        Table of responses (CSV or TSV) with the columns `group`, `drug` and `response`, instead
        of a column of the sample table.
    threshold
        Responses above it are 1, others 0; ``"median"`` is that of the training samples.
    labelled
        Share of the groups that keep their response in training: how well does the model do with
        less? Held-out samples keep theirs.
    where
        Use only samples with these values, by column.
    hold_out
        Column whose values lie in one fold each; `group` if not given.
    fold
        Column with folds made by hand.
    folds
        Parts that are held out in turn.
    seeds
        How often that is repeated with other parts.
    validation
        Share of the training groups (or samples, if there are fewer than 5 groups) that decide
        when to stop.
    balanced
        Draw every group equally often in training.
    """

    group: str
    treatment: str = "treatment"
    control: str = "control"
    drug: str | None = None
    drugs: tuple[str, ...] = ()
    match: tuple[str, ...] = ()
    controls: Literal["mean", "one"] = "mean"
    unmatched: Literal["refuse", "drop"] = "refuse"
    response: str | None = None
    responses: FilePath | None = None
    threshold: float | Literal["median"] | None = None
    labelled: float = 1.0
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    hold_out: str | None = None
    fold: str | None = None
    folds: int = 5
    seeds: int = 1
    validation: float = 0.2
    balanced: bool = True

    def __post_init__(self) -> None:
        for name, low in (("folds", 2), ("seeds", 1)):
            if getattr(self, name) < low:
                raise RecipeError(f"perturbation.{name} must be at least {low}")
        if not 0 < self.labelled <= 1:
            raise RecipeError(f"perturbation.labelled is {self.labelled}; it must lie in (0, 1]")
        if not 0 < self.validation < 1:
            raise RecipeError(
                f"perturbation.validation is {self.validation}; it must lie in (0, 1)"
            )
        if self.drugs and self.drug is None:
            raise RecipeError("perturbation.drugs needs perturbation.drug, the column to look in")
        if self.responses is not None and not (self.response and self.drug):
            raise RecipeError(
                "perturbation.responses needs perturbation.drug and perturbation.response, "
                "columns of that table"
            )

    @property
    def held_out(self) -> str:
        """The column whose values are held out."""
        return self.hold_out or self.group


@table("simulation")
@dataclass(frozen=True)
class Simulation:
    """Cell lines simulated from Dr.VAE's own generative model: the table ``[simulation]``.

    Parameters
    ----------
    groups
        Cell lines, each with one sample before treatment.
    single
        Share of them without a sample after treatment.
    unknown
        Share of them whose response nobody knows.
    n_genes
        Size of the profiles.
    latent_dim
        Size of the space that they come from.
    effect
        Distance in z1 between the classes' means, in standard deviations of the rest.
    shift
        Size of the perturbation's matrix W, 0 for the same shift in every cell line.
    noise
        Standard deviation of the genes' noise; their signal has about 1.
    seed
        Of the simulation.
    """

    groups: int = 300
    single: float = 0.0
    unknown: float = 0.0
    n_genes: int = 200
    latent_dim: int = 8
    effect: float = 2.0
    shift: float = 0.5
    noise: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, low in (("groups", 20), ("n_genes", 2), ("latent_dim", 1)):
            if getattr(self, name) < low:
                raise RecipeError(f"simulation.{name} must be at least {low}")
        for name in ("single", "unknown"):
            if not 0 <= getattr(self, name) < 1:
                raise RecipeError(f"simulation.{name} must be at least 0 and below 1")
