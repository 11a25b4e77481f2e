"""The hub of Hugging Face, through its own client: what needs the network."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tybalt_like.core.errors import RunError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

SCHEME = "hf://"
_PLACE = re.compile(r"hf://([\w.-]+/[\w.-]+)(?:@([\w./-]+))?")
OF_THE_HUB = ".gitattributes"
"""What a repository holds from the start."""


def upload(folder: Path, place: str, *, overwrite: bool) -> None:
    """Make a folder what a repository holds, in one commit; a new one is private.

    Raises
    ------
    RunError
        If it holds something that may not be replaced, or the hub cannot be reached or refuses.
    """
    name, revision = _parts(place)
    with _sentences(place):
        api = _api()
        api.create_repo(name, private=True, exist_ok=True)
        held = [file for file in api.list_repo_files(name) if file != OF_THE_HUB]
        if held and not overwrite:
            raise RunError(f"{place} holds {held[0]} and more; name another, or add --overwrite")
        api.upload_folder(
            repo_id=name,
            folder_path=folder,
            revision=revision,
            commit_message="tybalt-like push",
            delete_patterns="*",
        )


def download(place: str, folder: Path) -> None:
    """Copy what a repository holds into a folder.

    Raises
    ------
    RunError
        If there is none, or the hub cannot be reached or refuses.
    """
    name, revision = _parts(place)
    with _sentences(place):
        _api().snapshot_download(name, revision=revision, local_dir=folder)


def _api() -> HfApi:
    try:
        from huggingface_hub import HfApi
    except ImportError:
        raise RunError("hf:// needs huggingface-hub: pip install 'tybalt-like[hub]'") from None
    return HfApi(library_name="tybalt-like")


def _parts(place: str) -> tuple[str, str | None]:
    found = _PLACE.fullmatch(place)
    if found is None:
        raise RunError(f"{place}: write hf://OWNER/NAME, or hf://OWNER/NAME@REVISION")
    return found[1], found[2]


@contextmanager
def _sentences(place: str) -> Iterator[None]:
    """What goes wrong on the way, each as one sentence."""
    _api()
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

    try:
        yield
    except (OSError, ValueError, HTTPError) as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise RunError(
            f"{place}: {said[:300]}; check the name, the network, and who you are (`hf auth login`)"
        ) from error
