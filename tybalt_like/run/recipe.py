"""The recipe of a run: TOML tables as checked, frozen settings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import PositiveInt

from tybalt_like.anomaly import VIEWS
from tybalt_like.core.errors import RecipeError
from tybalt_like.core.settings import checked
from tybalt_like.core.toml import tables_of
from tybalt_like.models import Model, Training
from tybalt_like.pp import Normalisation

MAX_CONTAMINATION = 0.3
"""Of a reference cohort with more anomalies than that nobody can say which part is normal."""


@dataclass(frozen=True)
class Data:
    """What is read, and which samples are the reference.

    Parameters
    ----------
    dataset
        Name in the registry; or else
    path
        a file with the expression matrix, and
    obs
        a sample table to join to it.
    genes_in
        Orientation of a text matrix.
    image_size
        Rows and columns to resize the images of a folder to.
    label
        Column that colours the figures and names the groups below.
    normal
        Labels of the reference cohort, which is learned from; empty means all samples.
    anomalies
        Labels that should be found; they only serve to measure how well they are.
    contamination
        Share of the reference cohort that may be anomalous without being labelled so. That many
        of its strangest samples are left out of training and calibration and tested instead
        (`anomaly.trimmed`).
    """

    dataset: str | None = None
    path: str | None = None
    obs: str | None = None
    genes_in: Literal["auto", "rows", "columns"] = "auto"
    image_size: PositiveInt | None = None
    label: str | None = None
    normal: tuple[str, ...] = ()
    anomalies: tuple[str, ...] = ()
    contamination: float = 0.0

    def __post_init__(self) -> None:
        if (self.dataset is None) == (self.path is None):
            raise RecipeError("give either data.dataset or data.path")
        if (self.normal or self.anomalies) and self.label is None:
            raise RecipeError(
                "data.normal and data.anomalies need data.label, the column to look in"
            )
        both = set(self.normal) & set(self.anomalies)
        if both:
            raise RecipeError(f"{min(both)!r} is both in data.normal and in data.anomalies")
        if not 0 <= self.contamination <= MAX_CONTAMINATION:
            raise RecipeError(
                f"data.contamination is {self.contamination}; it must lie between 0 and "
                f"{MAX_CONTAMINATION}"
            )
        if self.anomalies and not self.normal:
            raise RecipeError("data.anomalies needs data.normal: the labels that are not anomalous")


@dataclass(frozen=True)
class Split:
    """Shares of the reference cohort; what train and calibration leave is the test split.

    Parameters
    ----------
    train, calibration
        Shares of the reference cohort.
    validation
        A share of the training part.
    by
        Sample column with an official division. Reference samples called "test" there are the test
        split, whatever the shares; the others are divided into the rest, in proportion. Without
        one, or "", all are divided by the shares.
    """

    train: float = 0.6
    calibration: float = 0.2
    validation: float = 0.1
    by: str | None = None

    def __post_init__(self) -> None:
        for name in ("train", "calibration", "validation"):
            if not 0 < getattr(self, name) < 1:
                raise RecipeError(f"split.{name} is {getattr(self, name)}; it must lie in (0, 1)")
        if self.train + self.calibration > 1:
            raise RecipeError("split.train and split.calibration add up to more than 1")


@dataclass(frozen=True)
class Scores:
    """How strangeness is judged.

    Parameters
    ----------
    fdr
        False-discovery rate of the flags.
    n_neighbors
        Training samples in the kNN distance.
    views
        Scores that the combined one, to which p-values belong, is made of. The baseline beside
        the model uses those of them that every model has, or else its usual ones.
    conditional_on
        Sample column with a label or a batch; error rates then hold within each of its groups.
    folds
        Where every sample belongs to the reference (no data.normal), each is tested by a model
        trained without its fold; with 0 only the test split is tested.
    gene_sets
        GMT file; the sets whose genes make the strange samples strange are then reported too.
    n_train
        Of more training samples than that, so many random ones are what others are compared with.
        The model learns from all of them.
    """

    fdr: float = 0.05
    n_neighbors: PositiveInt = 5
    views: tuple[str, ...] = VIEWS
    conditional_on: str | None = None
    folds: int = 5
    gene_sets: str | None = None
    n_train: PositiveInt | None = None

    def __post_init__(self) -> None:
        if not 0 < self.fdr < 1:
            raise RecipeError(f"scores.fdr is {self.fdr}; it must lie in (0, 1)")
        if not self.views:
            raise RecipeError("scores.views is empty; name at least one score")


@dataclass(frozen=True)
class Evaluation:
    """How the encoding is judged; see `tl.evaluate`.

    Parameters
    ----------
    seeds
        Trainings that are compared for stability; each costs as much as the first. 1 leaves
        stability out.
    baselines
        What the model is compared with, beside the genes and a control of permuted genes.
    batch
        Column that should not be readable from the encoding.
    """

    seeds: PositiveInt = 2
    baselines: tuple[Literal["pca", "ica", "nmf"], ...] = ("pca", "ica", "nmf")
    batch: str | None = None


@dataclass(frozen=True)
class Pictures:
    """Settings of the embeddings.

    Parameters
    ----------
    maps
        Which to make; on tens of thousands of samples each takes minutes.
    tsne_perplexity, umap_n_neighbors, umap_min_dist
        As those methods call them; perplexity 20 is the Tybalt paper's.
    """

    maps: tuple[Literal["umap", "tsne"], ...] = ("umap", "tsne")
    tsne_perplexity: float = 20
    umap_n_neighbors: int = 15
    umap_min_dist: float = 0.1


@dataclass(frozen=True)
class Images:
    """What a run shows of a model of images; see `tl.images`. Other data have no use for it.

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
        for title, table in self.beside.items():
            if "name" not in table:
                raise RecipeError(f"images.beside.{title}.name is missing: which model is it?")
            settings = {k: v for k, v in table.items() if k not in ("name", "training")}
            Model.named(table["name"]).configure(**settings)


