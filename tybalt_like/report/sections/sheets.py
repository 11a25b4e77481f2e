"""A page of its own for each strange sample, to be printed on one sheet."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from tybalt_like import pl
from tybalt_like.anomaly import View
from tybalt_like.core import keys
from tybalt_like.pl.theme import theme
from tybalt_like.report.run_contents import Row, RunContents
from tybalt_like.report.sample_data import order, views
from tybalt_like.report.section import Section
from tybalt_like.report.sections.genes import with_symbols
from tybalt_like.report.words import capital, number

PLAIN = 5
"""Sheets that stand in the page as they are; the others are packed."""
MOST = 1000
"""Samples that have a sheet."""
FIRST_GENES, FIRST_SETS = 10, 5
"""Shown on the sheet; further genes unfold."""
UNUSUAL = 0.05, 0.95
"""Quantiles of the reference samples that a measurement of the matrix should lie between."""
CALLED = 0.05
"""Adjusted p-value up to which a gene is called, and share of the reference samples that a view
finds as strange."""
RARE = 0.01
"""A measurement is doubted outside all but this share of the reference samples, on either side."""


class Sheets(Section[RunContents], name="sheets", title="Sample by sample", kind="run", place=35):
    """For each strange sample all that is known of it."""

    scripts = ("sheets.js",)
    template = """
{% from "sheet.html.j2" import sheet with context %}
<p>{% if about.flagged.flagged %}A sheet for each flagged sample{% if n < about.flagged.flagged %}, the {{ n | count }} strangest of {{ about.flagged.flagged | count }}{% endif %}{% else %}No sample is flagged: a sheet for each of the {{ n | count }} strangest{% endif %}. {% if expected %}What is expected of a sample is the normal profile nearest to it that the model can make{% if all_expected %} (all of them: {{ ui.file("closest_normal.tsv.gz") }}){% endif %}.{% endif %}</p>
<div class="controls" data-needs-script hidden>
<label>Sheet of <select id="sheet-chosen">
{% for name in names %}
<option value="{{ loop.index }}">{{ loop.index }}. {{ name }}</option>
{% endfor %}
</select></label>
<button type="button" id="sheet-print">Print this sheet</button>
</div>
{% if map %}<svg width="0" height="0" aria-hidden="true"><defs><image id="map-picture" href="{{ map }}" width="100" height="100"/></defs></svg>
{% endif %}
<div id="sheet-holder" data-n="{{ n }}">
{% for one in sheets[:plain] %}
{{ sheet(one) }}
{% endfor %}
</div>
{% set rest = [] %}
{% for one in sheets[plain:] %}
{% set _ = rest.append(sheet(one) | string) %}
{% endfor %}
{% if rest %}<script type="application/gzip" id="sheets-packed">{{ rest | tojson | packed }}</script>
{% endif %}
<details><summary>How to read a sheet</summary>
<p>A view is one way to say how strange a sample is; its bar shows the share of the {{ reference | count }} reference samples, each measured by what was learned without it, that are less strange. Of genes: values are on the {{ scale }}; usual is the range of nine tenths of the reference samples; z is the difference by what is usual for that gene, and p how often one sees such a z in samples that nothing was learned from; adjusted p corrects for all genes of the sample, so that at most one ordinary sample in twenty has any gene at 0.05{% if interesting %}. Genes of interest (●) share half of the false-discovery budget{% endif %}. {% if sets %}The z of a gene set compares the mean z of its genes, with normal tails so that no single one decides, with the same mean in the reference samples, so that genes which always move together do not count several times. {% endif %}{% if nearest %}The distance of a reference sample: root mean square over the genes, each in standard deviations among the reference samples.{% endif %}</p>
</details>
"""

    def content(self, run: RunContents) -> dict[str, Any] | None:
        if run.of_images or run.needed("gene_scores.tsv.gz").empty:
            return None
        names = [str(name) for name in order(run) if name in set(_explained(run))][:MOST]
        picture, place = _map(run)
        sheets = _sheets(run, names, place)
        genes = run.needed("gene_scores.tsv.gz")
        return {
            "n": len(names),
            "names": names,
            "map": picture,
            "map_name": _map_name(run),
            "first_genes": FIRST_GENES,
            "sheets": sheets,
            "plain": PLAIN,
            "expected": "expected" in genes,
            "all_expected": (run.folder / "closest_normal.tsv.gz").exists(),
            "reference": int(run.reference.sum()),
            "scale": "log2 scale" if run.about["detector"]["log2"] else "scale of the input",
            "interesting": bool(genes["of_interest"].any()),
            "sets": len(run.table("gene_set_scores.tsv.gz")) > 0,
            "nearest": len(run.table("closest_reference.tsv")) > 0,
        }


def _explained(run: RunContents) -> list[str]:
    return list(run.needed("gene_scores.tsv.gz")["sample"].unique())


def _sheets(run: RunContents, names: list[str], place: pd.DataFrame) -> list[Row]:
    """All that is known of each sample, in the order of the names."""
    genes = with_symbols(run.needed("gene_scores.tsv.gz")).sort_values(["sample", "rank"])
    genes_of = _by_sample(genes)
    sets_of = _by_sample(run.table("gene_set_scores.tsv.gz"))
    nearest_of = _by_sample(run.table("closest_reference.tsv"))
    what = {name: run.score(name) for name in ("p_value", "q_value", "extrapolated")}
    seen, others, doubts = _views(run), _others(run), _doubts(run)
    records = run.samples.drop(columns=keys.SPLIT)
    rank = run.score()[run.tested].rank(ascending=False, method="min")
    return [
        {
            "name": name,
            "place": i + 1,
            "of": len(names),
            "label": run.labels[name],
            **{str(key): values[name] for key, values in what.items()},
            "flagged": bool(run.flagged[name]),
            "rank": int(rank[name]) if name in rank else 0,
            "tested": len(rank),
            "genes": genes_of[name],
            "called": sum(gene["p_adjusted"] <= CALLED for gene in genes_of[name]),
            "limit": max(abs(gene["z"]) for gene in genes_of[name]) or 1.0,
            "sets": sets_of.get(name, [])[:FIRST_SETS],
            "nearest": [
                {**one, "label": run.labels.get(one["reference"], "")}
                for one in nearest_of.get(name, [])
            ],
            "at": list(place.loc[name]) if name in place.index else None,
            "views": [view | {"share": view["share"][name]} for view in seen],
            "others": [other | {"p": other["p"][name]} for other in others],
            "record": _record(records.iloc[row]),
            "measured": _measured(run, name),
            "doubts": doubts.get(name, []),
        }
        for i, (name, row) in enumerate(
            zip(names, records.index.get_indexer(pd.Index(names)), strict=True)
        )
    ]


def _by_sample(table: pd.DataFrame) -> dict[str, list[Row]]:
    if table.empty:
        return {}
    found: dict[str, list[Row]] = {}
    for row in table.to_dict(orient="records"):
        found.setdefault(str(row["sample"]), []).append(row)
    return found


def _views(run: RunContents) -> list[Row]:
    """Of each view that decides: what it is, and for every sample the share of the reference that
    is less strange."""
    known = run.scores[run.scores["model"] == run.decides]
    decide = run.about["detector"].get("views", list(dict.fromkeys(known["score"])))
    found: list[Row] = []
    for name in decide:
        value = run.value(run.decides, name)
        if name not in View.registry or value.empty:
            continue
        reference = np.sort(value[run.reference].dropna().to_numpy())
        below = np.searchsorted(reference, value.to_numpy(), side="left")
        share = pd.Series(below / max(1, len(reference)), index=value.index)
        kind = View.registry[name]
        found.append({"title": capital(kind.title), "says": kind.says, "share": share})
    return found


def _others(run: RunContents) -> list[Row]:
    """p-values by the scorers that do not decide."""
    names = [name for name in run.about["scorers"] if name != run.decides]
    return [{"title": run.title(n), "p": run.score("p_value", model=n)} for n in names]


def _record(row: pd.Series) -> list[tuple[str, str]]:
    """What the sample table says of a sample."""
    known = row[row.notna() & (row.astype(str) != "")]
    return [
        (str(column), number(value, 6) if isinstance(value, float) else str(value))
        for column, value in known.items()
    ]


def _measured(run: RunContents, name: str) -> list[Row]:
    """What the matrix tells of a sample, beside the range that is usual in the reference."""
    table = run.table("sample_checks.tsv", index="sample")
    if name not in table.index:
        return []
    rows: list[Row] = []
    for column in table.select_dtypes("number").columns:
        low, high = table[column][run.reference].quantile(UNUSUAL)
        rows.append({"what": column, "value": table[column][name], "low": low, "high": high})
    return rows


def _doubts(run: RunContents) -> dict[str, list[str]]:
    """By sample, what would make one doubt that it is strange for a reason of biology."""
    found: dict[str, list[str]] = {}
    table = run.table("sample_checks.tsv", index="sample")

    def say(names: pd.Index, sentence: str) -> None:
        for name in names:
            found.setdefault(str(name), []).append(sentence)

    if len(table):
        for column in table.select_dtypes("number").columns:
            low, high = table[column][run.reference].quantile([RARE, 1 - RARE])
            if low < high:
                say(table.index[table[column] < low], f"Its {column} is unusually low.")
                say(table.index[table[column] > high], f"Its {column} is unusually high.")
        for name, other in table["same profile as"].dropna().items():
            say(pd.Index([name]), f"It has the same profile as {other}.")
        contradicts = table["contradicts its sex"].astype(str) == "True"
        say(table.index[contradicts], "Its genes contradict the sex that is recorded for it.")
    alone = _called_by_one_view(run)
    say(
        alone,
        "Only one view finds it stranger than nineteen in twenty reference samples: a single "
        "reason, perhaps a few genes.",
    )
    return found


def _called_by_one_view(run: RunContents) -> pd.Index:
    shares = pd.DataFrame({view["title"]: view["share"] for view in _views(run)})
    if shares.shape[1] < 2:
        return pd.Index([])
    return shares.index[(shares > 1 - CALLED).sum(axis=1) == 1]


def _map_name(run: RunContents) -> str:
    return next((view["name"] for view in views(run)), "")


@theme
def _map(run: RunContents) -> tuple[str, pd.DataFrame]:
    """The first map as a picture without a frame, and each sample's place in it in percent."""
    if not views(run):
        return "", pd.DataFrame()
    key = views(run)[0]["key"]
    adata, xy = run.adata(), run.maps[[f"{key}_1", f"{key}_2"]]
    adata.obsm["X_place"] = xy.to_numpy()
    figure = plt.figure(figsize=(2.4, 2.4), layout="none")
    ax = figure.add_axes((0, 0, 1, 1))
    color, palette = (run.label, run.palette) if run.label else (keys.SPLIT, None)
    pl.embedding(adata, "X_place", color=color, palette=palette, legend=False, ax=ax)
    ax.set(xlabel="", ylabel="", frame_on=False)
    ax.grid(visible=False)
    (low_x, high_x), (low_y, high_y) = ax.get_xlim(), ax.get_ylim()
    at = pd.DataFrame(
        {
            "x": 100 * (xy.iloc[:, 0] - low_x) / (high_x - low_x),
            "y": 100 - 100 * (xy.iloc[:, 1] - low_y) / (high_y - low_y),
        }
    )
    from PIL import Image

    drawn, small = BytesIO(), BytesIO()
    figure.savefig(drawn, format="png", dpi=200)
    plt.close(figure)
    Image.open(drawn).convert("RGB").save(small, format="WEBP", quality=80)
    return f"data:image/webp;base64,{b64encode(small.getvalue()).decode()}", at
