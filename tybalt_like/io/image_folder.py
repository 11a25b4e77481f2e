"""A folder of PNG or JPG images; of subfolders, each is a class."""

from __future__ import annotations

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

ENDINGS = (".png", ".jpg", ".jpeg")


def folder_of_images(source: Source, *, size: int | None = None) -> AnnData:
    """Images of a folder and of its subfolders.

    A sample is called by its path within the folder, and labelled by its subfolder if there are
    any. Images are read as RGB, or as grey ones if all of them are.

    Parameters
    ----------
    size
        Rows and columns to resize every image to (Lanczos); None leaves them as they are, and
        they must be of one size.

    Raises
    ------
    DataError
        If there are no images, a file is none, sizes differ, or a subfolder is empty.
    """
    files = _files(source.path)
    if not files:
        raise DataError(f"{source.name}: no folder with PNG or JPG images; only such are resized")
    classes = {f: f.parent.relative_to(source.path).as_posix() for f in files}
    _check_classes(source, set(classes.values()))
    images = [_pixels(file, size) for file in files]
    first = images[0].shape[:2]
    for file, image in zip(files, images, strict=True):
        if image.shape[:2] != first:
            raise DataError(
                f"{file}: {image.shape[0]} x {image.shape[1]} pixels where {files[0].name} has "
                f"{first[0]} x {first[1]}; resize them with data.image_size"
            )
    if any(image.ndim == 3 for image in images):
        images = [
            image if image.ndim == 3 else np.repeat(image[..., None], 3, 2) for image in images
        ]
    return as_anndata(
        np.stack(images),
        name=source.name,
        samples=[file.relative_to(source.path).as_posix() for file in files],
        labels=list(classes.values()) if set(classes.values()) != {"."} else None,
    )


def _files(folder: Path) -> list[Path]:
    return sorted(f for f in folder.rglob("*") if f.suffix.lower() in ENDINGS and f.is_file())


def _check_classes(source: Source, classes: set[str]) -> None:
    for folder in sorted(f for f in source.path.rglob("*") if f.is_dir()):
        inside = folder.relative_to(source.path).as_posix()
        if not any(name == inside or name.startswith(f"{inside}/") for name in classes):
            raise DataError(f"{folder}: class {inside!r} has no images; add some or remove it")
    if "." in classes and len(classes) > 1:
        raise DataError(
            f"{source.name}: images lie both in the folder and in subfolders, which are classes; "
            "put all into subfolders, or none"
        )


def _pixels(file: Path, size: int | None) -> NDArray[np.uint8]:
    """(height, width), or (height, width, 3) of RGB images."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(file) as image:
            if image.mode.startswith(("I", "F")):
                raise DataError(f"{file}: more than 8 bits per pixel; save it with 8")
            plain = image.convert("L" if image.mode in ("1", "L", "LA") else "RGB")
            if size is not None:
                plain = plain.resize((size, size), Image.Resampling.LANCZOS)
            return np.asarray(plain, dtype=np.uint8)
    except UnidentifiedImageError:
        raise DataError(f"{file}: this is not an image, whatever its name says") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{file}: the image is damaged or ends early ({error})") from error


def _is_folder_of_images(source: Source) -> bool:
    return source.is_folder and bool(_files(source.path))


FORMAT = Format("folder of images", _is_folder_of_images, folder_of_images)
