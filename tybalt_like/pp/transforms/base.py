"""What a transform is: fitted state, a way to apply it, and a form in JSON."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from tybalt_like.core.errors import DataError
from tybalt_like.pp.matrix import Floats


class Transform(ABC):
    """A fitted transform: a frozen dataclass whose fields are plain values and arrays.

    A subclass declares its name and the setting that chooses it,
    ``class ZScore(GeneTransform, name="zscore", setting="scale")``, in a file of this folder;
    nothing else needs to know of it.
    """

    registry: ClassVar[dict[str, type[Transform]]] = {}
    name: ClassVar[str]
    setting: ClassVar[str]

    def __init_subclass__(cls, *, name: str = "", setting: str = "", **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if name:
            cls.name, cls.setting = name, setting
            Transform.registry[name] = cls

    @classmethod
    def choices(cls, setting: str) -> list[str]:
        """Names of the transforms that a setting chooses among."""
        return [name for name, kind in Transform.registry.items() if kind.setting == setting]

    @abstractmethod
    def transform(self, x_ng: Floats) -> Floats:
        """New values, (n, g). No row depends on another row; NaN stays NaN."""

    def to_json(self) -> dict[str, Any]:
        """Name and fields as plain values; floats keep every digit, missing ones become None."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]
        for name, value in values.items():
            if isinstance(value, np.ndarray):
                values[name] = value.tolist()
                if np.isnan(value).any():
                    plain = value.astype(object)
                    plain[np.isnan(value)] = None
                    values[name] = plain.tolist()
        return {"transform": self.name} | values

    @staticmethod
    def from_json(state: dict[str, Any]) -> Transform:
        """The transform that `to_json` wrote."""
        name = state["transform"]
        if name not in Transform.registry:
            raise DataError(f"unknown transform {name!r}: a newer tybalt_like wrote the normaliser")
        values = {key: value for key, value in state.items() if key != "transform"}
        arrays = {k: np.array(v, float) if isinstance(v, list) else v for k, v in values.items()}
        return Transform.registry[name](**arrays)


class SampleTransform(Transform):
    """A transform of whole samples: what becomes of one gene depends on the others of the row."""

    @classmethod
    @abstractmethod
    def fit(cls, chunks: Iterable[Floats]) -> Self:
        """Learn from the training rows, given in chunks that can be gone through repeatedly."""


def applied(steps: Sequence[Transform], x_ng: Floats, picked_g: NDArray[np.intp]) -> Floats:
    """Values of some genes after all steps; once no step needs whole samples, only those of
    these genes are computed."""
    whole = [isinstance(step, SampleTransform) for step in steps]
    n_whole = len(steps) - whole[::-1].index(True) if any(whole) else 0
    for step in steps[:n_whole]:
        x_ng = step.transform(x_ng)
    x_ng = x_ng[:, picked_g]
    for step in steps[n_whole:]:
        x_ng = step.transform(x_ng)
    return x_ng


class GeneTransform(Transform):
    """A transform of single genes: each column on its own.

    The last axis of every array is genes, so that a matrix too large for memory can be fitted in
    blocks of genes.
    """

    @classmethod
    @abstractmethod
    def fit(cls, x_ng: Floats) -> Self:
        """Learn from all training rows of some genes; NaN is left out."""

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """One transform from those of consecutive blocks of genes."""
        names = [f.name for f in fields(cls)]  # type: ignore[arg-type]
        return cls(**{n: np.concatenate([getattr(p, n) for p in parts], axis=-1) for n in names})


class Scaler(GeneTransform):
    """The last step: single genes on a common scale, and back."""

    @abstractmethod
    def inverse(self, x_ng: Floats) -> Floats:
        """Values before `transform`, (n, g), as far as it keeps them."""
