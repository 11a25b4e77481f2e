"""``tybalt-like schema``: what programs may rely on."""

from __future__ import annotations

from typing import Annotated

import typer


def schema(
    name: Annotated[str | None, typer.Argument(help="A schema, to print it.")] = None,
) -> None:
    """JSON Schemas (draft 2020-12) of what --json prints, run.json and the list of a folder's
    files."""
    import json

    from tybalt_like.report.schemas import NAMES
    from tybalt_like.report.schemas import schema as read

    if name is not None:
        print(json.dumps(read(name), indent=1))
        return
    for known in NAMES:
        found = read(known)
        print(f"{known:10}{found['title']}: {found['description']}")
