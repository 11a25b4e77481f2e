"""Files that this package saved, read back: sound, or refused in one sentence.

A checksum (`core.files`) tells damage from what was written; these checks also hold for files that
have none, or that do not belong together.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from tybalt_like.core.errors import DataError, TybaltLikeError

LARGEST = 1e18
"""Beyond any value that is learned; its square is still a float32."""
_AXES = re.compile(r"_([a-z]{1,3})$")
"""The end of an array's name says what its axes are, as everywhere in this package."""


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object.

    Raises
    ------
    DataError
        If the file is missing, no text, no JSON or no object, or nested without end.
    """
    with sound(path):
        found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise DataError(f"{path} is damaged (no JSON object); copy it again, or make it anew")
    return found


def read_arrays(
    path: Path, framework: Literal["np", "pt"] = "np"
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arrays by name, and the plain values under ``about``, of a safetensors file.

    Raises
    ------
    DataError
        If the file is missing or damaged, or an array (a tensor may) holds NaN or numbers whose
        squares overflow.
    """
    from safetensors import SafetensorError, safe_open

    with sound(path):
        try:
            with safe_open(path, framework=framework) as file:
                about = json.loads((file.metadata() or {}).get("about", "{}"))
                arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        except SafetensorError as error:
            raise ValueError(str(error)) from None
        for key, array in arrays.items():
            if framework == "np" and not (abs(array) < LARGEST).all():
                raise ValueError(f"{key} holds what is no number, or too large for one")
        if not isinstance(about, dict):
            raise TypeError("its description is no JSON object")
    return arrays, about


@contextmanager
def sound(path: Path) -> Iterator[None]:
    """What goes wrong while a file is taken apart is damage to it.

    Raises
    ------
    DataError
        Names the file and what was found.
    """
    try:
        yield
    except TybaltLikeError:
        raise
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except Exception as error:  # damage meets the code that takes it apart with almost any error
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:160]
        raise DataError(f"{path} is damaged ({reason}); copy it again, or make it anew") from error


def check_axes(arrays: Mapping[str, Any], path: Path, **sizes: int) -> None:
    """Hold arrays to their names: ``mean_g`` has one axis, as long as every other axis ``g``.

    Parameters
    ----------
    sizes
        Of axes that are known, such as ``g=5000``.

    Raises
    ------
    DataError
        Names the array that does not fit the others.
    """
    for name, array in arrays.items():
        found = _AXES.search(name)
        axes = found[1] if found else "" if array.ndim == 0 else None
        if axes is None:
            continue
        if len(axes) != array.ndim or any(
            sizes.setdefault(axis, n) != n for axis, n in zip(axes, array.shape, strict=True)
        ):
            shape = " x ".join(map(str, array.shape)) or "a single number"
            raise DataError(
                f"{path} does not fit: {name} is {shape}, which the other arrays or genes are not; "
                "copy the whole folder again"
            )
