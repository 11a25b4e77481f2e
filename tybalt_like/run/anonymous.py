"""A finished run without names of samples and without what the sample table says of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from tybalt_like import io, report
from tybalt_like.core import keys
from tybalt_like.core.errors import RunError
from tybalt_like.core.files import write_text
from tybalt_like.core.folders import whole_folder
from tybalt_like.report.contents import ABOUT, Contents
from tybalt_like.report.run_contents import RunContents
from tybalt_like.report.sample_data import order
from tybalt_like.run.folder import KIND

REFERENCE, ANOMALOUS, OTHER = "reference", "named as anomalous", "other"
"""What samples are labelled instead: by their role in the run."""
LABEL, NAME, WITHHELD = "role", "anonymous_run", "withheld"
BY_SAMPLE = (
    "scores.tsv",
    "embeddings.tsv.gz",
    "gene_values.tsv.gz",
    "sample_checks.tsv",
    "evaluation_samples.tsv.gz",
)
"""Tables with a row for each sample, or several, beside that of the latents."""
OF_SAMPLES = {
    "gene_scores.tsv.gz": ["sample"],
    "gene_set_scores.tsv.gz": ["sample"],
    "closest_reference.tsv": ["sample", "reference"],
}
"""Tables with a row for each gene or neighbour of some samples, and their columns of names."""
AS_THEY_ARE = (
    *("gene_weights.tsv.gz", "evaluation_genes.tsv.gz", "latent_features.tsv"),
    *("history.csv", "genes.txt"),
)
TOLD = 3
"""Findings on the matrix as a whole: its size, its scale, zeros and missing values."""
SEX = "sex by genes"
CAUTION = (
    "Names of samples and columns of the sample table are left out of this page. Expression itself "
    "can still point to a person for those who hold the same or genetic data of that person."
)


def anonymise(folder: Path, out: Path, *, overwrite: bool = False) -> Path:
    """Write a folder with the page and the tables of a run, in which samples are numbered from the
    strangest on and called by their role instead of their label.

    What can hold names, or what the sample table says, is left out: the AnnData, the model and its
    scorers, what features mean, and sentences that mention a column or a label of it.

    Parameters
    ----------
    folder
        Of a finished run.
    out
        The folder to make.
    overwrite
        Replace `out` if it exists.

    Returns
    -------
    pathlib.Path
        The page.

    Raises
    ------
    RunError
        If the run is of another kind, or of images, or a folder cannot be read or replaced.
    """
    run = Contents.read(folder)
    if not isinstance(run, RunContents) or run.kind != KIND or run.of_images:
        raise RunError(f"{folder}: only runs over samples of expression can be made anonymous")
    names = order(run)
    digits = len(str(len(names)))
    number = {str(name): f"S{i + 1:0{digits}d}" for i, name in enumerate(names)}
    with whole_folder(out, kind=KIND, settings={}, inputs=[folder], overwrite=overwrite) as work:
        _write_tables(run, number, work)
        about = json.dumps(_about(run, number), indent=1)
        write_text(work / ABOUT, about)
        report.build(work)
    return out / report.PAGE


def _write_tables(run: RunContents, number: Mapping[str, str], work: Path) -> None:
    roles = _roles(run)
    latent = run.latent.assign(**{keys.SPLIT: run.samples[keys.SPLIT], LABEL: roles})
    columns = [keys.SPLIT, LABEL, *run.latent.columns]
    io.write_table(_renamed(latent[columns], number), work / "latent.tsv.gz")
    clinical = [str(column) for column in run.samples if column != keys.SPLIT]
    for name in BY_SAMPLE:
        table = run.table(name)
        if len(table):
            kept = table.drop(columns=[*clinical, SEX], errors="ignore").set_index("sample")
            if "same profile as" in kept:
                kept["same profile as"] = [
                    _replaced(str(text), number) for text in kept["same profile as"].fillna("")
                ]
            if name == "scores.tsv":
                kept.insert(1, LABEL, roles.reindex(kept.index))
            io.write_table(_renamed(kept, number), work / name)
    for name, named in OF_SAMPLES.items():
        table = run.table(name)
        if len(table):
            told = {column: table[column].map(number) for column in named}
            io.write_table(table.assign(**told).set_index("sample"), work / name)
    closest = run.table("closest_normal.tsv.gz")
    if len(closest):
        renamed = closest.rename(columns=number).set_index("gene")
        io.write_table(renamed[sorted(map(str, renamed))], work / "closest_normal.tsv.gz")
    _write_measures(run, work)
    for name in AS_THEY_ARE:
        if (run.folder / name).is_file():
            (work / name).write_bytes((run.folder / name).read_bytes())


def _write_measures(run: RunContents, work: Path) -> None:
    """What was measured with labels: all anomalies together, and columns without their names."""
    metrics, anomalies = run.needed("metrics.tsv"), run.about["anomalies"]
    together = metrics[~metrics["anomaly"].isin(anomalies) | (len(anomalies) == 1)]
    io.write_table(together.assign(anomaly=ANOMALOUS).set_index("model"), work / "metrics.tsv")
    evaluation = run.table("evaluation.tsv")
    if len(evaluation.columns):  # without rows where too few samples were measured
        columns = evaluation["column"].dropna().unique()
        called = {column: f"column {i + 1}" for i, column in enumerate(columns)}
        renamed = evaluation.assign(column=evaluation["column"].map(called))
        io.write_table(renamed.set_index("encoder"), work / "evaluation.tsv")


def _roles(run: RunContents) -> pd.Series:
    role = dict.fromkeys(run.about["anomalies"], ANOMALOUS)
    role |= dict.fromkeys(run.about["normal"], REFERENCE)
    other = OTHER if run.about["normal"] else REFERENCE
    return run.labels.map(lambda label: role.get(label, other))


def _renamed(table: pd.DataFrame, number: Mapping[str, str]) -> pd.DataFrame:
    """With numbers for names, in their order, which tells nothing of the old one."""
    return table.rename(index=number).rename_axis("sample").sort_index()


def _about(run: RunContents, number: Mapping[str, str]) -> dict[str, Any]:
    about, obs = run.about, run.samples.drop(columns=keys.SPLIT)
    values = {
        str(v)
        for column in obs.select_dtypes(exclude=["number", "bool"])
        for v in obs[column].dropna()
    }
    telling = {*map(str, obs.columns), *values} - {""}

    def told(sentences: Iterable[str]) -> list[str]:
        replaced = (_replaced(text, number) for text in sentences)
        return [text for text in replaced if not _mentions(text, telling)]

    recipe = dict(about["recipe"]) | {"name": NAME, "explain": {}, "images": {}}
    recipe["data"] = {"dataset": None, "path": WITHHELD, "label": LABEL}
    recipe["split"] = {**recipe.get("split", {}), "by": None, "group": None}
    recipe["scores"] = {**recipe.get("scores", {}), "conditional_on": None}
    recipe["evaluation"] = {**recipe.get("evaluation", {}), "batch": None}
    detector = dict(about["detector"]) | {"left_out": []}
    detector["group"] = "unit" if detector["group"] else None
    evaluation = about["evaluation"] and {**about["evaluation"], "notes": []}
    reading = {key: about["reading"][key] for key in ("n_obs", "n_vars")}
    return {
        **about,
        "name": NAME,
        "recipe": recipe,
        "reading": reading,
        "inputs": {},  # a checksum would tell the cohort to whoever has it
        "discloses": CAUTION,
        "findings": about["findings"][:TOLD],
        "summary": told(about["summary"]),
        "warnings": [CAUTION, *told(about["warnings"])],
        "label": LABEL,
        "normal": [REFERENCE],
        "anomalies": [ANOMALOUS] if about["anomalies"] else [],
        "detector": detector,
        "evaluation": evaluation,
    }


def _replaced(text: str, number: Mapping[str, str]) -> str:
    """A text with numbers for the names of samples in it."""
    pattern = "|".join(re.escape(name) for name in sorted(number, key=len, reverse=True))
    return re.sub(rf"(?<!\w)(?:{pattern})(?!\w)", lambda found: number[found[0]], text)


def _mentions(text: str, telling: Iterable[str]) -> bool:
    return any(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) for word in telling)
