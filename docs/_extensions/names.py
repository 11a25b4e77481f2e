"""What stands in single backticks in a docstring: a link, if it is the name of something that has a
page, else code."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from docutils.nodes import Element, Node
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.domains.python import PyXRefRole
from sphinx.environment import BuildEnvironment


class Name(PyXRefRole):
    """A reference to a Python object by as much of its name as tells it: ``tl.detect``."""

    def process_link(
        self, env: BuildEnvironment, refnode: Element, has_explicit_title: bool, title: str, target: str
    ) -> tuple[str, str]:
        refnode["reftype"], refnode["name_role"] = "obj", True
        dotted = f".{target}" if "." in target and not target.startswith("tybalt_like.") else target
        return super().process_link(env, refnode, has_explicit_title, title, dotted)


def as_code(app: Sphinx, env: BuildEnvironment, node: pending_xref, inner: Any) -> Node | None:  # noqa: ARG001
    """Parameters, columns and what has no page are not references."""
    return inner if node.get("name_role") else None


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_role("name", Name(innernodeclass=nodes.literal))
    app.connect("missing-reference", as_code)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
