"""Every sample: a table, the map, and a plot of any two columns, which follow each other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, ClassVar

import pandas as pd
from matplotlib.figure import Figure as Drawing

from tybalt_like import pl
from tybalt_like.core import keys
from tybalt_like.report.figure import Figure, drawing_of
from tybalt_like.report.run_contents import Row, RunContents
from tybalt_like.report.sample_data import Agreement, agreement, order, packed_samples, views
from tybalt_like.report.section import Section
from tybalt_like.report.sections.sample_map import CITATIONS, plots, still_maps

FIRST = 50
"""Rows of the table where scripts do not run; the file has the rest."""
SIGNS = "○◐●"


class Samples(Section[RunContents], name="samples", title="Samples", kind="run", place=30):
    """Map, plot and table, linked; without scripts the first rows and the figures."""

    heading = "Samples: map, scores and table"
    scripts: ClassVar[tuple[str, ...]] = (
        *("bokeh", "sample_data.js", "sample_plots.js", "sample_table.js", "samples.js"),
    )
    template = """
<div class="interactive" data-needs-script hidden>
<p>{% if views %}Similar samples lie close together on the map; distances between far groups mean little. {% endif %}Draw around samples, tap one, press a label of the legend or tick rows of the table: {{ "map, " if views }}plot and table follow. Flagged samples have a black ring.</p>
<div class="choices">
{% if views %}<label>Map <select id="map-view">{% for view in views %}<option value="{{ view.key }}">{{ view.name }}</option>{% endfor %}</select></label>{% endif %}
<label>Colour by <select id="color-by"></select></label>
<label>Plot across <select id="pair-across"></select></label>
<label>Plot upwards <select id="pair-up"></select></label>
</div>
</div>
<noscript><p>Map, plot and the whole table need JavaScript; here are the first samples, and figures.</p></noscript>
<div class="paper interactive plots" data-needs-script hidden>
{% if views %}<div id="map-plot" role="img" aria-label="Map of the samples; the table below lists them."></div>{% endif %}
<div id="pair-plot" role="img" aria-label="Plot of two columns; the table below lists them."></div>
<div id="samples-legend" class="legend" role="group" aria-label="Labels: press to select"></div>
</div>
<div class="controls" data-needs-script hidden>
<output id="samples-selected"></output>
<button type="button" id="select-none">Clear</button>
<button type="button" id="select-shown">Select all in the table</button>
<button type="button" id="save-samples">Save as TSV</button>
</div>
<div class="controls" data-needs-script hidden>
<label>Search <input type="search" id="samples-search" placeholder="sample, {{ run.label or 'split' }} ..." autocomplete="off"></label>
<label><input type="checkbox" id="selected-only"> selected only</label>
<output id="samples-shown"></output>
</div>
<details class="choice" data-needs-script hidden><summary>Columns of the table</summary>
<label>Find <input type="search" id="find-column" autocomplete="off"></label>
<div id="samples-columns"></div>
</details>
<div class="scroll tall" role="region" aria-label="Table of samples" tabindex="0">
<table id="samples-table">
<thead><tr><th scope="col">sample</th><th scope="col">flagged</th>{% if run.label %}<th scope="col">{{ run.label }}</th>{% endif %}{% for title in ["combined score", "p", "q"] %}<th scope="col" class="n">{{ title }}</th>{% endfor %}{% if judged %}<th scope="col">found strange by</th>{% endif %}{% for title in beside %}<th scope="col" class="n">{{ title }}</th>{% endfor %}<th scope="col">split</th></tr></thead>
<tbody>
{% for row in rows %}
<tr{% if row.flagged %} class="flagged"{% endif %}><th scope="row">{{ row.name }}</th><td>{{ 'yes' if row.flagged else ('no' if row.tested else 'not tested') }}</td>{% if run.label %}<td>{{ ui.label_of(row.label) }}</td>{% endif %}<td class="n">{{ '%.2f' | format(row.score) }}</td><td class="n">{{ row.p | number(2) }}{{ '*' if row.extrapolated }}</td><td class="n">{{ row.q | number(2) }}</td>{% if judged %}<td>{{ row.n_marks }} of {{ judged.titles | length }} <span class="marks">{{ row.marks }}</span></td>{% endif %}{% for p in row.others %}<td class="n">{{ p | number(2) }}</td>{% endfor %}<td>{{ row.split }}</td></tr>
{% endfor %}
</tbody>
</table>
</div>
<p class="note">Flagged samples come first, then the other tested ones, the strangest on top. All scores of all samples: {{ ui.file("scores.tsv") }}.{% if extrapolated %} * Extrapolated: beyond what ranks among {{ about.detector.units | count }} {{ about.detector.group or "reference sample" }}s can tell.{% endif %}</p>
{% if judged %}
<details><summary>Found strange by: what the signs mean</summary>
<p>● the score of the sample is larger than that of every one of {{ judged.reference | count }} reference samples; ◐ larger than that of 95&nbsp;% of them; ○ neither. A reference sample is compared with the others, so each score marks one in twenty of them, and 95&nbsp;% of them have no more than {{ words.counted(judged.usual, "mark") }}. Many marks are not as many proofs: the scores look at the same distances and residuals.</p>
<p>In the order of the signs: {{ words.listed(judged.titles[:judged.titles | length - judged.n_views]) }}{% if judged.n_views %}; then the views of the {{ run.title(run.decides) }}: {{ words.listed(judged.titles[judged.titles | length - judged.n_views:]) }}{% endif %}.</p>
</details>
{% endif %}
<script type="application/gzip" id="samples-data">{{ told | packed }}</script>
<script type="application/gzip" id="samples-numbers">{{ numbers | packed }}</script>
<script type="application/gzip" id="samples-plots">{{ plots() | packed }}</script>
<details id="samples-figures" open><summary>Figures that do not change, for papers and slides</summary>
{{ ui.figures(figures) }}
</details>
"""

    only: ClassVar[str | None] = None
    """The split whose samples the table holds until a reader changes that; all if None."""

    def shown(self, run: RunContents) -> RunContents:
        """The contents whose samples are shown."""
        return run

    def content(self, run: RunContents) -> dict[str, Any]:
        run = self.shown(run)
        judged, beside = (
            agreement(run),
            [name for name in run.about["scorers"] if name != run.decides],
        )
        found, rows = views(run), first(run, judged, beside, only=self.only)
        label = [f"sample {run.label}"] if run.label else []
        begins = {
            "shown": [
                *("flagged", *label, "combined", "p", "q", "marks"),
                *(f"p {name}" for name in beside),
                f"sample {keys.SPLIT}",
            ],
            "filters": {f"sample {keys.SPLIT}": self.only} if self.only else {},
        }
        told, numbers = packed_samples(run, judged)
        return {
            "rows": rows,
            "beside": [f"p by {run.title(name)}" for name in beside],
            "extrapolated": bool(run.score("extrapolated").eq(True).any()),
            "judged": judged if len(judged.titles) > 1 else None,
            "views": found,
            "told": json.dumps(told | begins, allow_nan=False),
            "numbers": numbers,
            "plots": lambda: json.dumps(plots(with_map=bool(found))),
        }

    def figures(self, run: RunContents) -> Iterator[Figure]:
        yield from scores(run)
        yield from still_maps(run)

    def citations(self, run: RunContents) -> list[str]:
        return CITATIONS


def scores(run: RunContents) -> Iterator[Figure]:
    """The distribution of the combined score, if samples were tested."""
    table = pd.DataFrame({"score": run.score(), "label": run.labels})[run.tested]
    if table.empty:
        return
    threshold = _threshold(run)

    def draw() -> Drawing:
        ax = pl.score_distribution(
            table,
            "score",
            label="label" if run.label else None,
            threshold=threshold,
            palette=run.palette,
        )
        ax.set_xlabel(f"combined anomaly score ({run.title(run.decides)})")
        return drawing_of(ax)

    yield Figure(
        "score_distribution",
        "How strange are the tested samples?",
        f"Combined anomaly scores of {len(table)} tested samples, by label.",
        "Each dot is a tested sample, scored by what was learned without it; further "
        "right is stranger. Circle and bar: median and quartiles. The score: "
        f"{run.about['detector']['combined']}."
        + ("" if threshold is None else " Samples from the dashed line on are flagged."),
        draw,
    )


def first(run: RunContents, judged: Agreement, beside: list[str], *, only: str | None) -> list[Row]:
    """The first samples in `order`, with p-values of the scorers `beside` the one that decides."""
    table = pd.DataFrame(
        {
            "label": run.labels,
            "split": run.samples[keys.SPLIT],
            "score": run.score(),
            "p": run.score("p_value"),
            "extrapolated": run.score("extrapolated"),
            "q": run.score("q_value"),
            "flagged": run.flagged,
            "tested": run.tested,
        }
    )
    table["n_marks"] = (judged.mark_ns > 0).sum(1)
    table["marks"] = ["".join(SIGNS[mark] for mark in mark_s) for mark_s in judged.mark_ns]
    table = table.loc[order(run)]
    table = table[table["split"].eq(only) if only else slice(None)].head(FIRST)
    p_values = [run.score("p_value", model=name).reindex(table.index) for name in beside]
    table["others"] = list(zip(*p_values, strict=True)) if beside else [()] * len(table)
    return table.rename_axis("name").reset_index().to_dict(orient="records")


def _threshold(run: RunContents) -> float | None:
    """The score that parts flagged from other samples, if one does: folds have one each."""
    flagged, others = run.score()[run.flagged], run.score()[run.tested & ~run.flagged]
    if flagged.empty or others.max() > flagged.min():
        return None
    return float(flagged.min())
