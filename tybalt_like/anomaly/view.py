"""What a view is: one way to say how strange a sample is, and what several views share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar, Self, TypeVar, cast

import numpy as np

from tybalt_like.anomaly.outputs import Array, ModelOutputs

P = TypeVar("P", bound="Part")
N_NEIGHBORS = 5


class Part(ABC):
    """Something learned from the training samples that several views measure samples with.

    A subclass is a frozen dataclass of arrays and declares its name,
    ``class Profiles(Part, name="profiles")``. It is fitted, saved, and applied to samples once,
    however many views use it. `version` rises when the meaning of its arrays changes.
    """

    registry: ClassVar[dict[str, type[Part]]] = {}
    name: ClassVar[str]
    version: ClassVar[int] = 1

    def __init_subclass__(cls, *, name: str, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.name = name
        Part.registry[name] = cls

    @classmethod
    @abstractmethod
    def fit(cls, train: ModelOutputs) -> Self:
        """Learn from the training samples."""

    @abstractmethod
    def measure(self, samples: ModelOutputs) -> Mapping[str, Array]:
        """Named measurements of samples, (n,) each."""


class Reference:
    """Training samples, and the parts that views have asked for so far."""

    def __init__(self, outputs: ModelOutputs, *, n_neighbors: int = N_NEIGHBORS) -> None:
        self.outputs, self.n_neighbors = outputs, n_neighbors
        self.parts: dict[str, Part] = {}

    def part(self, kind: type[P]) -> P:
        """The part of that kind, fitted if no view has asked for it before."""
        if kind.name not in self.parts:
            self.parts[kind.name] = kind.fit(self.outputs)
        return cast(P, self.parts[kind.name])


class Samples:
    """Samples to score, and what the parts have measured of them so far."""

    def __init__(self, outputs: ModelOutputs, parts: Mapping[str, Part]) -> None:
        self.outputs, self._parts = outputs, parts
        self._measured: dict[str, Mapping[str, Array]] = {}

    def measured(self, kind: type[Part]) -> Mapping[str, Array]:
        """What the part of that kind says of them."""
        if kind.name not in self._measured:
            self._measured[kind.name] = self._parts[kind.name].measure(self.outputs)
        return self._measured[kind.name]


class View:
    """One way to say how strange a sample is; higher is stranger.

    A subclass is a frozen dataclass of arrays in a file of ``anomaly/views`` and declares its name
    and, as ``says``, what it measures in words that complete "how strange a sample is, by ...":
    ``class Nearest(View, name="nearest", says="its distance to ...")``. It is saved under its name
    and its `version`, which rises when the meaning of its arrays changes.

    Attributes
    ----------
    part
        What measures the samples, for views that are one of its measurements.
    """

    registry: ClassVar[dict[str, type[View]]] = {}
    name: ClassVar[str]
    title: ClassVar[str]
    says: ClassVar[str]
    version: ClassVar[int] = 1
    part: ClassVar[type[Part] | None] = None

    def __init_subclass__(cls, *, name: str, says: str, title: str = "", **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.name, cls.says, cls.title = name, says, title or name.replace("_", " ")
        View.registry[name] = cls

    @classmethod
    def fit(cls, train: Reference) -> Self:
        """Learn from the training samples; nothing, unless a view says otherwise."""
        if cls.part is not None:
            train.part(cls.part)
        return cls()

    def score(self, samples: Samples) -> Array:
        """Of every sample, (n,): what the part measures under the view's name, unless a view says
        otherwise."""
        if self.part is None:
            raise TypeError(f"the view {self.name!r} has neither a part nor a score")
        return samples.measured(self.part)[self.name]


def arrays_of(thing: View | Part) -> dict[str, np.ndarray]:
    """The fields of a view or part, to be saved."""
    named = (field.name for field in fields(thing))  # type: ignore[arg-type]
    return {name: np.array(getattr(thing, name), order="C") for name in named}
