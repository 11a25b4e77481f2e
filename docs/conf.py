"""How the documentation is built: `make docs`."""

from __future__ import annotations

import hashlib
import os
import sys
from importlib import metadata
from pathlib import Path

from nbclient import NotebookClient
from sphinx.application import Sphinx

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path.insert(0, str(HERE / "_extensions"))

project = "tybalt_like"
author = "the authors of tybalt_like"
copyright = author
release = version = metadata.version("tybalt-like")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    "names",
    "outward",
    "written",
]
exclude_patterns = ["_extensions", "**/.ipynb_checkpoints", "reference/written/*.md"]
nitpicky = True
nitpick_ignore_regex = [
    # Types of other packages, and of the standard library.
    (
        r"py:.*",
        r"(AnnData|Axes|Client|DataFrame|Figure|Group|Path|Series|Index|NDArray|ArrayLike|Tensor|tuple\[str)",
    ),
    (
        r"py:.*",
        r"(np|pd|nn|plt|numpy|pandas|torch|anndata|matplotlib|collections|typing|pathlib|annotated_types)\..*",
    ),
    # Names for a choice of words, a shape or a function, which signatures write as they are.
    (
        r"py:.*",
        "Array|Axis|Chooser|Codes|Cut|EpochHook|Floats|How|Pair|Palette|Rotation|Rule|Source",
    ),
    # Inner parts of the package; those of recipes have a page of their own, by key.
    (r"py:.*", r"Grid|Helpers|tybalt_like\..*\.(Hdf5|Lines|P|Style|_Seen)"),
    (r"py:.*", r"tybalt_like\.(run\.recipe|images\.settings|explain\.settings)\..*"),
]

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 4
nb_execution_mode = "cache"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True
os.environ["PYTHONWARNINGS"] = "ignore:IProgress not found"  # by kernels, which draw no bars


def _source_hash() -> str:
    """Of the code that notebooks run: what other code gave is not taken from the cache."""
    digest = hashlib.sha256()
    for path in sorted((ROOT / "tybalt_like").rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


# Notebooks call the command line, which is beside this Python.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
# What commands print comes in pieces of 100 bytes, each of which would end with a line.
NotebookClient.coalesce_streams = True
nb_execution_cache_path = str(ROOT / "build" / "notebooks" / _source_hash())

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autosummary_generate = False
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
python_maximum_signature_line_length = 88
python_use_unqualified_type_names = True
default_role = "name"
smartquotes = False

html_theme = "furo"
html_title = "tybalt_like"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True


def skipped(_app: Sphinx, _what: str, name: str, *_: object) -> bool | None:
    """Scikit-learn adds these to every estimator."""
    return True if name.startswith("set_") and name.endswith("_request") else None


def setup(app: Sphinx) -> None:
    app.connect("autodoc-skip-member", skipped)
