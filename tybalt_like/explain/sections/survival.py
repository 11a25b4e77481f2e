"""Whether features, and the anomaly score, go with survival."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from tybalt_like import pl
from tybalt_like.explain.explained import FOLDER, about_of
from tybalt_like.report.figure import Figure, drawing_of
from tybalt_like.report.run_contents import RunContents
from tybalt_like.report.section import Section

CITATIONS = [
    "Survival: Cox DR. Regression models and life-tables. Journal of the Royal Statistical Society "
    "B 34:187-220 (1972); lifelines: Davidson-Pilon C. Journal of Open Source Software 4:1317 "
    "(2019).",
]


TITLE = "anomaly score"


class Survival(Section[RunContents], name="survival", title="Survival", kind="run", place=74):
    """Hazard ratios of features, curves, and what features add to clinical columns."""

    heading = "Do features go with survival?"
    template = """
{% for sentence in said %}
<p><strong>{{ sentence }}</strong></p>
{% endfor %}
{% if concordance %}
<div class="scroll" role="region" aria-label="Concordance of predictors" tabindex="0">
<table class="plain">
<caption>How well is survival foretold? Samples that the encoder did not learn from</caption>
<thead><tr><th scope="col">by</th><th scope="col" class="n">concordance</th><th scope="col" class="n">95 % interval</th><th scope="col" class="n">samples</th><th scope="col" class="n">events</th></tr></thead>
<tbody>
{% for row in concordance %}
<tr><th scope="row">{{ row.predictor }}</th><td class="n">{{ '%.3f' | format(row.concordance) }}</td><td class="n">{{ '%.3f' | format(row.lower) }} to {{ '%.3f' | format(row.upper) }}</td><td class="n">{{ row.n }}</td><td class="n">{{ row.events }}</td></tr>
{% endfor %}
</tbody>
</table>
</div>
<p class="note">Share of pairs of samples whose order is foretold; 0.5 is guessing. Cox models, their penalties and signs are fitted on the samples that are not judged.{% if differences %} {% for row in differences %}{{ row.of }} less {{ row.against }}: {{ '%+.3f' | format(row.difference) }} ({{ '%+.3f' | format(row.lower) }} to {{ '%+.3f' | format(row.upper) }}). {% endfor %}{% endif %}</p>
{% endif %}
{{ ui.figures(figures) }}
{% for note in notes %}
<p class="note">{{ note }}</p>
{% endfor %}
"""

    def content(self, run: RunContents) -> dict[str, Any] | None:
        about = about_of(run).get("survival")
        if about is None:
            return None
        concordance = run.table(f"{FOLDER}/survival_concordance.tsv")
        if len(concordance):
            concordance = concordance.rename(columns={concordance.columns[0]: "predictor"})
            concordance["predictor"] = concordance["predictor"].replace("score", TITLE)
        differences = run.table(f"{FOLDER}/survival_differences.tsv")
        return {
            "said": [text for text in about_of(run)["summary"] if "survival" in text],
            "concordance": concordance.to_dict(orient="records"),
            "differences": differences.to_dict(orient="records"),
            "notes": about["notes"],
        }

    def figures(self, run: RunContents) -> Iterator[Figure]:
        hazards = run.table(f"{FOLDER}/survival_features.tsv", index="variable")
        if len(hazards) and hazards["p_value"].notna().any():
            yield Figure(
                "survival_features",
                "Which features go with the hazard?",
                "Hazard ratios of latent features with their intervals.",
                "Each feature alone in Cox's model; a ratio of 2 doubles the hazard for each "
                "standard deviation. Filled: q at most 0.05 over all features.",
                lambda: drawing_of(pl.hazard_ratios(hazards)),
            )
        curves = run.table(f"{FOLDER}/survival_curves.tsv.gz")
        groups = run.table(f"{FOLDER}/survival_groups.tsv")
        about = about_of(run).get("survival", {})
        for i, variable in enumerate(dict.fromkeys(groups["variable"]) if len(groups) else ()):
            called = TITLE if variable == about["score"] else variable
            yield Figure(
                f"survival_{i + 1}",
                f"Survival by {called}",
                f"Kaplan-Meier curves of samples with low and high {called}.",
                "Samples are cut at tertiles of the value, never where the outcome would part them "
                "best. Bands are 95 % intervals, strokes are samples that left.",
                partial(
                    pl.kaplan_meier,
                    curves,
                    groups,
                    variable=variable,
                    unit=about["unit"],
                    title=called,
                ),
            )

    def citations(self, run: RunContents) -> list[str]:
        return CITATIONS
