"""What is asked about the latent features of a run: the recipe's table ``[explain]``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple, Self

from pydantic import NonNegativeInt

from tybalt_like.core.errors import RecipeError
from tybalt_like.core.settings import NamedFile, table


class Difference(NamedTuple):
    """The first label of a sample column less the second, and perhaps less a second difference."""

    column: str
    groups: tuple[str, str]
    minus: tuple[str, str] | None = None

    @classmethod
    def of(cls, text: str) -> Self:
        """From ``"COLUMN: A - B"`` or ``"COLUMN: (A - B) - (C - D)"``.

        Raises
        ------
        RecipeError
            If it is neither.
        """
        column, colon, rest = (part.strip() for part in text.partition(":"))
        twice = _TWICE.fullmatch(rest)
        pairs = [_ONCE.fullmatch(part) for part in (twice.groups() if twice else (rest,))]
        if not (column and colon) or None in pairs:
            raise RecipeError(
                f"{text!r} is no contrast; write 'COLUMN: A - B' or 'COLUMN: (A - B) - (C - D)', "
                "with spaces around the minus"
            )
        sides = [match.groups() for match in pairs if match is not None]
        return cls(column, *((str(first), str(second)) for first, second in sides))


_ONCE = re.compile(r"(\S.*?)\s+-\s+(\S.*)")
_TWICE = re.compile(r"\((.+)\)\s+-\s+\((.+)\)")


@table("explain")
@dataclass(frozen=True)
class Explain:
    """What is asked about latent features; see `tl.features`.

    Parameters
    ----------
    turned
        ``"own"``: the model's axes; ``"varimax"`` or ``"ica"``: turned towards axes that can be
        read; ``"auto"``: turned by varimax where the model's own axes are arbitrary.
    gene_sets
        GMT file, or the name of a shipped collection, for enrichment and names.
    directions
        Such as ``"pam50: Basal-like"``: the direction of the latent space that tells a label from
        all others gets a card like any feature, with its cross-validated AUROC.
    contrasts
        Such as ``"pam50: Basal-like - Luminal A"``: what differs between two labels, in features
        and in genes, as the model has it and as it is measured; ``"stage: (A - B) - (C - D)"``
        subtracts one difference from another.
    time
        Sample column with the follow-up; with `event`, features and the anomaly score are tested
        for survival.
    event
        Sample column that says whether the event happened by then.
    clinical
        Sample columns that are known without expression, such as age and stage: what do features
        add to them?
    synthetic
        Made-up samples, judged for likeness and for what they give away; 0 leaves them out.
    """

    turned: Literal["auto", "own", "varimax", "ica"] = "auto"
    gene_sets: NamedFile | None = None
    directions: tuple[str, ...] = ()
    contrasts: tuple[str, ...] = ()
    time: str | None = None
    event: str | None = None
    clinical: tuple[str, ...] = ()
    synthetic: NonNegativeInt = 0

    def __post_init__(self) -> None:
        self.differences()
        self.labels()
        if (self.time is None) != (self.event is None):
            raise RecipeError("explain.time and explain.event go together: name both columns")

    def labels(self) -> list[tuple[str, str]]:
        """The directions, taken apart: columns and labels."""
        found = [tuple(part.strip() for part in text.split(":", 1)) for text in self.directions]
        for text, parts in zip(self.directions, found, strict=True):
            if len(parts) != 2 or not all(parts):
                raise RecipeError(f"{text!r} is no direction; write 'COLUMN: LABEL'")
        return [(column, label) for column, label in found]

    def differences(self) -> list[Difference]:
        """The contrasts, taken apart."""
        return [Difference.of(text) for text in self.contrasts]
