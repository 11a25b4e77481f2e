"""IDX, the format of MNIST: a file of images, or a folder with training and test images.

Labels are found beside the images: ``train-images-idx3-ubyte`` has its labels in
``train-labels-idx1-ubyte``, either of them compressed or not.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tybalt_like.core.errors import DataError
from tybalt_like.io.format import Format
from tybalt_like.io.pixels import as_anndata
from tybalt_like.io.source import Source

if TYPE_CHECKING:
    from anndata import AnnData

TYPES = {8: "unsigned bytes", 9: "bytes", 11: "16-bit", 12: "32-bit", 13: "float", 14: "double"}
PARTS = {"train": "train", "t10k": "test", "test": "test"}
"""How a file name begins, and the part of the official division that it holds."""


def _is_idx(source: Source) -> bool:
    if source.is_folder:
        return bool(_image_files(source.path))
    start = source.head[:4]
    return start[:2] == b"\0\0" and len(start) == 4 and start[2] in TYPES and 1 <= start[3] <= 4


def _read(source: Source) -> AnnData:
    files = _image_files(source.path) if source.is_folder else [source.path]
    images, labels, parts, samples = [], list[str](), list[str](), list[str]()
    for file in files:
        part = next((part for start, part in PARTS.items() if file.name.startswith(start)), "")
        images.append(_array(Source(file), axes=3))
        labels += _labels(file, len(images[-1]))
        parts += [part] * len(images[-1])
        samples += [f"{part or 'image'}_{i}" for i in range(len(images[-1]))]
    if len({pixels.shape[1:] for pixels in images}) > 1:
        sizes = " and ".join(f"{p.shape[1]} x {p.shape[2]}" for p in images)
        raise DataError(f"{source.name}: its files hold images of different sizes: {sizes}")
    whole = len(images[0]) if len(images) == 1 else sum(map(len, images))
    return as_anndata(
        np.concatenate(images),
        name=source.name,
        samples=samples,
        labels=labels if len(labels) == whole else None,
        parts=parts if all(parts) else None,
    )


def _image_files(folder: Path) -> list[Path]:
    """Training images first."""
    found = [f for f in folder.iterdir() if "images" in f.name and "idx3" in f.name]
    return sorted(found, key=lambda f: (not f.name.startswith("train"), f.name))


def _labels(images: Path, n: int) -> list[str]:
    """Labels of the file beside the images; none without such a file."""
    name = images.name.removesuffix(".gz").replace("images", "labels").replace("idx3", "idx1")
    beside = [images.with_name(name + end) for end in ("", ".gz")]
    file = next((f for f in beside if f.is_file() and f != images), None)
    if file is None:
        return []
    labels = _array(Source(file), axes=1)
    if len(labels) != n:
        raise DataError(f"{file}: {len(labels):,} labels for the {n:,} images of {images.name}")
    return [str(label) for label in labels]


def _array(source: Source, *, axes: int) -> NDArray[np.uint8]:
    """The bytes of an IDX file with so many axes, checked against its header."""
    data = b"".join(source.chunks())
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in TYPES:
        raise DataError(f"{source.name}: no IDX file; it must begin with 0, 0, a type and a count")
    if data[2] != 8:
        raise DataError(f"{source.name}: IDX of {TYPES[data[2]]} numbers; bytes are needed")
    if data[3] != axes:
        held = "labels" if data[3] == 1 else f"an array with {data[3]} axes"
        wanted = "images, which have 3" if axes == 3 else "labels, which have 1"
        raise DataError(f"{source.name}: this IDX file holds {held}, not {wanted}")
    start = 4 + 4 * axes
    if len(data) < start:
        raise DataError(f"{source.name}: the IDX header ends early; copy the file again")
    shape = struct.unpack(f">{axes}I", data[4:start])
    expected, found = int(np.prod(shape, dtype=object)), len(data) - start
    if found != expected:
        how = "ends early" if found < expected else "is too long"
        raise DataError(
            f"{source.name}: the IDX file {how}: {found:,} bytes where its header promises "
            f"{' x '.join(map(str, shape))}; copy it again"
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


FORMAT = Format("IDX images", _is_idx, _read)
