"""Custom content for MultiQC: the tested samples as one of its tables.

MultiQC finds files that end in ``_mqc.json`` and gives each a section of its page
(https://docs.seqera.io/multiqc/custom_content).
"""

from __future__ import annotations

import json
import re
from html import escape
from typing import Any

import pandas as pd

from tybalt_like.report.run_contents import RunContents
from tybalt_like.report.sections.at_a_glance import first_genes

FILE = "tybalt_like_mqc.json"


def custom_content(run: RunContents) -> str:
    """The file as text: score, p, q, flag and first genes of every tested sample.

    MultiQC takes texts for HTML, so what users named is escaped.
    """
    samples = run.tested.index[run.tested]
    genes = {} if run.of_images else first_genes(run)
    score, p, q = (run.score(what) for what in ("value", "p_value", "q_value"))
    order = score[samples].sort_values(ascending=False, kind="stable").index
    data = {}
    for sample in order:
        found: dict[str, Any] = {"score": score[sample], "p": p[sample], "q": q[sample]}
        if run.flagged[sample]:
            found["flagged"] = "yes"
        if run.label:
            found["label"] = escape(run.labels[sample])
        if shown := [f"{g['symbol']} {g['direction']}" for g in genes.get(str(sample), [])]:
            found["genes"] = escape(", ".join(shown))
        data[escape(str(sample))] = {k: v for k, v in found.items() if pd.notna(v)}
    name = str(run.about["name"])
    own = f"tybalt_like_{re.sub('[^A-Za-z0-9]+', '_', name).strip('_')}"
    content = {
        "id": own,
        "section_name": f"tybalt_like: {escape(name)}",
        "description": escape(f"{run.lead} What it means: report.html beside this file."),
        "plot_type": "table",
        "pconfig": {
            "id": f"{own}_samples",
            "title": f"Anomalous samples of {escape(name)}",
            "namespace": "tybalt_like",
        },
        "headers": _headers(run),
        "data": data,
    }
    return json.dumps(content, indent=1)


def _headers(run: RunContents) -> dict[str, dict[str, Any]]:
    """What MultiQC writes above each column, in its words."""
    number = {"format": "{:,.2g}"}
    wanted = "at a false-discovery rate of"
    return {
        "label": {"title": escape(run.label or ""), "scale": False, "hidden": not run.label},
        "flagged": {
            "title": "Flagged",
            "description": f"Called anomalous {wanted} {run.about['fdr']:g}",
            "scale": False,
            "cond_formatting_rules": {"warn": [{"s_eq": "yes"}]},
        },
        "score": {
            "title": "Score",
            "description": "Combined anomaly score; higher is stranger",
            "format": "{:,.2f}",
            "scale": "Oranges",
        },
        "p": {
            "title": "p",
            "description": "Share of reference samples that are at least as strange",
            "scale": False,
            **number,
        },
        "q": {
            "title": "q",
            "description": "p corrected for the number of tested samples (Benjamini-Hochberg)",
            "scale": False,
            **number,
        },
        "genes": {
            "title": "Genes",
            "description": "Furthest from what is expected of the sample",
            "scale": False,
        },
    }
