"""What was done to an AnnData, as one JSON string in ``uns["tybalt_like"]``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tybalt_like.core import keys

if TYPE_CHECKING:
    from anndata import AnnData


def recorded(adata: AnnData) -> dict[str, Any]:
    """Everything recorded so far; empty if nothing was."""
    return dict(json.loads(adata.uns.get(keys.UNS, "{}")))


def record(adata: AnnData, **entries: Any) -> None:
    """Add entries of plain JSON values, replacing those of the same name."""
    adata.uns[keys.UNS] = json.dumps(recorded(adata) | entries)
