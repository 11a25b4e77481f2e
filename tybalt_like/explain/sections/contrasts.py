"""Differences of groups in latent space: what the model makes of them, and what was measured."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pandas as pd

from tybalt_like import pl
from tybalt_like.explain.explained import FOLDER, about_of
from tybalt_like.interpretation.arithmetic import MEANS
from tybalt_like.report.figure import Figure
from tybalt_like.report.run_contents import Row, RunContents, title
from tybalt_like.report.section import Section
from tybalt_like.tl.contrast import ALL

FEATURES, GENES = 8, 20
"""Features and genes of a contrast that are shown."""


class Contrasts(Section[RunContents], name="contrasts", title="Contrasts", kind="run", place=73):
    """For each contrast: does the arithmetic hold, its features, its genes."""

    heading = "What differs between groups"
    template = """
<p class="note">The difference of the mean codes of training samples of two groups is a direction in latent space. Held-out samples of the second group are moved along it and decoded; that is the model's change, and stands beside the measured difference of held-out groups, and beside what needs no model: the difference of the training means.</p>
{% for one in contrasts %}
<h3>{{ one.name }}</h3>
<p><strong>{{ one.said }}</strong></p>
<div class="columns">
<table class="plain"><caption>Against what was measured</caption><thead><tr><th scope="col">by</th><th scope="col" class="n">correlation</th><th scope="col" class="n">R2</th><th scope="col">than the means</th></tr></thead><tbody>
{% for row in one.agreement %}<tr><th scope="row">{{ row.title }}</th><td class="n">{{ '%.3f' | format(row.correlation) }} <small>± {{ '%.3f' | format(row.correlation_se) }}</small></td><td class="n">{{ '%.2f' | format(row.r2) }}</td><td>{{ row.verdict }}</td></tr>{% endfor %}
</tbody></table>
<table class="plain"><caption>Features that carry it</caption><thead><tr><th scope="col">feature</th><th scope="col">name</th><th scope="col" class="n">difference (SD)</th></tr></thead><tbody>
{% for row in one.features %}<tr><th scope="row"><a href="#feature-{{ row.feature }}">{{ row.feature }}</a></th><td>{{ row.name }}</td><td class="n">{{ '%+.2f' | format(row.difference) }}</td></tr>{% endfor %}
</tbody></table>
</div>
<details><summary>The {{ one.genes | length }} genes that the model changes most; {{ one.invented }} of all {{ one.n }} are invented: no change was measured</summary>
<div class="scroll" role="region" aria-label="Genes of {{ one.name }}" tabindex="0">
<table class="plain"><thead><tr><th scope="col">gene</th><th scope="col" class="n">model</th><th scope="col" class="n">means</th><th scope="col" class="n">measured</th><th scope="col" class="n">95 % interval</th><th scope="col">the model</th></tr></thead><tbody>
{% for g in one.genes %}<tr><th scope="row">{{ g.symbol }}</th><td class="n">{{ '%+.2f' | format(g.model_change) }}</td><td class="n">{{ '%+.2f' | format(g.mean_change) }}</td><td class="n">{{ '%+.2f' | format(g.measured_change) }}</td><td class="n">{{ '%+.2f' | format(g.measured_low) }} to {{ '%+.2f' | format(g.measured_high) }}</td><td>{{ g.model_verdict }}</td></tr>{% endfor %}
</tbody></table></div></details>
{% endfor %}
{{ ui.figures(figures) }}
{% for note in notes %}<p class="note">{{ note }}</p>{% endfor %}
"""

    def content(self, run: RunContents) -> dict[str, Any] | None:
        agreement = run.table(f"{FOLDER}/contrast_agreement.tsv.gz")
        if agreement.empty:
            return None
        about = about_of(run)
        names = list(dict.fromkeys(agreement["contrast"]))
        return {
            "contrasts": [_contrast(run, name, about["contrasts"][name]) for name in names],
            "notes": about["contrast_notes"],
        }

    def figures(self, run: RunContents) -> Iterator[Figure]:
        genes = run.table(f"{FOLDER}/contrast_genes.tsv.gz")
        if genes.empty:
            return
        genes = genes.assign(gene=genes["symbol"])
        unit = about_of(run)["unit"].removesuffix(" per SD")
        for i, name in enumerate(dict.fromkeys(genes["contrast"])):
            yield Figure(
                f"contrast_{i + 1}",
                f"Genes of {name}",
                f"The model's change of every gene against the measured one, for {name}.",
                "Held-out samples. On the diagonal the model changes a gene as much as was "
                "measured; coloured genes differ by more than chance.",
                partial(pl.contrast_genes, _of(genes, name), unit=unit),
            )


def _contrast(run: RunContents, name: str, said: str) -> Row:
    agreement, features, genes = (
        _of(run.table(f"{FOLDER}/contrast_{what}.tsv.gz"), name)
        for what in ("agreement", "features", "genes")
    )
    known = run.table(f"{FOLDER}/feature_cards.tsv", index="feature")["name"].fillna("")
    agreement = agreement[agreement["level"] == ALL]
    titles = [MEANS if rule == MEANS else title(rule) for rule in agreement["rule"]]
    first = features.head(FEATURES)
    return {
        "name": name,
        "said": said,
        "agreement": agreement.assign(title=titles).fillna({"verdict": ""}).to_dict("records"),
        "features": first.assign(name=first["feature"].map(known)).to_dict("records"),
        "genes": genes.head(GENES).to_dict("records"),
        "invented": int((genes["model_verdict"] == "invented").sum()),
        "n": len(genes),
    }


def _of(table: pd.DataFrame, name: str) -> pd.DataFrame:
    return table[table["contrast"] == name]
