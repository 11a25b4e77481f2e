"""A list of all links that leave the site, for whoever has a network to follow them:
``links.txt`` beside the pages."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx


def note(app: Sphinx, doctree: nodes.document, page: str) -> None:
    for reference in doctree.findall(nodes.reference):
        address = reference.get("refuri", "")
        if address.startswith(("http://", "https://")):
            app.outward_links[address].add(page)  # type: ignore[attr-defined]


def write(app: Sphinx, error: Exception | None) -> None:
    if error is None:
        found = sorted(app.outward_links.items())  # type: ignore[attr-defined]
        lines = [f"{address}\t{' '.join(sorted(pages))}\n" for address, pages in found]
        (Path(app.outdir) / "links.txt").write_text("".join(lines), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    app.outward_links = defaultdict(set)  # type: ignore[attr-defined]
    app.connect("doctree-resolved", note)
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": False}
