"""A run folder becomes one page that needs nothing else."""

from __future__ import annotations

from base64 import b64encode
from functools import partial
from hashlib import sha256
from io import BytesIO
from math import isnan
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tybalt_like.core.files import write_text
from tybalt_like.report import encoding, explorer, figures, images, made_images, prose, tables
from tybalt_like.report.citations import citations
from tybalt_like.report.contents import FILES, Contents
from tybalt_like.report.picture import Picture

_TEMPLATE = Path(__file__).parent / "template"


def build(run_dir: Path) -> Path:
    """Draw the figures of a run and write its report.

    Reads the tables of the run folder and nothing else; writes ``figures/*.png``,
    ``figures/*.svg`` and, whole or not at all, ``report.html``: one page that loads nothing from
    anywhere, which its content security policy enforces.

    Returns
    -------
    pathlib.Path
        ``run_dir/report.html``.

    Raises
    ------
    RunError
        If a file of the run folder is missing or cannot be read.
    """
    run = Contents.read(run_dir)
    page = _render(run, figures.draw(run))
    report = run_dir / "report.html"
    write_text(report, page)
    return report


def environment() -> Environment:
    """Templates in which everything that users named is escaped."""
    templates = Environment(
        loader=FileSystemLoader(_TEMPLATE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"number": _number, "count": "{:,}".format, "percent": prose.percent}
    return templates


def template_text(name: str) -> str:
    """A style sheet or script that lies beside the templates."""
    return (_TEMPLATE / name).read_text(encoding="utf-8")


def script_hash(text: str) -> str:
    """As a content security policy names the scripts that may run."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _render(run: Contents, drawn: list[Picture]) -> str:
    scripts = [_bokeh(), template_text("report.js")]
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            run=run,
            about=run.about,
            prose=prose,
            tables=tables,
            explorer=explorer,
            encoding=encoding,
            images=images,
            made_images=made_images,
            drawn=drawn,
            image=partial(image, run.folder / "figures"),
            files={name: what for name, what in FILES.items() if (run.folder / name).exists()},
            citations=citations(
                run.model, run.about["versions"]["tybalt-like"], judged=not run.card.empty
            ),
            style=template_text("report.css"),
            scripts=scripts,
            script_hashes=[script_hash(text) for text in scripts],
        )
    )


def _bokeh() -> str:
    from bokeh.resources import Resources

    return str(Resources(mode="inline", components=["bokeh"]).js_raw[0])


def image(folder: Path, name: str) -> dict[str, Any]:
    """A figure as a data URL, with its size in pixels; lossless WebP is half of PNG."""
    from PIL import Image

    buffer = BytesIO()
    with Image.open(folder / f"{name}.png") as png:
        png.convert("RGB").save(buffer, format="WEBP", lossless=True)
        width, height = png.size
    url = f"data:image/webp;base64,{b64encode(buffer.getvalue()).decode()}"
    return {"url": url, "width": width, "height": height}


def _number(value: float, digits: int = 3) -> str:
    """Significant digits; a dash for what is missing."""
    return "–" if isnan(value) else f"{value:.{digits}g}"
