"""A folder becomes one page that needs nothing else: the list of the sections that apply."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Container
from contextlib import nullcontext
from functools import cache, lru_cache, partial
from gzip import compress
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tybalt_like.core.files import write_text
from tybalt_like.core.folders import SETTINGS
from tybalt_like.core.helpers import Helpers
from tybalt_like.core.marker import MARKER, about_to_write, add_to_marker, written_files
from tybalt_like.core.stored import sound
from tybalt_like.pl.saving import save
from tybalt_like.pl.theme import theme
from tybalt_like.report import words
from tybalt_like.report.contents import ABOUT, PAGE, Contents
from tybalt_like.report.figure import Figure
from tybalt_like.report.section import EVERY, Section

if TYPE_CHECKING:
    from PIL import Image

_TEMPLATE = Path(__file__).parent / "template"
BOKEH, SCRIPT = "bokeh", "report.js"
"""Names of scripts: the charting library, and what runs on every page, before all others."""
_NAME = re.compile(r'<code class="file">([\w./-]+)</code>')
"""The name of a file of the folder, as a page shows it."""


def build(folder: Path, *, helpers: Helpers | None = None) -> Path:
    """Draw the figures of a finished run and write its page.

    Reads the tables of the folder and nothing else; writes ``figures/*.png``, ``figures/*.svg``,
    what other programs read (`Contents.beside`) and, whole or not at all, ``report.html``: one page
    that loads nothing from anywhere, which its content security policy enforces.

    Parameters
    ----------
    folder
        Of the run.
    helpers
        Processes that share the drawing; none if None.

    Returns
    -------
    pathlib.Path
        The page.

    Raises
    ------
    RunError
        If a file of the folder is missing or cannot be read.
    """
    run = Contents.read(folder)
    # What a finished folder cannot be drawn from is damaged, or of another version's making.
    with nullcontext() if (folder / SETTINGS).exists() else sound(folder / ABOUT):
        beside = run.beside()
        if (folder / MARKER).exists():
            figures = (n for n in written_files(folder) if n.startswith("figures/"))
            about_to_write(folder, [PAGE, *beside, *figures])
        for name, text in beside.items():
            write_text(folder / name, text)
        page, drawn = _page(run, helpers or Helpers())
    write_text(folder / PAGE, page)
    if (folder / MARKER).exists():
        names = [f"figures/{name}.{suffix}" for name in drawn for suffix in ("png", "svg")]
        add_to_marker(folder, [PAGE, *beside, *names])
    return folder / PAGE


def _page(run: Contents, helpers: Helpers) -> tuple[str, list[str]]:
    """The page, and the names of its figures, which are drawn into the folder."""
    found = [
        (section, content)
        for section in _sections(run.kind)
        if (content := section.content(run)) is not None
    ]
    figures = {section.name: list(section.figures(run)) for section, _ in found}
    opened, drawn = _Opened(run), dict[str, Callable[[], dict[str, Any]]]()
    # The page asks for the first ones first: helpers begin with the last.
    for section, _ in reversed(found):
        for number, figure in reversed(list(enumerate(figures[section.name]))):
            work = partial(_draw, run.kind, section.name, number, opened)
            drawn[figure.name] = cache(helpers.begin(work))
    environment = _environment(lambda name: drawn[name]())
    parts = [
        {
            "name": section.name,
            "title": section.title,
            "heading": section.heading or section.title,
            "html": _rendered(environment, section, run, figures[section.name], content, found),
        }
        for section, content in found
    ]
    for image in drawn.values():  # also what no section shows
        image()
    named = [SCRIPT, *(name for section, _ in found for name in section.scripts)]
    scripts = [_bokeh() if name == BOKEH else _read(name) for name in dict.fromkeys(named)]
    page = environment.get_template("page.html.j2").render(
        run=run,
        about=run.about,
        sections=parts,
        style=_read("report.css"),
        scripts=scripts,
        script_hashes=[_hash(text) for text in scripts],
    )
    return page, [figure.name for several in figures.values() for figure in several]


def _sections(kind: str) -> list[Section[Any]]:
    kinds = [one for one in Section.registry.values() if one.kind in (kind, EVERY)]
    return [one() for one in sorted(kinds, key=lambda one: one.place)]


class _Opened:
    """The contents of a folder, which another process reads for itself, once."""

    def __init__(self, run: Contents) -> None:
        self.folder, self.key, self.run = run.folder, uuid4().hex, run

    def __reduce__(self) -> tuple[Callable[[Path, str], _Opened], tuple[Path, str]]:
        return _opened, (self.folder, self.key)


@lru_cache(maxsize=1)
def _opened(folder: Path, key: str) -> _Opened:  # noqa: ARG001 - a folder may change
    return _Opened(Contents.read(folder))


@theme
def _draw(kind: str, section: str, number: int, opened: _Opened) -> dict[str, Any]:
    """One figure of a section, into ``figures/`` of the folder, and as the page shows it."""
    import matplotlib.pyplot as plt

    (one,) = (found for found in _sections(kind) if found.name == section)
    figure = list(one.figures(opened.run))[number]
    drawing = figure.draw()
    save(drawing, opened.folder / "figures", figure.name)
    plt.close(drawing)
    return _image(opened.folder / "figures" / f"{figure.name}.png")


def _rendered(
    environment: Environment,
    section: Section[Any],
    run: Contents,
    figures: list[Figure],
    content: dict[str, Any],
    found: list[tuple[Section[Any], dict[str, Any]]],
) -> Markup:
    template = environment.from_string(section.template)
    return Markup(
        template.render(
            run=run,
            about=run.about,
            name=section.name,
            figures=figures,
            others=[other for other, _ in found],
            **content,
        )
    )


def _environment(image: Callable[[str], dict[str, Any]]) -> Environment:
    """Templates in which everything that users named is escaped."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "packed": packed,
        "number": words.number,
        "count": "{:,}".format,
        "percent": words.percent,
    }
    environment.globals |= {"image": image, "words": words}
    environment.globals["ui"] = environment.get_template("macros.html.j2").module
    return environment


def linked(page: str, names: Container[str]) -> str:
    """A page in which the names of files that lie beside it are links to them."""

    def link(match: re.Match[str]) -> str:
        name = match[1]
        return f'<a href="{name}">{name}</a>' if name in names else match[0]

    return _NAME.sub(link, page)


def packed(data: str | bytes) -> str:
    """Text or bytes as the page's ``unpacked`` and ``unpackedBytes`` read them: gzip, in base64."""
    plain = data.encode() if isinstance(data, str) else data
    return b64encode(compress(plain, mtime=0)).decode()


def _read(name: str) -> str:
    return (_TEMPLATE / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """As a content security policy names the scripts that may run."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _bokeh() -> str:
    from bokeh.resources import Resources

    return str(Resources(mode="inline", components=["bokeh"]).js_raw[0])


def _image(path: Path) -> dict[str, Any]:
    """A figure as a data URL, with its size in pixels.

    Lossless WebP is half of PNG; heat maps and thousands of points, where what is lost cannot be
    seen, are smaller by far at a quality of 90.
    """
    from PIL import Image

    with Image.open(path) as png:
        image = png.convert("RGB")
    written = min((_webp(image, lossless=True), _webp(image, quality=90)), key=len)
    url = f"data:image/webp;base64,{b64encode(written).decode()}"
    return {"url": url, "width": image.width, "height": image.height}


def _webp(image: Image.Image, **how: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, format="WEBP", **how)
    return buffer.getvalue()
