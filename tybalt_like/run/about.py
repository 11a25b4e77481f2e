"""``run.json``: what a finished run of any kind says of itself."""

from __future__ import annotations

import importlib.metadata
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tybalt_like.core.files import write_text
from tybalt_like.core.provenance import recorded
from tybalt_like.report import ABOUT, PACKAGE, SCHEMA

if TYPE_CHECKING:
    from anndata import AnnData


def write_about(
    work: Path,
    *,
    kind: str,
    name: str,
    recipe: Mapping[str, Any],
    seed: int,
    adata: AnnData | None,
    summary: Sequence[str],
    warnings: Sequence[str],
    facts: Mapping[str, Any],
    seconds: Mapping[str, float],
    **special: Any,
) -> None:
    """Write ``run.json``: what was done, with what, what came out, and what to be careful about.

    Parameters
    ----------
    kind
        Of run; says which page it gets.
    recipe
        Nested plain values.
    adata
        As read, with the record of that; None if nothing was.
    summary
        What was found, in sentences, the gravest first.
    warnings
        What to be careful about; what was doubtful in reading `adata` comes first.
    facts
        Numbers and names that the page shows in a table.
    special
        What runs of this kind say beside.
    """
    read = {} if adata is None else recorded(adata)
    doubts = read.get("reading", {}).get("warnings", [])
    about = {
        "schema": SCHEMA,
        "kind": kind,
        "name": name,
        "recipe": recipe,
        "seed": seed,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        "reading": read.get("reading", {}),
        "findings": read.get("findings", []),
        "summary": list(summary),
        "warnings": [*doubts, *warnings],
        "facts": facts,
        "seconds": seconds,
    }
    write_text(work / ABOUT, json.dumps(about | special, indent=1))


def versions() -> dict[str, str]:
    """Of this package and of all that it needs."""
    needed = importlib.metadata.requires(PACKAGE) or []
    names = [re.split(r"[\s<>=!~;\[]", line)[0] for line in needed if "extra ==" not in line]
    return {name: importlib.metadata.version(name) for name in [PACKAGE, *sorted(names)]}
