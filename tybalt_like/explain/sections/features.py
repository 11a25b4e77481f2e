"""What the latent features mean: which go with what, and a card for each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from tybalt_like.explain.explained import FOLDER, about_of
from tybalt_like.interpretation.naming import COLUMN, SEE, SEX
from tybalt_like.pl.features import feature_columns, feature_values, strength
from tybalt_like.report.figure import Figure, drawing_of
from tybalt_like.report.run_contents import BASELINE, Row, RunContents
from tybalt_like.report.section import Section
from tybalt_like.report.words import listed

CITATIONS = [
    "High-weight genes: Way GP, Greene CS. Extracting a biologically relevant latent space from "
    "cancer transcriptomes with variational autoencoders. Pacific Symposium on Biocomputing "
    "23:80-91 (2018).",
]
CALLED = 0.05
"""q-value up to which an association or a gene set counts."""
WEAK = 0.2
"""Associations that are weaker say little, however sure they are."""
DRAWN, ROWS = 6, 20
"""Features whose distribution is drawn, and rows of the grid, at most."""
SHOWN, ENDS = 5, 4
"""Columns and gene sets of a card, and samples of each end."""


class Features(Section[RunContents], name="features", title="Features", kind="run", place=72):
    """Named features first, then the cards of all."""

    heading = "What did it learn? Features with a meaning"
    template = """
