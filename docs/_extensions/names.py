"""What stands in single backticks in a docstring: a link, if it is the name of something that has a
page, else code. And names in signatures, which are seldom whole."""

from __future__ import annotations

from typing import Any, cast

from docutils import nodes
from docutils.nodes import Element, Node
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.domains.python import PythonDomain, PyXRefRole
from sphinx.environment import BuildEnvironment
from sphinx.util.nodes import make_refnode


class Name(PyXRefRole):
    """A reference to a Python object by as much of its name as tells it: ``tl.detect``."""

    def process_link(
        self, env: BuildEnvironment, refnode: Element, has_title: bool, title: str, target: str
    ) -> tuple[str, str]:
        found = super().process_link(env, refnode, has_title, title, target)
        refnode["refdomain"], refnode["reftype"], refnode["in_backticks"] = "py", "obj", True
        return found


def by_its_end(app: Sphinx, env: BuildEnvironment, node: pending_xref, inner: Any) -> Node | None:
    """A link to the one object whose name ends so. In backticks it needs a dot, because words such
    as ``train`` are parameters first; what is nothing's name there stays code."""
    if node.get("refdomain") != "py":
        return None
    target, in_backticks = node["reftarget"], "in_backticks" in node
    if "." in target or not in_backticks:
        objects = cast(PythonDomain, env.get_domain("py")).objects
        found = {entry.node_id: entry for name, entry in objects.items() if _ends(name, target)}
        if len(found) == 1:
            (entry,) = found.values()
            page, anchor = entry.docname, entry.node_id
            return make_refnode(app.builder, node["refdoc"], page, anchor, inner)
    return inner if in_backticks else None


def _ends(name: str, target: str) -> bool:
    return f".{name}".endswith(f".{target}")


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_role("name", Name(innernodeclass=nodes.literal))
    app.connect("missing-reference", by_its_end)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
