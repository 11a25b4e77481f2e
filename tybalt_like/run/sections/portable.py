"""New samples, scored by the page itself."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from tybalt_like.core.marker import check_intact
from tybalt_like.report.run_contents import RunContents
from tybalt_like.report.section import Section
from tybalt_like.run.portable import FILE, Portable


class ScoreHere(
    Section[RunContents], name="portable", title="Score new samples", kind="run", place=65
):
    """A place to drop a file, if the run was made portable."""

    heading = "Score new samples on this page"
    scripts = ("expression.js", "detector.js", "portable.js")
    template = """
<p>Drop a table of expression values, genes by samples or samples by genes, as TSV or CSV, also gzipped. This page scores it {% if made.as_run %}as <code>tybalt-like score</code> does with the default detector{% else %}by those views of the default detector that need no profiles of reference samples{% endif %}, without a network: nothing leaves this machine. Samples of this run colour the map by any gene of their file.</p>
<noscript><p>Scoring needs JavaScript.</p></noscript>
<div class="drop" id="portable-zone" data-needs-script hidden>
<label>Drop a file here, or choose one: <input type="file" id="portable-file" accept=".tsv,.csv,.txt,.tab,.gz"></label>
<output id="portable-said" for="portable-file" aria-live="polite"></output>
</div>
<div id="portable-results"></div>
<p class="note">{{ made.disclosed }}</p>
<script type="application/gzip" id="portable-data">{{ data }}</script>
"""

    def content(self, run: RunContents) -> dict[str, Any] | None:
        path = run.folder / FILE
        if not path.is_file():
            return None
        check_intact(run.folder, [FILE])
        packed = path.read_bytes()
        return {"data": b64encode(packed).decode(), "made": Portable.of(packed)}
