"""The contract: a model lists its optimisation steps, and one loop runs them."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from tybalt_like.core.errors import DataError, RecipeError
from tybalt_like.core.files import whole_file
from tybalt_like.core.representation import as_html, as_text
from tybalt_like.core.settings import CHOICES, checked, plain
from tybalt_like.core.stored import LARGEST, read_arrays, sound
from tybalt_like.models.history import History

SCHEMA = 1
"""Version of the saved-model layout; raised when a reader of older files needs to know."""

Domain = Literal["real", "non-negative", "unit", "counts"]
NEEDS: dict[Domain, str] = {
    "non-negative": "values of at least 0; normalise with scale='zero_one'",
    "unit": "values between 0 and 1; normalise with scale='zero_one'",
    "counts": "whole counts; normalise with library='none', log='no' and scale='none'",
}
"""What a model of that domain asks for, and how to get it."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that belong together, and the epoch that schedules go by.

    `tensors` holds ``x_ng`` and, for some models, more that is known of the same rows. `epoch` is
    None outside training: schedules have then reached their final value, so that validation
    losses of different epochs measure one and the same objective. `left` is what one step leaves
    behind for the next one of the same iteration.
    """

    tensors: Mapping[str, Tensor]
    epoch: int | None = None
    left: dict[str, Tensor] = field(default_factory=dict)

    @property
    def x_ng(self) -> Tensor:
        return self.tensors["x_ng"]

    def at(self, z_nk: Tensor) -> Batch:
        """The same rows with known latent coordinates (`Model.infer`)."""
        return replace(self, tensors={**self.tensors, "z_nk": z_nk})


HUBER = 2.0
"""Errors, in units of what is usual for the gene and the sample, beyond which a gene counts less
(Huber 1964)."""


def huber_weights(off_ng: Tensor) -> Tensor:
    """How much each gene counts that is off by so many of its usual errors, (n, g): 1 up to
    `HUBER` times what is usual in the row, and then less, as it is further off."""
    usual_n1 = (off_ng.abs().median(1, keepdim=True).values / 0.6745).clamp(min=1)
    return (HUBER * usual_n1 / off_ng.abs().clamp(min=1e-9)).clamp(max=1)


def adam(params: Sequence[nn.Parameter], learning_rate: float) -> torch.optim.Optimizer:
    """Adam with Keras' epsilon (1e-7), fused into one kernel per step."""
    return torch.optim.Adam(params, lr=learning_rate, eps=1e-7, fused=True)


@dataclass(frozen=True)
class Step:
    """One optimiser's share of an iteration.

    `loss` returns named parts; the part called ``"loss"`` is minimised, all are logged. `after`
    is called when the parameters have been updated. Where it `replays`, the loss does the same for
    every mini-batch of an epoch and asks the device for no value: on CUDA, its work is recorded.
    """

    name: str
    params: Sequence[nn.Parameter]
    loss: Callable[[Batch], dict[str, Tensor]]
    every: int = 1
    optimizer: Callable[[Sequence[nn.Parameter], float], torch.optim.Optimizer] = adam
    after: Callable[[], None] | None = None
    replays: bool = False


LEAST = {"epochs": 1, "batch_size": 2, "min_batches": 1, "patience": 1, "min_epochs": 0}
LEAST |= {"checkpoint_epochs": 1}
"""Smallest values of the whole numbers in `Training`."""