<p><strong>{{ said }}</strong></p>
{% if technical %}<p>{{ technical }}</p>
{% endif %}
{% if beside %}
<div class="scroll" role="region" aria-label="Best single feature for each sample column" tabindex="0">
<table class="plain">
<caption>Is it one feature? Sample columns, and the single feature that goes best with each</caption>
<thead><tr><th scope="col">column</th><th scope="col">feature of {{ run.title() }}</th><th scope="col">high in</th><th scope="col" class="n">how strongly</th>{% if beside[0].pca %}<th scope="col">component of PCA</th><th scope="col" class="n">how strongly</th>{% endif %}</tr></thead>
<tbody>
{% for row in beside %}
<tr><th scope="row">{{ row.column }}</th><td><a href="#feature-{{ row.feature }}">{{ row.feature }}</a>{% if row.name %} <small>{{ row.name }}</small>{% endif %}</td><td>{{ row.side }}</td><td class="n">{{ row.measure }} {{ '%.2f' | format(row.value) }}</td>{% if row.pca %}<td>{{ row.pca }}</td><td class="n">{{ '%.2f' | format(row.pca_value) }}</td>{% endif %}</tr>
{% endfor %}
</tbody>
</table>
</div>
<p class="note">AUROC of the feature for one group against the others (0.5 is nothing); of numbers, Spearman's correlation. PCA has as many components, of the same training samples, turned in the same way. Where its best component reads a column as well, a simple method would have done.</p>
{% endif %}
<p class="note">{{ about_axes }} A feature's genes are those that change most when it rises by one standard deviation, averaged over samples, through the whole decoder; ● marks a high weight, more than 2.5 standard deviations from the mean of all genes. q is corrected over all features and columns{% if with_sets %}; gene sets are compared with random directions of the latent space, which know how genes move together{% endif %}. {{ stable }}</p>
{{ ui.figures(figures) }}
<h3>A card for every feature</h3>
<div class="tall list">
{% for card in cards %}
<details id="feature-{{ card.feature }}">
<summary><strong>{{ card.feature }}</strong>{% if card.name %} · <strong>{{ card.name }}</strong>{% endif %} · {{ '%.1f' | format(100 * card.share) }} % of the variance{% if card.found == card.found %} · found again in {{ '%.0f' | format(100 * card.found) }} % of trainings{% endif %} <span class="faint">↑ {{ card.up }} ↓ {{ card.down }}</span></summary>
{% if card.why %}<p>{{ card.why }}.</p>{% endif %}
{% if card.twin %}<p>Nearly the same genes as <a href="#feature-{{ card.twin }}">{{ card.twin }}</a>.</p>{% endif %}
<div class="columns">
<table class="plain"><caption>Genes that rise with it</caption><thead><tr><th scope="col">gene</th><th scope="col" class="n">{{ unit }}</th></tr></thead><tbody>
{% for g in card.high %}<tr><th scope="row">{{ g.symbol }}{% if g.high %} ●{% endif %}</th><td class="n">{{ '%+.2f' | format(g.effect) }}</td></tr>{% endfor %}
</tbody></table>
<table class="plain"><caption>Genes that fall</caption><thead><tr><th scope="col">gene</th><th scope="col" class="n">{{ unit }}</th></tr></thead><tbody>
{% for g in card.low %}<tr><th scope="row">{{ g.symbol }}{% if g.high %} ●{% endif %}</th><td class="n">{{ '%+.2f' | format(g.effect) }}</td></tr>{% endfor %}
</tbody></table>
</div>
<div class="scroll" role="region" aria-label="What {{ card.feature }} goes with" tabindex="0">
{% if card.columns %}
<table class="plain"><caption>Sample columns</caption><thead><tr><th scope="col">column</th><th scope="col">high in</th><th scope="col" class="n">how strongly</th><th scope="col" class="n">q</th></tr></thead><tbody>
{% for c in card.columns %}<tr{% if c.q_value <= 0.05 %} class="main"{% endif %}><th scope="row">{{ c.column }}</th><td>{{ c.side }}</td><td class="n">{{ c.measure }} {{ '%.2f' | format(c.value) }}</td><td class="n">{{ c.q_value | number(2) }}</td></tr>{% endfor %}
</tbody></table>
{% endif %}
{% if card.sets %}
<table class="plain"><caption>Gene sets</caption><thead><tr><th scope="col">set</th><th scope="col" class="n">z</th><th scope="col" class="n">q</th><th scope="col">leading genes</th></tr></thead><tbody>
{% for s in card.sets %}<tr{% if s.q_value <= 0.05 %} class="main"{% endif %}><th scope="row">{{ s.set }}</th><td class="n">{{ '%+.1f' | format(s.z) }}</td><td class="n">{{ s.q_value | number(2) }}</td><td>{{ s.leading_edge.split()[:12] | join(", ") }}</td></tr>{% endfor %}
</tbody></table>
{% endif %}
<table class="plain"><caption>Samples at the ends</caption><tbody>
<tr><th scope="row">highest</th><td>{{ card.top }}</td></tr>
<tr><th scope="row">lowest</th><td>{{ card.bottom }}</td></tr>
</tbody></table>
</div>
</details>
{% endfor %}
</div>
"""

    def content(self, run: RunContents) -> dict[str, Any] | None:
        cards = _cards(run)
        if cards.empty:
            return None
        about = about_of(run)
        sets = run.table(f"{FOLDER}/feature_sets.tsv.gz")
        return {
            "said": about["summary"][0],
            "technical": about["technical"],
            "beside": beside(run),
            "about_axes": about["axes"],
            "stable": about["stable"],
            "with_sets": not sets.empty,
            "unit": about["unit"],
            "cards": list(_details(run, cards)),
        }

    def figures(self, run: RunContents) -> Iterator[Figure]:
        found = _associations(run)
        cards = _cards(run)
        if found.empty:
            return
        best = found.assign(strength=strength(found)).groupby("feature")["strength"].max()
        named = cards.index[(cards["name"] != "") & ~_seconds(cards)]
        order = [*named, *best.sort_values(ascending=False).index.difference(named, sort=False)]
        titles = {
            str(feature): f"{feature}: {name}" if name else str(feature)
            for feature, name in cards["name"].items()
        }
        yield Figure(
            "feature_columns",
            "Which features go with which sample columns?",
            "Grid of latent features by sample columns, darker where they are associated.",
            "Features with a name first, then those that go best with some column. Dark: the "
            f"feature and the column say much of each other; dots: q at most {CALLED:g}, corrected "
            "over all features and columns.",
            lambda: drawing_of(feature_columns(found, features=order[:ROWS], names=titles)),
        )
        labels = _labels(run, found, cards)
        if labels:
            yield Figure(
                "feature_values",
                "How cleanly do they tell samples apart?",
                "Values of the named features by the groups that they go with.",
                "Every point is a sample; lines are medians. Features are in standard deviations "
                "of the training samples.",
                lambda: feature_values(_values(run), labels, titles=titles),
            )

    def citations(self, run: RunContents) -> list[str]:
        return CITATIONS


def _cards(run: RunContents) -> pd.DataFrame:
    cards = run.table(f"{FOLDER}/feature_cards.tsv", index="feature")
    return cards if cards.empty else cards.fillna({"name": "", "why": "", "kind": "", "twin": ""})


def _seconds(cards: pd.DataFrame) -> pd.Series:
    """Features that another one is named before."""
    seconds: pd.Series = cards["name"].str.contains(SEE, regex=False)
    return seconds


def _associations(run: RunContents) -> pd.DataFrame:
    found = run.table(f"{FOLDER}/feature_associations.tsv.gz")
    return found[found["model"] == run.model] if len(found) else found


def _values(run: RunContents) -> pd.DataFrame:
    return run.needed(f"{FOLDER}/feature_values.tsv.gz", index="sample")


def beside(run: RunContents) -> list[Row]:
    """For every sample column the feature that goes best with it, beside the best component of
    PCA."""
    found = run.table(f"{FOLDER}/feature_associations.tsv.gz")
    if found.empty:
        return []
    found = found.assign(strength=strength(found))
    made = _cards(run).query("kind == 'direction'").index
    best = found[~found["feature"].isin(made)]
    best = best.sort_values("strength", ascending=False, kind="stable")
    best = best.drop_duplicates(["model", "column"])
    ours = best[(best["model"] == run.model) & (best["q_value"] <= CALLED)]
    ours = ours[ours["strength"] >= WEAK].head(ROWS)
    pca = best[best["model"] == BASELINE].set_index("column")
    names = _cards(run)["name"]
    rows: list[Row] = []
    for row in ours.to_dict(orient="records"):
        other = pca.loc[row["column"]].to_dict() if row["column"] in pca.index else {}
        rows.append(
            row
            | {"name": names.get(row["feature"], ""), "side": _side(row)}
            | {"pca": other.get("feature", ""), "pca_value": other.get("value", float("nan"))}
        )
    return rows


def _side(row: Row) -> str:
    """Where the feature is high."""
    if row["kind"] == "numbers":
        return "high values" if row["direction"] == "high" else "low values"
    level = str(row["level"])
    return level if row["direction"] == "high" else f"all but {level}"


def _details(run: RunContents, cards: pd.DataFrame) -> Iterator[Row]:
    """The cards, those with a name first."""
    genes = _by_feature(run.needed(f"{FOLDER}/feature_genes.tsv.gz"))
    found, sets = _associations(run), run.table(f"{FOLDER}/feature_sets.tsv.gz")
    if len(sets):
        sets = sets.fillna({"leading_edge": ""})
    columns, of_sets = _by_feature(found), _by_feature(sets)
    values = _values(run)
    order = cards["name"].eq("").sort_values(kind="stable").index
    for feature in map(str, order):
        own = genes[feature].sort_values("rank")
        tails = {tail: own[own["tail"] == tail].head(10) for tail in ("high", "low")}
        ends = values[feature].sort_values(kind="stable").index
        yield {
            "feature": feature,
            **cards.loc[feature].to_dict(),
            **{tail: rows.to_dict(orient="records") for tail, rows in tails.items()},
            "columns": _first(columns.get(feature), "p_value"),
            "sets": _first(of_sets.get(feature), "p_value"),
            "top": _samples(run, ends[::-1]),
            "bottom": _samples(run, ends),
        }


def _by_feature(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    if table.empty:
        return {}
    return {str(feature): rows for feature, rows in table.groupby("feature", sort=False)}


def _first(rows: pd.DataFrame | None, by: str) -> list[Row]:
    if rows is None:
        return []
    first = rows.sort_values(by, kind="stable").head(SHOWN).to_dict(orient="records")
    return [row | ({"side": _side(row)} if "direction" in row else {}) for row in first]


def _samples(run: RunContents, names: pd.Index) -> str:
    """The first samples, with their labels."""
    shown = [f"{name} ({run.labels[name]})" if run.labels[name] else name for name in names[:ENDS]]
    return listed([str(name) for name in shown])


def _labels(run: RunContents, found: pd.DataFrame, cards: pd.DataFrame) -> dict[str, pd.Series]:
    """For each feature whose distribution is drawn, the column that it goes best with."""
    best = found.assign(strength=strength(found)).sort_values("strength", ascending=False)
    best = best[best["q_value"] <= CALLED].drop_duplicates("feature")
    firsts = cards.index[cards["kind"].isin([SEX, COLUMN]) & ~_seconds(cards)]
    named = best[best["feature"].isin(firsts)]
    chosen = (named if len(named) else best).head(DRAWN)
    measured = run.table(f"{FOLDER}/samples_measured.tsv.gz", index="sample")
    columns = run.samples.join(measured, rsuffix=" ") if len(measured) else run.samples
    columns = columns.reindex(_values(run).index)  # those that it was found in
    return {
        row["feature"]: columns[row["column"]]
        for row in chosen.to_dict(orient="records")
        if row["column"] in columns
    }
