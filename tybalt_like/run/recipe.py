"""The recipe of a run: TOML tables as checked, frozen settings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import NonNegativeInt, PositiveInt

from tybalt_like.anomaly import View
from tybalt_like.core import keys
from tybalt_like.core.errors import RecipeError
from tybalt_like.core.settings import TABLES, FilePath, NamedFile, checked, files_of, table
from tybalt_like.core.toml import tables_of
from tybalt_like.explain.settings import Explain
from tybalt_like.images.settings import Images
from tybalt_like.io import Options
from tybalt_like.io.options import in_words
from tybalt_like.models import Model, ModelSettings
from tybalt_like.pp import Normalisation

MAX_CONTAMINATION = 0.3
"""Of a reference cohort with more anomalies than that nobody can say which part is normal."""
QUICK_FOLDS = 5
"""Of the reference in a first look."""


@table("data")
@dataclass(frozen=True)
class Data(Options):
    """What is read, and which samples are the reference; how it is read says `io.Options`.

    Parameters
    ----------
    dataset
        Name of a data set in the registry, in place of `path`.
    path
        File or folder with the expression matrix.
    obs
        Sample table to join to it.
    label
        Column that colours the figures and names the groups below.
    normal
        Labels of the reference cohort, which is learned from; empty means all samples.
    anomalies
        Labels that should be found; they only serve to measure how well they are.
    contamination
        Share of the reference cohort that may be anomalous without being labelled so. That many
        of its strangest samples are not learned from (`anomaly.trimmed`); they are listed, and
        calibrate like all others.
    in_memory
        For cohorts larger than memory: the matrix, an h5ad or zarr, stays on disk, and so many
        random samples are held in memory. The model learns from all training samples, and all
        samples are encoded and scored; the held ones are the reference of the detectors, what the
        encoding is judged on and what pages and figures show, the strangest of the others beside
        them. All are in memory if None.
    """

    dataset: str | None = None
    path: FilePath | None = None
    obs: FilePath | None = None
    label: str | None = None
    normal: tuple[str, ...] = ()
    anomalies: tuple[str, ...] = ()
    contamination: float = 0.0
    in_memory: PositiveInt | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dataset is not None and self.parts():
            raise RecipeError(f"data: {in_words(self.parts())} needs data.path, not data.dataset")
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
        if self.in_memory is not None:
            self._check_on_disk()

    def _check_on_disk(self) -> None:
        """Refuse what takes the whole matrix in memory."""
        chosen = [one.name for one in fields(Options) if getattr(self, one.name) != one.default]
        for name in chosen + ["contamination"] * bool(self.contamination):
            raise RecipeError(f"data.in_memory: data.{name} needs all of the matrix; give one only")
        if self.path is None:
            raise RecipeError("data.in_memory needs data.path, an h5ad file or a zarr folder")


@table("split")
@dataclass(frozen=True)
class Split:
    """Shares of the reference cohort; what train and calibration leave is the test split.

    Parameters
    ----------
    train
        Share of the reference cohort that is learned from.
    calibration
        Share of the reference cohort that a detector which learns only once is calibrated with.
    validation
        A share of the training part.
    by
        Sample column with an official division. Reference samples called "test" there are the test
        split, whatever the shares; the others are divided into the rest, in proportion. Without
        one, or "", all are divided by the shares.
    group
        Sample column, such as the patient, donor, experiment or batch, whose samples stay
        together wherever samples are divided: parts, folds and probes. Name it if new samples
        will come from new ones; without it p-values hold for new samples of those that were seen.
    """

    train: float = 0.6
    calibration: float = 0.2
    validation: float = 0.1
    by: str | None = None
    group: str | None = None

    def __post_init__(self) -> None:
        for name in ("train", "calibration", "validation"):
            if not 0 < getattr(self, name) < 1:
                raise RecipeError(f"split.{name} is {getattr(self, name)}; it must lie in (0, 1)")
        if self.train + self.calibration > 1:
            raise RecipeError("split.train and split.calibration add up to more than 1")


@table("scores")
@dataclass(frozen=True)
class Scores:
    """How strangeness is judged.

    Parameters
    ----------
    fdr
        False-discovery rate of the flags.
    detector
        Who decides which samples are strange: ``"default"`` (`tl.detect`), fast and calibrated
        with all reference samples, or the recipe's ``"model"``. The other one is shown beside it.
        A model that decides is calibrated with all reference samples too, trained once for every
        fold; if it is trained in epochs and there are more than 1,000 of them, with a part of
        them, at least 500.
    p_values
        ``"auto"``: by ranks, and of fewer than 100 calibration samples by an exponential tail;
        ``"conformal"``: always by ranks; ``"conditional"``: by ranks, and valid for the
        calibration samples at hand (`anomaly.Calibration`).
    n_neighbors
        Training samples in the kNN distance.
    views
        Scores that the combined one, to which p-values belong, is made of; the usual ones if None.
        The scores that only the recipe's model has can only be named where it decides.
    conditional_on
        Sample column with a label or a batch; error rates then hold within each of its groups.
    folds
        Of the reference; each is scored by a detector that learned from the others. If None, 10, of
        5,000 and more samples 5, and as many as samples if these are 30 or fewer. With 0 a model
        that decides is trained only once, and calibrated with a part of the reference.
    gene_sets
        GMT file, or the name of known sets (``hallmark``); those whose genes make the strange
        samples strange are then reported too.
    genes_of_interest
        Text file with a gene in each line, such as those of the patient's phenotype: they get half
        of the false-discovery budget of a sample's genes (`anomaly.gene_scores`), and are looked at
        even if they hardly vary in the reference.
    n_train
        Of more training samples than that, so many random ones are what others are compared with.
        The model learns from all of them.
    """

    fdr: float = 0.05
    detector: Literal["default", "model"] = "default"
    p_values: Literal["auto", "conformal", "conditional"] = "auto"
    n_neighbors: PositiveInt = 5
    views: tuple[str, ...] | None = None
    conditional_on: str | None = None
    folds: NonNegativeInt | None = None
    gene_sets: NamedFile | None = None
    genes_of_interest: FilePath | None = None
    n_train: PositiveInt | None = None

    def __post_init__(self) -> None:
        if not 0 < self.fdr < 1:
            raise RecipeError(f"scores.fdr is {self.fdr}; it must lie in (0, 1)")
        if self.views is not None and not self.views:
            raise RecipeError("scores.views is empty; name at least one score")
        if self.folds == 1:
            raise RecipeError("scores.folds is 1; at least 2 are needed")
        foreign = [view for view in self.views or () if view not in View.registry]
        if foreign and self.detector == "default":
            raise RecipeError(
                f"scores.views: {foreign[0]!r} is not a score of the default detector; add "
                'scores.detector = "model" if it is one of the model\'s own'
            )


@table("evaluation")
@dataclass(frozen=True)
class Evaluation:
    """How the encoding is judged; see `tl.evaluate`.

    Parameters
    ----------
    seeds
        Trainings that are compared for stability; each costs as much as the first. 1 leaves
        stability out, 0 the whole judgement.
    baselines
        What the model is compared with, beside the genes and a control of permuted genes: models
        that are solved, at least to start with.
    batch
        Column that should not be readable from the encoding.
    """

    seeds: NonNegativeInt = 2
    baselines: tuple[str, ...] = ("pca", "ica", "nmf")
    batch: str | None = None

    def __post_init__(self) -> None:
        for name in self.baselines:
            kind = Model.named(name)
            if kind.steps is not Model.steps and not kind.starts_solved:
                raise RecipeError(
                    f"evaluation.baselines: {name} is trained in epochs; name models that are not"
                )


@table("pictures")
@dataclass(frozen=True)
class Pictures:
    """Settings of the embeddings.

    Parameters
    ----------
    maps
        Which to make; on tens of thousands of samples each takes minutes.
    tsne_perplexity
        How many neighbours t-SNE looks at, about; 20 as in the Tybalt paper.
    umap_n_neighbors
        How many neighbours UMAP looks at.
    umap_min_dist
        How close UMAP may put samples to each other.
    """

    maps: tuple[Literal["umap", "tsne"], ...] = ("umap", "tsne")
    tsne_perplexity: float = 20
    umap_n_neighbors: int = 15
    umap_min_dist: float = 0.1


@dataclass(frozen=True)
class Recipe:
    """Everything a run depends on; equal recipes on equal data give equal results.

    Attributes
    ----------
    name
        Title of the page and name of the folder; of a recipe in a file, that of the file if it
        gives none.
    seed
        Feeds everything random.
    model
        The model, its settings and how it is trained, from the tables ``[model]`` and
        ``[training]``; PPCA-VAE if no name is given.
    given
        These two tables as they were given.
    """

    data: Data
    model: ModelSettings
    name: str = "run"
    seed: int = 0
    split: Split = field(default_factory=Split)
    normalize: Normalisation = field(default_factory=Normalisation)
    scores: Scores = field(default_factory=Scores)
    evaluation: Evaluation = field(default_factory=Evaluation)
    pictures: Pictures = field(default_factory=Pictures)
    images: Images = field(default_factory=Images)
    explain: Explain = field(default_factory=Explain)
    given: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def from_tables(cls, tables: Mapping[str, Any]) -> Self:
        """Build from nested plain values.

        Raises
        ------
        RecipeError
            Names the unknown key or the value that does not fit.

        Examples
        --------
        >>> import tybalt_like as ty
        >>> ty.Recipe.from_tables({"data": {"dataset": "tcga_brca"}}).model.name
        'ppca_vae'
        """
        own = {one.name for one in fields(cls)} - {"given"} | {"training"}
        for key in tables:
            if key not in own:
                raise _unknown(key, own)
        filled = {key: tables[key] for key in ("name", "seed") if key in tables}
        if not isinstance(filled.get("name", ""), str) or not _is_seed(filled.get("seed", 0)):
            raise RecipeError("recipe.name must be a text and recipe.seed a whole number from 0")
        for key, kind in TABLES.items():
            if key in own and (key in tables or key == "data"):
                filled[key] = checked(kind, tables.get(key, {}), where=key)
        model, given = model_of(tables, default=keys.MODEL)
        return cls(**filled, model=model, given=given)

    @classmethod
    def from_toml(cls, path: Path) -> Self:
        """Read a TOML file; see `tables_of`."""
        return cls.from_tables(tables_of(path))

    def inputs(self) -> list[Path]:
        """Files and folders that are read."""
        return list(files_of(self))

    def to_tables(self) -> dict[str, Any]:
        """Nested plain values; `from_tables` reads them back."""
        found = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "given"}
        plain = {k: asdict(v) if k in TABLES else v for k, v in found.items() if k != "model"}
        tables: dict[str, Any] = json.loads(json.dumps(plain | dict(self.given)))
        return tables

    def with_model(self, model: ModelSettings) -> Self:
        """The same with another model."""
        given = {"model": {"name": model.name} | asdict(model.config)}
        return replace(self, model=model, given=given | {"training": asdict(model.training)})


def first_look(tables: Mapping[str, Any]) -> dict[str, Any]:
    """The tables of a run that is quick: PCA in place of the model, which nothing judges, few
    folds, and one kind of map, t-SNE, for which nothing is compiled.

    Raises
    ------
    RecipeError
        If it is another kind of recipe.
    """
    kept = {key: tables[key] for key in ("seed", "data", "split", "normalize") if key in tables}
    own = {"name", "model", "training", "scores", "evaluation", "pictures", "images", "explain"}
    for key in tables:
        if key not in {*kept, *own}:
            raise RecipeError(f"a recipe with {key} has no quick form; leave --quick out")
    scores = {k: v for k, v in tables.get("scores", {}).items() if k not in ("detector", "views")}
    return kept | {
        "name": f"{tables.get('name', 'run')}_quick",
        "model": {"name": "pca"},
        "scores": {"folds": QUICK_FOLDS} | scores,
        "evaluation": {"seeds": 0},
        "pictures": {"maps": ["tsne"]},
    }


def model_of(
    tables: Mapping[str, Any], *, default: str
) -> tuple[ModelSettings, dict[str, dict[str, Any]]]:
    """The model of a recipe of any kind, checked, and its tables as they were given.

    Raises
    ------
    RecipeError
        Names the key or value that does not fit.
    """
    given = {key: tables.get(key, {}) for key in ("model", "training")}
    for key, found in given.items():
        if not isinstance(found, Mapping):
            raise RecipeError(f"{key} must be a table: [{key}]")
    model = {"name": default} | dict(given["model"])
    config = {key: value for key, value in model.items() if key != "name"}
    chosen = ModelSettings.of(str(model["name"]), config, given["training"])
    return chosen, {"model": model, "training": dict(given["training"])}


def _is_seed(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _unknown(key: str, known: set[str]) -> RecipeError:
    from difflib import get_close_matches

    near = get_close_matches(key, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(sorted(known))}"
    return RecipeError(f"unknown key recipe.{key}; {hint}")