@dataclass(frozen=True)
class Training:
    """How a model is trained.

    Parameters
    ----------
    epochs
        Passes over the training samples (but see `min_batches`), at most.
    batch_size
        Samples in a mini-batch.
    min_batches
        Mini-batches in an epoch, at least. Few samples are passed over several times, so that
        epochs, patience and warm-up mean with 60 samples what they mean with 6,000.
    learning_rate
        Step size of every optimiser of the model.
    schedule
        ``"constant"``; ``"cosine"``: falls along half a cosine towards 0 in the last epoch
        (Loshchilov & Hutter 2017, without restarts); ``"plateau"``: halved whenever half of
        `patience` has passed without a better validation loss.
    max_grad_norm
        Gradients of larger norm are scaled down to it; None leaves them as they are.
    precision
        ``"bfloat16"`` computes matrix products with 8 significant bits; weights, losses and the
        optimiser keep single precision, and scoring is not affected. Pays with batches of 256
        and more, on processors and GPUs that have bfloat16 units.
    patience
        Stop after this many epochs without a better validation loss and restore the best
        weights; None trains all epochs and keeps the last weights.
    min_epochs
        Epochs at the start that are not judged: the KL weight is still rising, and batch
        normalisation's running statistics (1 % per batch) have not settled. In cohorts of some
        hundred samples, stopping earlier restores an untrained model.
    checkpoint_seconds
        A checkpoint is saved at the end of an epoch when so many seconds have passed since the
        last: an interrupted run repeats no more than that.
    checkpoint_epochs
        The same, when so many epochs have passed.
    """

    epochs: int = 300
    batch_size: int = 50
    min_batches: int = 20
    learning_rate: float = 5e-4
    schedule: Literal["constant", "cosine", "plateau"] = "constant"
    max_grad_norm: float | None = None
    precision: Literal["float32", "bfloat16"] = "float32"
    patience: int | None = 20
    min_epochs: int = 30
    checkpoint_seconds: float = 30.0
    checkpoint_epochs: int | None = None

    def __post_init__(self) -> None:
        for name, low in LEAST.items():
            value = getattr(self, name)
            if value is not None and value < low:
                raise RecipeError(f"training.{name} is {value}; it must be at least {low}")
        for name in ("learning_rate", "max_grad_norm"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise RecipeError(f"training.{name} is {value}; it must be above 0")
        if self.schedule == "plateau" and self.patience is None:
            raise RecipeError("training.schedule = 'plateau' needs training.patience")


@dataclass(frozen=True)
class ModelSettings:
    """A model with its settings, checked, and how it is trained.

    Attributes
    ----------
    config
        An instance of ``kind.Config``.
    """

    kind: type[Model]
    config: Any
    training: Training

    @classmethod
    def of(
        cls,
        name: str,
        config: Mapping[str, Any] | None = None,
        training: Mapping[str, Any] | None = None,
        *,
        where: str = "",
    ) -> ModelSettings:
        """From plain values: settings of the model, and changes to its training defaults.

        Raises
        ------
        RecipeError
            Names the model, the key or the value that does not fit.
        """
        kind = Model.named(name)
        defaults = asdict(kind.training_defaults)
        return cls(
            kind,
            checked(kind.Config, config or {}, where=f"{where}model"),
            checked(Training, defaults | dict(training or {}), where=f"{where}training"),
        )

    @property
    def name(self) -> str:
        """Registered name of the model; ``tybalt-like models`` lists all."""
        return self.kind.name

    def with_config(self, **changes: Any) -> ModelSettings:
        """The same with other settings of the model, which are not checked."""
        return replace(self, config=replace(self.config, **changes))

    def has(self, setting: str) -> bool:
        """Whether the model has a setting of that name."""
        return setting in {field.name for field in fields(self.kind.Config)}


class Model(nn.Module, ABC):
    """A fitted or unfitted encoder of expression profiles.

    Subclasses give a frozen dataclass `Config`, say ``class Mine(Model, name="mine")``, and
    implement `embed`, `decode`, `weights` and either `steps` (trained by the loop) or `solve`
    (all known at once). Everything they need afterwards lives in parameters and buffers.

    Attributes
    ----------
    history
        How it was trained; empty for a model that was loaded.
    title
        Its name as people write it.
    citation
        What to cite for it.
    deterministic
        Whether a seed changes nothing.
    linear
        Whether encoding and decoding are linear maps.
    readable_axes
        Whether its latent axes mean something by themselves; others are turned to be read.
    starts_solved
        Whether `solve` makes a whole model, which `steps` only refine: it can stand beside others
        as a baseline, which nobody watches being trained.
    score_titles
        How people write the names of its own scores, where that differs.
    training_defaults
        The defaults of the loop for this model, from its paper.
    domain
        Which values the model takes; `check` refuses others.
    likelihood
        Name of p(x|z), empty where there is none.
    covariates
        Sample columns that the model is conditioned on, each with its categories.
    takes
        What else a batch may hold that the model makes use of: ``x2_ng``, profiles after
        treatment; ``y_n``, responses; ``weight_n``, how often training draws each row; ``unit_n``,
        the numbers of what is held out together.
    """

    registry: ClassVar[dict[str, type[Model]]] = {}
    name: ClassVar[str]
    title: ClassVar[str]
    citation: ClassVar[str] = ""
    deterministic: ClassVar[bool] = False
    linear: ClassVar[bool] = False
    readable_axes: ClassVar[bool] = False
    starts_solved: ClassVar[bool] = False
    score_titles: ClassVar[Mapping[str, str]] = {}
    Config: ClassVar[type]
    training_defaults: ClassVar[Training] = Training()
    domain: Domain = "real"
    likelihood: str = ""
    takes: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(
        cls, *, name: str | None = None, title: str | None = None, **kwargs: Any
    ) -> None:
        super().__init_subclass__(**kwargs)
        if name is not None:
            cls.name, cls.title = name, title or name.replace("_", " ")
            Model.registry[name] = cls
            CHOICES.setdefault("model", {})[name] = cls.Config

    def __init__(self, n_vars: int, config: Any) -> None:
        super().__init__()
        self.n_vars, self.config = n_vars, config
        self.history = History()

    def __repr__(self) -> str:
        return as_text(type(self).__name__, self._facts())

    def _repr_html_(self) -> str:
        return as_html(type(self).__name__, self._facts())

    def _facts(self) -> dict[str, object]:
        known = self.weights().shape[0]
        facts: dict[str, object] = {"genes": self.n_vars, "features": known}
        facts["parameters"] = f"{sum(p.numel() for p in self.parameters()):,}"
        return facts | ({"training": self.history.stopped} if self.history.stopped else {})

    @property
    def covariates(self) -> Mapping[str, tuple[str, ...]]:
        return {}

    def check(self, x_ng: Tensor) -> None:
        """Refuse values that the model cannot take.

        Raises
        ------
        DataError
            Says what the model needs and what it found.
        """
        low, high = float(x_ng.min()), float(x_ng.max())
        fits = {
            "real": True,
            "non-negative": low >= 0,
            "unit": low >= 0 and high <= 1,
            "counts": low >= 0 and bool((x_ng == x_ng.round()).all()),
        }
        if not fits[self.domain]:
            raise DataError(
                f"model {self.name!r} needs {NEEDS[self.domain]} (found {low:.4g} to {high:.4g})"
            )

    def steps(self) -> list[Step]:
        """The optimisation steps of one iteration; empty for models that `solve` completes."""
        return []

    def solve(self, train: Batch) -> None:
        """Set from all training rows at once what can be: the whole model if it has no steps,
        starting values and statistics otherwise."""

    def criterion(self, batch: Batch) -> dict[str, Tensor]:  # noqa: ARG002
        """What early stopping goes by, where it is not the loss: named parts, and ``"criterion"``
        itself, of which lower is better."""
        return {}

    def settle(self, train: Batch, validation: Batch | None) -> None:
        """Decide, when training is over and the best weights are back, what held-out rows decide;
        None if there are none."""

    @abstractmethod
    def embed(self, x_ng: Tensor) -> Tensor:
        """Latent coordinates, (n, k); the posterior mean for variational models."""

    @abstractmethod
    def decode(self, z_nk: Tensor) -> Tensor:
        """Reconstruction on the scale of the input, (n, g)."""

    @abstractmethod
    def weights(self) -> Tensor:
        """Contribution of each latent feature to each gene, (k, g)."""

    def infer(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Latent coordinates (n, k) and reconstruction (n, g) of rows.

        Models that know more of a row than ``x_ng`` (covariates, library size) use it here;
        `embed` and `decode` alone take what is typical instead. Coordinates that are known
        already, as ``z_nk``, are not looked for again.
        """
        known_nk = batch.tensors.get("z_nk")
        z_nk = self.embed(batch.x_ng) if known_nk is None else known_nk
        return z_nk, self.decode(z_nk)

    def score(self, batch: Batch) -> dict[str, Tensor]:
        """Named anomaly scores, (n,) each; higher is stranger."""
        return {"reconstruction": (batch.x_ng - self.infer(batch)[1]).square().mean(1)}

    def misfit(self, batch: Batch, error_g: Tensor) -> Tensor:
        """How far rows are from what the latent coordinates ``z_nk`` of the batch decode to, (n,),
        in a way that a few genes which are far off do not decide (Huber's loss).

        Parameters
        ----------
        error_g
            How far each gene usually is off.
        """
        off_ng = (batch.x_ng - self.infer(batch)[1]) / error_g
        return (huber_weights(off_ng.detach()) * off_ng.square()).sum(1)

    def save(self, path: Path) -> None:
        """Write weights and configuration as one safetensors file."""
        from safetensors.torch import save as to_bytes

        about = {"schema": SCHEMA, "model": self.name, "n_vars": self.n_vars}
        about["config"] = plain(self.config)
        tensors = {k: v.detach().cpu().contiguous() for k, v in self.state_dict().items()}
        # One entry, because safetensors writes several in an order that changes.
        with whole_file(path) as partial:
            partial.write_bytes(to_bytes(tensors, {"about": json.dumps(about)}))

    @staticmethod
    def load(path: Path) -> Model:
        """Read a model written by `save`.

        Raises
        ------
        DataError
            If the file was written by a newer schema, names an unknown model or is damaged.
        """
        tensors, about = read_arrays(path, "pt")
        if about.get("schema") != SCHEMA:
            raise DataError(
                f"{path}: saved with model schema {about.get('schema')}, this version reads "
                f"{SCHEMA}; install the tybalt_like version that wrote it"
            )
        with sound(path):
            with torch.device("meta"):  # shapes alone, however large the description makes them
                empty = Model.create(about["model"], about["n_vars"], **about["config"])
            wanted = {key: tensor.shape for key, tensor in empty.state_dict().items()}
            if wanted != {key: tensor.shape for key, tensor in tensors.items()}:
                raise ValueError("its weights are not those that it describes")
            model = Model.create(about["model"], about["n_vars"], **about["config"])
            for key, fresh in model.state_dict().items():  # what nobody knows yet may be infinite
                if (~(tensors[key].double().abs() < LARGEST) & torch.isfinite(fresh)).any():
                    raise ValueError(f"{key} holds what is no number, or too large for one")
            model.load_state_dict(tensors)
        return model.eval()

    @staticmethod
    def create(name: str, n_vars: int, **config: Any) -> Model:
        """Build a registered model by name, its `Config` filled from keyword arguments."""
        kind = Model.named(name)
        return kind(n_vars, kind.configure(**config))

    @staticmethod
    def named(name: str) -> type[Model]:
        """The registered model class of that name."""
        try:
            return Model.registry[name]
        except KeyError:
            known = ", ".join(sorted(Model.registry))
            raise RecipeError(f"unknown model {name!r}; known models: {known}") from None

    @classmethod
    def configure(cls, **config: Any) -> Any:
        """A checked `Config`.

        Raises
        ------
        RecipeError
            Names the unknown key or the value that does not fit.
        """
        return checked(cls.Config, config, where="model")
