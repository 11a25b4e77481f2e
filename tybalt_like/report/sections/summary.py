"""What was learned from, what was found, and whether the model is worth it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from tybalt_like.anomaly import scores as tables
from tybalt_like.core import keys
from tybalt_like.core.keys import DEFAULT
from tybalt_like.report.run_contents import NORM, Row, RunContents, title
from tybalt_like.report.section import Section
from tybalt_like.report.words import capital, counted, listed, number, sentence

STRANGE = 3
"""Reference samples that are named as the strangest of their kind."""


class Summary(Section[RunContents], name="summary", title="Summary", kind="run", place=10):
    """The first section."""

    template = """
<p>{{ data }}</p>
{% if groups %}
<div class="scroll" role="region" aria-label="Flagged samples by label" tabindex="0">
<table class="plain">
<caption>{{ "Flagged samples by label" if run.label else "Flagged samples" }}</caption>
<thead><tr>{% if run.label %}<th scope="col">{{ run.label }}</th>{% endif %}<th scope="col">role in this run</th><th scope="col" class="n">tested</th><th scope="col" class="n">flagged</th><th scope="col"><span class="unseen">share flagged</span></th></tr></thead>
<tbody>
{% for group in groups %}
<tr>{% if run.label %}<th scope="row">{{ ui.label_of(group.label) }}</th>{% endif %}<td>{{ group.role }}</td><td class="n">{{ group.tested | count }}</td><td class="n">{{ group.flagged | count }}</td><td class="share"><span class="track"><span class="fill" style="width: {{ '%.1f' | format(100 * group.share) }}%"></span></span> {{ group.share | percent }}</td></tr>
{% endfor %}
</tbody>
</table>
</div>
{% if about.normal %}
<p class="note">The reference samples are not tested: the others are compared with them. Each has a p all the same, among the other reference samples; those with the smallest may be mislabelled.{% if strange %} The strangest: {{ strange }}.{% endif %}</p>
{% endif %}
{% endif %}
<h3>Does it find what is known to be anomalous?</h3>
{% if comparison %}
<p>AUROC: the chance that an anomalous sample scores higher than a normal one that was held out; 1 is perfect, 0.5 is guessing. The plain norm, the distance from the average profile, involves no learning.</p>
<div class="scroll" role="region" aria-label="The detector beside others" tabindex="0">
<table class="plain">
<thead><tr><th scope="col">{{ run.label }}</th><th scope="col" class="n">{{ run.title(run.decides) }} <small>(95 %)</small></th>{% for name in comparison[0].others %}<th scope="col" class="n">{{ name }}</th>{% endfor %}<th scope="col" class="words">in words</th></tr></thead>
<tbody>
{% for row in comparison %}
<tr><th scope="row">{{ row.anomaly }}</th><td class="n"><strong>{{ '%.3f' | format(row.ours) }}</strong> <small>{{ '%.3f' | format(row.low) }} to {{ '%.3f' | format(row.high) }}</small></td>{% for auroc in row.others.values() %}<td class="n">{{ '%.3f' | format(auroc) }}</td>{% endfor %}<td>{{ row.words }}</td></tr>
{% endfor %}
</tbody>
</table>
</div>
<p class="note">Intervals and differences as DeLong: differences on the same samples, of less than two standard errors, are called not distinguishable.</p>
{% else %}
<p>No label is named as anomalous in this run, so how well the scores find known anomalies was not measured.</p>
{% endif %}
"""

    def content(self, run: RunContents) -> dict[str, Any]:
        groups = by_label(run).to_dict(orient="records")
        strange = listed(strange_reference(run))
        about = {"groups": groups, "strange": strange}
        return {"data": data(run), "comparison": comparison(run), **about}

    def citations(self, run: RunContents) -> list[str]:
        from tybalt_like.models import Model

        kind = Model.registry.get(run.model)
        return [kind.citation] if kind is not None and kind.citation else []


def data(run: RunContents) -> str:
    """What was read, and what was learned from."""
    reading, splits, normal = run.about["reading"], run.about["splits"], run.about["normal"]
    noun = "pixel" if run.of_images else "gene"
    size = f"{counted(reading['n_obs'])} and {counted(reading['n_vars'], noun)}"
    of = f" labelled {listed(normal, 'or')}" if normal else ""
    role = (
        "chose the best epoch" if run.about["model"]["best_epoch"] >= 0 else "watched its progress"
    )
    # Models that are solved have no epochs to watch.
    watches = splits["validation"] > 0 and len(run.needed("history.csv")) > 0
    watched = f", {splits['validation']:,} others {role}" * watches
    joined = sentence(reading["joined"]) + " " if reading.get("joined") else ""
    encoded = (
        f"The matrix holds {size}. {joined}{capital(run.title())} learned to encode them from "
        f"{counted(splits['train'])}{of}{watched}"
    )
    held = run.about.get("held", reading["n_obs"])
    if held < reading["n_obs"]:
        encoded += f"; {held:,} of all, drawn at random, were held in memory for all else"
    detector = run.about["detector"]
    known = counted(detector["reference"], "reference sample")
    unit = f" ({counted(detector['units'], detector['group'])})" if detector["group"] else ""
    who = capital(f"the {run.title(run.decides)}" if run.decides == DEFAULT else run.title())
    if run.all_tested:
        return (
            f"{encoded}. No label says what is normal. {who} compared each of {known}{unit} with "
            "the others, by what was learned without it."
        )
    return (
        f"{encoded}. {who} compared the others with {known}{unit}, each of them scored by what was "
        "learned without it."
    )


def strange_reference(run: RunContents) -> list[str]:
    """The reference samples with the smallest p, with these, if there are any unusual ones."""
    if run.all_tested:
        return []
    p = run.score("p_value")[run.samples[keys.SPLIT] != keys.QUERY].nsmallest(STRANGE)
    return [f"{sample} (p = {number(value, 2)})" for sample, value in p.items()]


def by_label(run: RunContents) -> pd.DataFrame:
    """Tested and flagged samples of each label, and the role of the label in this run."""
    table = pd.DataFrame({"label": run.labels, "flagged": run.flagged})[run.tested]
    counts = table.groupby("label")["flagged"].agg(["size", "sum"])
    order = [label for label in [*run.palette, ""] if label in counts.index]
    normal, anomalies = run.about["normal"], run.about["anomalies"]
    role = dict.fromkeys(anomalies, "named as anomalous")
    other = "neither" if normal else "reference"
    counts = counts.loc[order].set_axis(["tested", "flagged"], axis=1).reset_index()
    return counts.assign(
        role=[role.get(label, other) for label in counts["label"]],
        share=counts["flagged"] / counts["tested"],
    )


def comparison(run: RunContents) -> list[Row]:
    """For each anomaly, AUROC of the model's combined score and of the baselines, in words too."""
    rows: list[Row] = []
    metrics = run.table("metrics.tsv").fillna({"model": ""})
    for anomaly in dict.fromkeys(metrics["anomaly"] if len(metrics) else []):
        table = metrics[metrics["anomaly"] == anomaly]
        by_score = table.set_index(["model", "score"])
        ours = by_score.loc[(run.decides, tables.COMBINED)]
        names = {title(name): (name, tables.COMBINED) for name in run.about["scorers"]}
        names |= {"the plain norm": ("", NORM)}
        others = {n: by_score.loc[pair] for n, pair in names.items() if pair[0] != run.decides}
        rows.append(
            {
                "anomaly": anomaly if anomaly in run.about["anomalies"] else "all together",
                "ours": ours["auroc"],
                "low": ours["auroc_low"],
                "high": ours["auroc_high"],
                "others": {name: other["auroc"] for name, other in others.items()},
                "words": sentence(_apart(others)),
            }
        )
    return rows


def _apart(others: Mapping[str, pd.Series]) -> str:
    """The detector that decides beside others."""
    level, said = list[str](), list[str]()
    for name, other in others.items():
        ahead, error = other["ahead"], other["ahead_error"]
        if abs(ahead) <= 2 * error:
            level.append(name)
        else:
            side = "above" if ahead > 0 else "below"
            said.append(f"{abs(ahead):.3f} ± {error:.3f} {side} {name}")
    return listed([*said, *[f"not distinguishable from {listed(level)}"] * bool(level)])
