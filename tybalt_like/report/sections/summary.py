"""What was learned from, what was found, and whether the model is worth it."""

from __future__ import annotations

from math import sqrt
from typing import Any

import pandas as pd

from tybalt_like.report.run_contents import BASELINE, NORM, Row, RunContents
from tybalt_like.report.section import Section
from tybalt_like.report.words import capital, counted, listed, sentence


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
<p class="note">Flagged samples among the normal, held-out ones are false alarms, unless these samples are unusual in a way that the label does not tell. The samples that the model learned from are not tested.</p>
{% endif %}
{% endif %}
<h3>Is the model worth it?</h3>
{% if comparison %}
<p>AUROC: the chance that an anomalous sample scores higher than a held-out normal one; 1 is perfect, 0.5 is guessing. The plain norm, the distance from the average profile, involves no learning: a model has to beat it to earn its keep.</p>
<div class="scroll" role="region" aria-label="The model beside the baselines" tabindex="0">
<table class="plain">
<thead><tr><th scope="col">{{ run.label }}</th><th scope="col" class="n">{{ run.title() }}</th>{% for name in comparison[0].others %}<th scope="col" class="n">{{ name }}</th>{% endfor %}<th scope="col" class="words">in words</th></tr></thead>
<tbody>
{% for row in comparison %}
<tr><th scope="row">{{ row.anomaly }}</th><td class="n"><strong>{{ '%.3f' | format(row.ours) }}</strong> <small>± {{ '%.3f' | format(row.error) }}</small></td>{% for auroc in row.others.values() %}<td class="n">{{ '%.3f' | format(auroc) }}</td>{% endfor %}<td>{{ row.words }}</td></tr>
{% endfor %}
</tbody>
</table>
</div>
<p class="note">± is one standard error (Hanley and McNeil): with so few samples, a difference that is smaller may well be chance.</p>
{% else %}
<p>No label is named as anomalous in this run, so how well the scores find known anomalies was not measured.</p>
{% endif %}
"""

    def content(self, run: RunContents) -> dict[str, Any]:
        groups = by_label(run).to_dict(orient="records")
        return {"data": data(run), "groups": groups, "comparison": comparison(run)}

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
    watched = f", {splits['validation']:,} others {role}" * (splits["validation"] > 0)
    learned = (
        f"The matrix holds {size}. {capital(run.title())} learned what is normal from "
        f"{counted(splits['train'])}{of}{watched}"
    )
    calibrated = f"{splits['calibration']:,} calibrated the scores"
    if run.cross_fitted:
        return (
            f"{learned}, and {calibrated}. No label says what is normal, so every sample was "
            "tested, each by a further model that was trained and calibrated on others."
        )
    held_out = f"{splits['test']:,} were held out, to be tested as if unknown"
    return f"{learned}, {calibrated}, and {held_out}."


def by_label(run: RunContents) -> pd.DataFrame:
    """Tested and flagged samples of each label, and the role of the label in this run."""
    table = pd.DataFrame({"label": run.labels, "flagged": run.flagged})[run.tested]
    counts = table.groupby("label")["flagged"].agg(["size", "sum"])
    order = [label for label in [*run.palette, ""] if label in counts.index]
    normal, anomalies = run.about["normal"], run.about["anomalies"]
    role = dict.fromkeys(normal, "normal, held out")
    role |= dict.fromkeys(anomalies, "named as anomalous")
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
        auroc = table.set_index(["model", "score"])["auroc"]
        ours = float(auroc[run.model, "combined"])
        others = {} if run.model == BASELINE else {"the best PCA score": auroc[BASELINE].max()}
        others["the plain norm"] = auroc["", NORM]
        row = table.iloc[0]
        rows.append(
            {
                "anomaly": anomaly if anomaly in run.about["anomalies"] else "all together",
                "ours": ours,
                "error": standard_error(ours, row["n_anomaly"], row["n_normal"]),
                "others": others,
                "words": sentence(
                    listed([f"{_apart(ours - value)} {name}" for name, value in others.items()])
                ),
            }
        )
    return rows


def _apart(difference: float) -> str:
    if abs(difference) < 0.0005:
        return "level with"
    return f"{abs(difference):.3f} {'above' if difference > 0 else 'below'}"


def standard_error(auroc: float, n_anomaly: int, n_normal: int) -> float:
    """Standard error of an AUROC (Hanley & McNeil, Radiology 1982)."""
    q1, q2 = auroc / (2 - auroc), 2 * auroc**2 / (1 + auroc)
    variance = auroc * (1 - auroc)
    variance += (n_anomaly - 1) * (q1 - auroc**2) + (n_normal - 1) * (q2 - auroc**2)
    return sqrt(max(variance, 0) / (n_anomaly * n_normal))
