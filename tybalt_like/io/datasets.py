"""Named data sets, a file ``data/registry/NAME.toml`` each: shipped, found on this machine, or
downloaded."""

from __future__ import annotations

import hashlib
import os
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tybalt_like.core.errors import DataError
from tybalt_like.core.shipped import DATA, PIPELINES, REGISTRY

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["DATA", "PIPELINES", "Dataset", "fetch", "load", "path", "registry"]


def __dir__() -> list[str]:
    return __all__


ENVIRONMENT = "TYBALT_LIKE_DATA"
"""Names a folder that is looked in before anything is downloaded."""


@dataclass(frozen=True)
class Dataset:
    """An entry of the registry.

    Attributes
    ----------
    kind
        A matrix of expression, or gene sets (GMT; `io.read_gmt`).
    file
        It: shipped in ``data``, or in a folder of the user's, or fetched from `url`.
    sha256
        Of that file; if it is empty, the first download prints it.
    sha256_of
        ``"content"``: of what the file holds decompressed, where the same bytes are about in
        several compressions.
    beside
        Further files of the same folder that make the matrix, each with its sha256.
    labels
        Names of the classes 0, 1, ...
    obs_file, obs_url
        Sample table, found or fetched like the matrix and joined by sample id.
    origin
        Where the file was made from, if it cannot be fetched.
    """

    name: str
    title: str
    file: str
    sha256: str
    licence: str
    citation: str
    kind: Literal["matrix", "gene sets"] = "matrix"
    genes_in: Literal["rows", "columns"] = "rows"
    units: str = ""
    url: str = ""
    origin: str = ""
    obs_file: str = ""
    obs_url: str = ""
    sha256_of: Literal["file", "content"] = "file"
    beside: Mapping[str, str] = field(default_factory=dict)
    labels: tuple[str, ...] = ()

    @property
    def checksums(self) -> dict[str, str]:
        """sha256 of every file that makes the matrix, by its name."""
        return {self.file: self.sha256, **self.beside}


@cache
def registry() -> dict[str, Dataset]:
    """Every named data set."""
    files = sorted(REGISTRY.glob("*.toml"))
    return {f.stem: Dataset(f.stem, **tomllib.loads(f.read_text("utf-8"))) for f in files}


def path(name: str) -> Path:
    """Where the matrix of a data set is on this machine.

    Raises
    ------
    DataError
        If the name is unknown, or the file is not here or not the one that the registry means.
    """
    entry = _entry(name)
    found = _find(entry, *entry.checksums)
    if found is None:
        where = f"put {' and '.join(entry.checksums)} into the folder named by {ENVIRONMENT}"
        fetched = f"fetch it with `tybalt-like data fetch {name}`, or {where}"
        made = f"make it from {entry.origin} and {where}"
        raise DataError(f"{name} is not on this machine; {fetched if entry.url else made}")
    for file, sha256 in entry.checksums.items():
        _verify(found.with_name(Path(file).name), sha256, of=entry.sha256_of)
    return found


def fetch(name: str) -> Path:
    """Where the matrix of a data set is, downloaded to the user's cache if it is nowhere else.

    Raises
    ------
    DataError
        If the name is unknown, the download fails, or the checksum is another.
    """
    entry = _entry(name)
    if entry.url and _find(entry, *entry.checksums) is None:
        for file, sha256 in entry.checksums.items():
            url = entry.url
            if file != entry.file:
                url = url.removesuffix(entry.file) + file
            _download(entry, url, file, sha256 if entry.sha256_of == "file" else "")
    return path(name)


def load(name: str) -> AnnData:
    """A data set as samples x genes, with its sample table joined where it has one.

    Raises
    ------
    DataError
        As `fetch` and `tybalt_like.read` do.

    Examples
    --------
    >>> import tybalt_like as ty
    >>> ty.datasets.load("tcga_brca").shape
    (769, 2000)
    """
    from tybalt_like import io
    from tybalt_like.core import keys, provenance

    entry = _entry(name)
    if entry.kind != "matrix":
        raise DataError(f"{name} holds {entry.kind}, no matrix; io.read_gmt({name!r}) reads them")
    matrix, obs = fetch(name), None
    if entry.obs_file:
        obs = _find(entry, entry.obs_file)
        if obs is None and not entry.obs_url:
            raise DataError(f"{name}: its sample table {entry.obs_file} is not beside {matrix}")
        obs = obs or _download(entry, entry.obs_url, entry.obs_file, "")
    source = matrix.parent if entry.beside else matrix
    adata = io.read(source, obs=obs, genes_in=entry.genes_in)
    if entry.labels:
        adata.obs[keys.LABEL] = [entry.labels[int(label)] for label in adata.obs[keys.LABEL]]
    about = {key: getattr(entry, key) for key in ("name", "units", "licence", "citation")}
    provenance.record(adata, dataset=about)
    return adata


def _entry(name: str) -> Dataset:
    try:
        return registry()[name]
    except KeyError:
        raise DataError(f"unknown data set {name!r}; known: {', '.join(registry())}") from None


def _find(entry: Dataset, file: str, *beside: str) -> Path | None:
    """Shipped; in the user's folder or its subfolder named like the data set; or in the cache.

    The first of several files, where all of them are in one place.
    """
    places = [DATA]
    if folder := os.environ.get(ENVIRONMENT):
        places += [Path(folder), Path(folder) / entry.name]
    places.append(_cache(entry))
    whole = (p for p in places if all((p / name).is_file() for name in (file, *beside)))
    return next((place / file for place in whole), None)


def _cache(entry: Dataset) -> Path:
    import pooch

    return Path(pooch.os_cache("tybalt_like")) / entry.name


def _download(entry: Dataset, url: str, file: str, sha256: str) -> Path:
    import pooch

    pooch.get_logger().setLevel("WARNING")
    place = _cache(entry) / file
    folder = place.parent
    try:
        got = Path(pooch.retrieve(url, f"sha256:{sha256}" if sha256 else None, place.name, folder))
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise DataError(
            f"{entry.name}: {url} could not be downloaded ({reason}); download it elsewhere and "
            f"put {file} into {folder} or into the folder named by {ENVIRONMENT}"
        ) from error
    if not sha256 and entry.sha256_of == "file":
        print(
            f"{entry.name}: the registry knows no checksum of {file}; sha256 {_sha256(got)}",
            file=sys.stderr,
        )
    return got


def _verify(file: Path, sha256: str, *, of: str) -> None:
    if sha256 and (found := _sha256(file, of=of)) != sha256:
        raise DataError(
            f"{file}: its {of}'s sha256 is {found} where the registry has {sha256}; remove this "
            "file and fetch it again"
        )


def _sha256(file: Path, *, of: str = "file") -> str:
    """Of the file, or of what it holds decompressed."""
    if of == "content":
        from tybalt_like.io.source import Source

        digest = hashlib.sha256()
        for chunk in Source(file).chunks():
            digest.update(chunk)
        return digest.hexdigest()
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
