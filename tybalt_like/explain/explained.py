"""All that is asked about the latent features of a run, answered in tables and sentences."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like import io, tl
from tybalt_like.core import keys
from tybalt_like.core.errors import RecipeError
from tybalt_like.core.files import write_text
from tybalt_like.core.marker import check_intact
from tybalt_like.core.settings import plain
from tybalt_like.core.stored import read_json
from tybalt_like.explain.settings import Explain
from tybalt_like.genes import symbols
from tybalt_like.interpretation.arithmetic import MEANS
from tybalt_like.interpretation.naming import COLUMN, GENE_SET, GENES, SEE, SEX
from tybalt_like.interpretation.survival import LEVEL
from tybalt_like.models import Model
from tybalt_like.pp.labels import named
from tybalt_like.report.run_contents import BASELINE, RunContents
from tybalt_like.report.words import capital, counted, listed, sentence
from tybalt_like.tl.contrast import ALL
from tybalt_like.tl.encoders import Cohort
from tybalt_like.tl.features import DIRECTION, column_associations

if TYPE_CHECKING:
    from anndata import AnnData

    from tybalt_like.interpretation import Survival
    from tybalt_like.tl.contrast import Contrast
    from tybalt_like.tl.features import Features
    from tybalt_like.tl.synthesise import SyntheticReport

FOLDER, ABOUT = "explained", "about.json"
KINDS = (SEX, COLUMN, GENE_SET, GENES, DIRECTION)
MEASURED, STRONG = ("log10 library size", "share of genes detected", "missing values"), 0.5
"""Columns that tell how a sample was measured, and correlations with them that are told."""
NAMED = 6
"""Named features that a sentence lists."""
TURNED = {
    "own": "Features are the model's own axes.",
    "varimax": "The axes of a latent space are arbitrary, so they were turned by varimax until "
    "each rests on few genes; the space is the same.",
    "ica": "Features are the model's axes, turned by ICA until they are as independent as they can "
    "be; the space is the same.",
}


@dataclass
class Explained:
    """What was found.

    Attributes
    ----------
    tables
        By file name.
    about
        What the page says beside them; ``summary`` is what was found, in sentences.
    """

    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def said(self) -> list[str]:
        """What was found, in sentences."""
        return list(self.about["summary"])

    def write(self, folder: Path) -> None:
        """Write the tables, and ``about.json``, into a folder that exists."""
        for name, table in self.tables.items():
            io.write_table(io.shortened(table), folder / name)
        write_text(folder / ABOUT, json.dumps(self.about, indent=1))


def check(how: Explain, adata: AnnData) -> None:
    """Refuse what is asked and the cohort cannot answer, before anything is trained.

    Raises
    ------
    RecipeError, DataError
        Names the column, label or gene set file that does not suit.
    """
    if how.gene_sets is not None:
        io.read_gmt(how.gene_sets)
    for difference in how.differences():
        for side in (*difference.groups, *(difference.minus or ())):
            named(adata, difference.column, [side])
    for column, label in how.labels():
        named(adata, column, [label])
    for asked in (how.time, how.event, *how.clinical):
        if asked is not None and asked not in adata.obs:
            raise RecipeError(f"explain: the sample table has no column {asked!r}")


def explained(
    adata: AnnData,
    model: Model,
    how: Explain,
    *,
    again: Sequence[Model] = (),
    unit_g: NDArray[np.floating] | None = None,
    is_log2: bool = False,
    score: str | None = None,
    seed: int = 0,
) -> Explained:
    """Answer what is asked.

    Parameters
    ----------
    adata
        Normalised, divided and encoded.
    model
        The encoder.
    again
        The same model trained with other seeds.
    unit_g
        One unit of the scale of each gene, in those that effects are told in.
    is_log2
        Whether these are logarithms to base 2.
    score
        obs column with the anomaly score that is held beside survival.

    Raises
    ------
    DataError
        Names the column, label or gene set file that does not suit.
    """
    found = Explained()
    found.about = {"settings": plain(how), "summary": [], "trainings": len(again)}
    in_log2 = is_log2 or model.domain == "counts"  # whose effects are told as log2(1 + count)
    found.about["unit"] = "log2 fold change per SD" if in_log2 else "change per SD"
    sets = None if how.gene_sets is None else io.read_gmt(how.gene_sets)
    directions = [
        tl.direction(adata, model, column, high=named(adata, column, [label])[0], seed=seed)
        for column, label in how.labels()
    ]
    features = tl.features(
        adata,
        model,
        turned=how.turned,
        again=again,
        directions=directions,
        sets=sets,
        unit_g=unit_g,
        seed=seed,
    )
    _add_features(found, adata, features, len(again))
    symbol = symbols(adata.var)
    units = np.ones(adata.n_vars) if unit_g is None else unit_g
    unit = dict(zip(adata.var_names, units.tolist(), strict=True))
    for difference in how.differences():
        contrast = tl.contrast(
            adata,
            model,
            column=difference.column,
            groups=difference.groups,
            minus=difference.minus,
            seed=seed,
        )
        _add_contrast(found, contrast, features, symbol=symbol, unit=unit)
    if how.time is not None and how.event is not None:
        survival = tl.survival(
            adata,
            time=how.time,
            event=how.event,
            model=model.name,
            axes=features.axes,
            clinical=how.clinical,
            score=score,
            seed=seed,
        )
        _add_survival(found, survival, score)
    if how.synthetic:
        made = tl.synthesise(adata, model, n=how.synthetic, seed=seed)
        _add_synthetic(found, tl.judge_synthetic(adata, made, seed=seed), how.synthetic)
    return found


def about_of(run: RunContents) -> dict[str, Any]:
    """What an explained run says beside its tables; empty if it has none."""
    name = f"{FOLDER}/{ABOUT}"
    if not (run.folder / name).is_file():
        return {}
    check_intact(run.folder, [name])
    return read_json(run.folder / name)


def _add_features(found: Explained, adata: AnnData, features: Features, trainings: int) -> None:
    associations = features.associations.assign(model=features.model)
    if features.model != BASELINE:
        rival = _baseline(adata, features).assign(model=BASELINE)
        associations = pd.concat([associations, rival], ignore_index=True)
    tables = {
        "feature_cards.tsv": features.cards,
        "feature_genes.tsv.gz": features.genes.set_index("feature"),
        "feature_values.tsv.gz": features.scores.rename_axis("sample"),
        "feature_associations.tsv.gz": associations.set_index("feature"),
    }
    if len(features.sets):
        tables["feature_sets.tsv.gz"] = features.sets.set_index("feature")
    if keys.MEASURED in adata.obsm:
        measured: pd.DataFrame = adata.obsm[keys.MEASURED]
        tables["samples_measured.tsv.gz"] = measured.rename_axis("sample")
    found.tables |= tables
    found.about["axes"] = TURNED[features.turned]
    found.about["stable"] = (
        f"The model was trained {times(trainings)} more, with other seeds and, where that is "
        "quick or was asked for, with four fifths of the samples; names are given to features that "
        "most of these trainings found too."
        if trainings
        else "No other training was compared: features may be of this one alone."
    )
    found.about["summary"].append(named_features(features.cards))
    found.about["technical"] = technical(features.associations)


def named_features(cards: pd.DataFrame) -> str:
    """How many features have a name, and some of them, in a sentence: sex, sample columns and gene
    sets first, no name twice."""
    cards = cards[cards["kind"] != DIRECTION]
    named = cards[cards["name"] != ""]
    if named.empty:
        return (
            f"None of {counted(len(cards), 'feature')} goes clearly with a sample column or a gene "
            "set."
        )
    order = named["kind"].map(list(KINDS).index).sort_values(kind="stable").index
    different = named.loc[order].drop_duplicates("name")
    different = different[~different["name"].str.contains(SEE, regex=False)]
    first = [f"{feature} is {name}" for feature, name in different["name"].iloc[:NAMED].items()]
    more = len(named) - len(first)
    names = f"{'; '.join(first)}; and {more} more" if more else listed(first)
    return f"{len(named)} of {counted(len(cards), 'feature')} have a name: {names}."


def technical(associations: pd.DataFrame) -> str:
    """Which features go with how a sample was measured, in a sentence; empty if none does."""
    rows = associations[associations["column"].isin(MEASURED) & (associations["q_value"] <= LEVEL)]
    rows = rows[rows["value"].abs() >= STRONG]
    if rows.empty:
        return ""
    rows = rows.sort_values("value", key=np.abs, ascending=False)
    shown = [
        f"{row['feature']} ({row['column']}, correlation {row['value']:+.2f})"
        for row in rows.head(NAMED).to_dict(orient="records")
    ]
    return f"What is technical is in the features too, and may be read as biology: {listed(shown)}."


def times(n: int) -> str:
    """``once``, ``twice``, ``3 times``."""
    return {1: "once", 2: "twice"}.get(n, f"{n} times")


def _baseline(adata: AnnData, features: Features) -> pd.DataFrame:
    """The same columns, told by as many components of PCA of the same training samples, turned in
    the same way; of counts, of their logarithms."""
    counts = Model.named(features.model).domain == "counts"
    scratch = Cohort(adata, counts=counts).bare()
    scratch.uns.update(adata.uns)
    if keys.MEASURED in adata.obsm:
        scratch.obsm[keys.MEASURED] = adata.obsm[keys.MEASURED]
    pca = tl.fit(scratch, model=BASELINE, latent_dim=len(features.axes.names), device="cpu")
    return column_associations(scratch, pca, turned=features.turned)


def _add_contrast(
    found: Explained,
    contrast: Contrast,
    features: Features,
    *,
    symbol: Mapping[str, str],
    unit: Mapping[str, float],
) -> None:
    carried = contrast.vector_k @ features.axes.reading_kj
    by_size = pd.DataFrame({"feature": features.axes.names, "difference": carried})
    by_size = by_size.sort_values("difference", key=np.abs, ascending=False, kind="stable")
    genes = contrast.genes.assign(symbol=contrast.genes["gene"].map(symbol))
    changes = ["model_change", "mean_change", "measured_change", "measured_low", "measured_high"]
    genes[changes] = genes[changes].mul(genes["gene"].map(unit).astype(float), axis=0)
    genes = genes.sort_values("model_change", key=np.abs, ascending=False, kind="stable")
    tables = {"features": by_size, "genes": genes, "agreement": contrast.agreement}
    for what, table in tables.items():
        named = table.assign(contrast=contrast.name).set_index("contrast")
        file = f"contrast_{what}.tsv.gz"
        before = [found.tables[file]] if file in found.tables else []
        found.tables[file] = pd.concat([*before, named])
    said = agreement_of(contrast)
    found.about["summary"].append(f"{contrast.name}: {said}")
    found.about.setdefault("contrasts", {})[contrast.name] = capital(said)
    found.about.setdefault("contrast_notes", []).extend(contrast.notes)


def agreement_of(contrast: Contrast) -> str:
    """How near the model comes to what was measured, in a sentence."""
    rows = contrast.agreement[contrast.agreement["level"] == ALL].set_index("rule")
    model, means = rows.loc[contrast.model], rows.loc[MEANS]
    verdict = str(model["verdict"])
    if verdict in ("better", "worse"):
        verdict = f"the model is {verdict} by {abs(model['ahead']):.1g}"
    return (
        "moved by the difference, held-out samples change as was measured with correlation "
        f"{model['correlation']:.3f}; the plain difference of the training means reaches "
        f"{means['correlation']:.3f} ({verdict})."
    )


def _add_survival(found: Explained, survival: Survival, score: str | None) -> None:
    tables = {
        "survival_features.tsv": survival.hazards,
        "survival_score.tsv": survival.score,
        "survival_curves.tsv.gz": survival.curves.set_index("variable"),
        "survival_groups.tsv": survival.groups.set_index("variable"),
        "survival_concordance.tsv": survival.concordance,
        "survival_differences.tsv": survival.differences.set_index("of"),
    }
    found.tables |= {name: table for name, table in tables.items() if len(table)}
    found.about["survival"] = {
        "unit": survival.unit,
        "score": score,
        "notes": [sentence(note) for note in survival.notes],
    }
    sure = survival.hazards[survival.hazards["q_value"] <= LEVEL]
    first = sure.nsmallest(3, "p_value")
    said = [f"{name} (hazard ratio {ratio:.2f})" for name, ratio in first["hazard_ratio"].items()]
    found.about["summary"].append(
        f"{counted(len(sure), 'feature')} of {len(survival.hazards)} go with survival at "
        f"q <= {LEVEL:g}" + (f": {listed(said)}." if said else ".")
    )


def _add_synthetic(found: Explained, report: SyntheticReport, n: int) -> None:
    found.tables["synthetic_fidelity.tsv"] = report.fidelity.set_index("source")
    found.tables["synthetic_privacy.tsv"] = report.privacy.set_index("source")
    found.about["synthetic"] = n
