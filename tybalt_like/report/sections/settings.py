"""What was found in the data, the recipe, versions, and the files beside the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tybalt_like.core.files import checksum
from tybalt_like.report.contents import Contents
from tybalt_like.report.section import Section


class Settings(Section[Contents], name="settings", title="Settings", place=110):
    """Tables of everything that the run depended on."""

    template = """
{% if notes %}
<h3>How the matrix was read</h3>
<ul>
{% for line in notes %}
<li>{{ line }}</li>
{% endfor %}
</ul>
{% endif %}
{% if about.findings %}
<h3>What was found in the data</h3>
<ul>
{% for line in about.findings %}
<li>{{ line }}</li>
{% endfor %}
</ul>
{% endif %}
<div class="columns">
{{ ui.pairs("Recipe", recipe) }}
<div>
{% for caption, rows in tables.items() %}
{{ ui.pairs(caption, rows) }}
{% endfor %}
</div>
</div>
{% if files %}
<h3>Files beside this page</h3>
<p>In the folder <strong>{{ folder }}</strong>, with the others that are named on this page. If the page came alone, ask for them, or for the zip that <code>tybalt-like bundle</code> makes of that folder.</p>
<div class="scroll" role="region" aria-label="Files beside this page" tabindex="0">
<table class="plain files">
<thead><tr><th scope="col">file</th><th scope="col">holds</th><th scope="col" class="n">kB</th><th scope="col">SHA-256, first half</th></tr></thead>
<tbody>
{% for file in files %}
<tr><th scope="row">{{ ui.file(file.name) }}</th><td>{{ file.what }}</td><td class="n">{{ file.size | count }}</td><td><code>{{ file.sha256[:32] }}</code></td></tr>
{% endfor %}
</tbody>
</table>
</div>
{% endif %}
"""

    def content(self, run: Contents) -> dict[str, Any]:
        about = run.about
        tables = {"Run": list(about["facts"].items())}
        tables |= {"Samples": list(about["splits"].items())} if about.get("splits") else {}
        tables |= {
            "Versions": list(about["versions"].items()),
            "Seconds": flattened(about["seconds"]),
        }
        files = [
            {
                "name": name,
                "what": what,
                "size": -(-(run.folder / name).stat().st_size // 1000),
                "sha256": checksum(run.folder / name),
            }
            for name, what in run.files.items()
            if (run.folder / name).is_file()
        ]
        notes = about.get("reading", {}).get("notes", [])
        recipe = flattened(about["recipe"])
        folder = run.folder.resolve().name.removesuffix(".partial")  # while it is being written
        return {
            "notes": notes,
            "recipe": recipe,
            "tables": tables,
            "files": files,
            "folder": folder,
        }


def flattened(tables: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested tables as ``section.key`` and value, without what is not set."""
    rows = []
    for key, value in tables.items():
        if isinstance(value, Mapping):
            rows += flattened(value, f"{prefix}{key}.")
        elif value not in (None, []):
            shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            rows.append((f"{prefix}{key}", shown))
    return rows