class Trained:
    """What a recipe of any kind says about its model: the tables ``model`` and ``training``."""

    model: Mapping[str, Any]
    training: Mapping[str, Any]

    @property
    def model_name(self) -> str:
        return str(self.model["name"])

    @property
    def model_config(self) -> dict[str, Any]:
        return {key: value for key, value in self.model.items() if key != "name"}

    @property
    def training_settings(self) -> Training:
        """The model's training defaults with the recipe's changes."""
        defaults = asdict(Model.named(self.model_name).training_defaults)
        return checked(Training, defaults | dict(self.training), where="training")


@dataclass(frozen=True)
class Recipe(Trained):
    """Everything a run depends on; equal recipes on equal data give equal results.

    Attributes
    ----------
    model
        Registered name and settings of the model, as one table; Tybalt if no name is given.
    training
        Changes to the model's own training defaults.
    """

    data: Data
    model: Mapping[str, Any]
    name: str = "run"
    seed: int = 0
    split: Split = field(default_factory=Split)
    normalize: Normalisation = field(default_factory=Normalisation)
    training: Mapping[str, Any] = field(default_factory=dict)
    scores: Scores = field(default_factory=Scores)
    evaluation: Evaluation = field(default_factory=Evaluation)
    pictures: Pictures = field(default_factory=Pictures)
    images: Images = field(default_factory=Images)

    def __post_init__(self) -> None:
        Model.named(self.model_name).configure(**self.model_config)
        self.training_settings  # noqa: B018 - checks the table

    @classmethod
    def from_tables(cls, tables: Mapping[str, Any]) -> Self:
        """Build from nested plain values.

        Raises
        ------
        RecipeError
            Names the unknown key or the value that does not fit.
        """
        kinds = {
            "data": Data,
            "split": Split,
            "normalize": Normalisation,
            "scores": Scores,
            "evaluation": Evaluation,
            "pictures": Pictures,
            "images": Images,
        }
        filled = dict(tables)
        filled["model"] = {"name": "tybalt"} | dict(filled.get("model", {}))
        for key, kind in kinds.items():
            if key in filled or key == "data":
                table = filled.get(key, {})
                if not isinstance(table, Mapping):
                    raise RecipeError(f"{key} must be a table: [{key}]")
                filled[key] = checked(kind, table, where=key)
        return checked(cls, filled, where="recipe")

    @classmethod
    def from_toml(cls, path: Path) -> Self:
        """Read a TOML file; see `tables_of`."""
        return cls.from_tables(tables_of(path))

    def inputs(self) -> list[Path]:
        """Files and folders that are read."""
        named = (self.data.path, self.data.obs, self.scores.gene_sets)
        return [Path(path) for path in named if path is not None and path != "-"]

    def to_tables(self) -> dict[str, Any]:
        """Nested plain values; `from_tables` reads them back."""
        tables: dict[str, Any] = json.loads(
            json.dumps({f.name: _plain(self, f.name) for f in fields(self)})
        )
        return tables


def _plain(recipe: Recipe, name: str) -> Any:
    value = getattr(recipe, name)
    return asdict(value) if hasattr(value, "__dataclass_fields__") else value
