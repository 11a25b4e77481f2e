"""Images in ``.npz`` files as MedMNIST and Keras have them; nothing in them is unpickled."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tybalt_like.core.errors import DataError
from tybalt_like.io.format import Format
from tybalt_like.io.pixels import as_anndata
from tybalt_like.io.source import Source

if TYPE_CHECKING:
    from anndata import AnnData

NAMES = {
    "train": (("train_images", "train_labels"), ("x_train", "y_train")),
    "validation": (("val_images", "val_labels"), ("x_val", "y_val")),
    "test": (("test_images", "test_labels"), ("x_test", "y_test")),
}
"""Arrays of images and of labels, of each part of the official division."""


def _is_npz(source: Source) -> bool:
    if source.is_folder or not source.head.startswith(b"PK"):
        return False
    if not zipfile.is_zipfile(source.path):
        return source.path.suffix == ".npz"
    with zipfile.ZipFile(source.path) as file:
        return all(name.endswith(".npy") for name in file.namelist())


def _read(source: Source) -> AnnData:
    source.check_archive()
    with np.load(source.path, allow_pickle=False) as file:
        found = {
            part: pair for part, pairs in NAMES.items() for pair in pairs if pair[0] in file.files
        }
        if not found:
            raise DataError(
                f"{source.name}: none of its arrays ({', '.join(file.files) or 'none'}) is called "
                "train_images or x_train, as in files of MedMNIST or Keras"
            )
        images = {part: file[pair[0]] for part, pair in found.items()}
        labels = {part: file[pair[1]] for part, pair in found.items() if pair[1] in file.files}
    sizes = {part: " x ".join(map(str, a.shape[1:])) for part, a in images.items()}
    if len(set(sizes.values())) > 1:
        said = ", ".join(f"{part} {size}" for part, size in sizes.items())
        raise DataError(f"{source.name}: images of different sizes ({said})")
    for part, of_part in labels.items():
        n = len(images[part])
        if len(of_part) != n:
            raise DataError(f"{source.name}: {n:,} {part} images, but {len(of_part):,} labels")
    return as_anndata(
        np.concatenate(list(images.values())),
        name=source.name,
        samples=[f"{part}_{i}" for part, a in images.items() for i in range(len(a))],
        labels=_texts(labels.values()) if len(labels) == len(images) else None,
        parts=[part for part, a in images.items() for _ in range(len(a))],
    )


def _texts(labels: Any) -> list[str]:
    """One text per image; several labels of one image are joined by a plus."""
    return [text for part in labels for text in map(_text, part)]


def _text(label: NDArray[Any]) -> str:
    values = np.atleast_1d(label)
    if len(values) == 1:
        return str(values[0])
    return "+".join(map(str, np.flatnonzero(values))) or "none"  # of ChestMNIST: which findings


FORMAT = Format("npz images", _is_npz, _read)
