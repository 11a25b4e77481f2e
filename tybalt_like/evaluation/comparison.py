"""An encoding compared with PCA, in sentences."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence

import pandas as pd

from tybalt_like.evaluation.report import CHANCE, PERMUTED, REFERENCE

LEVEL = 2.0
"""Standard errors within which two encodings count as level."""
READABLE = 3.0
"""Standard errors by which some encoding must beat guessing for a label to count."""
PROBES = {
    "linear_balanced_accuracy": "a linear classifier",
    "knn_balanced_accuracy": "the nearest neighbours",
}


def summarise(table: pd.DataFrame, *, model: str, title: Callable[[str], str] = str) -> list[str]:
    """Sentences, the upshot first; none if nothing could be compared.

    Parameters
    ----------
    table
        `EvaluationReport.table`.
    model
        The encoder that is judged.
    title
        How people write the name of an encoder.
    """
    compared = comparisons(table, model=model)
    if compared.empty:
        return []
    ours, reference = title(model), title(REFERENCE)
    said = [_upshot(compared["side"], ours, reference)]
    for row in compared[compared["metric"] == "r2"].to_dict(orient="records"):
        said.append(
            f"It reconstructs {row['n']} test samples {_ADVERBS[row['side']]} {reference}: "
            f"R2 {row['value']:.3f}, difference {_signed(row)}."
        )
    for metric, how in PROBES.items():
        rows = compared[compared["metric"] == metric]
        parts = []
        for side in ("better", "worse"):
            named = [
                f"{row['column']} ({row['value']:.2f}, difference {_signed(row)})"
                for row in rows[rows["side"] == side].to_dict(orient="records")
            ]
            parts += [f"{side} than from {reference}: {_listed(named)}"] if named else []
        level = list(rows.loc[rows["side"] == "level", "column"])
        parts += [f"level with {reference}: {_listed(level)}"] if level else []
        if parts:
            said.append(f"Labels predicted by {how}, as balanced accuracy: {'; '.join(parts)}.")
    return [*said, *_caveats(table, title)]


def comparisons(table: pd.DataFrame, *, model: str) -> pd.DataFrame:
    """The model's rows that are set against PCA: R2, and probes of the labels that can be read.

    Returns
    -------
    pandas.DataFrame
        Rows of `table` with a further column ``side``: ``"better"``, ``"worse"`` or ``"level"``,
        which is a difference of at most `LEVEL` standard errors.
    """
    rows = table[(table["encoder"] == model) & table["minus_pca_error"].notna()]
    probed = rows["metric"].isin(PROBES) & rows["column"].isin(readable(table))
    rows = rows[(rows["metric"] == "r2") | probed]
    small = rows["minus_pca"].abs() <= LEVEL * rows["minus_pca_error"]
    side = rows["minus_pca"].gt(0).map({True: "better", False: "worse"})
    return rows.assign(side=side.mask(small, "level"))


def readable(table: pd.DataFrame) -> list[str]:
    """Label columns that some encoding, or the genes, predict better than guessing does."""
    rows = table[table["metric"].isin(PROBES)]
    guess = rows[rows["encoder"] == CHANCE].groupby("column")["value"].first()
    rows = rows[rows["encoder"] != CHANCE]
    above = (
        rows["value"] - rows["column"].map(guess).astype(float) > READABLE * rows["standard_error"]
    )
    return list(dict.fromkeys(rows.loc[above, "column"]))


_ADVERBS = {"better": "better than", "worse": "worse than", "level": "as well as"}


def _upshot(side: pd.Series, ours: str, reference: str) -> str:
    better, worse, level = (int((side == kind).sum()) for kind in ("better", "worse", "level"))
    said = (
        f"As an encoding, beside {reference} with as many features, {ours} is better in {better}, "
        f"worse in {worse} and level in {level} of {len(side)} comparisons."
    )
    if better:
        return said
    return (
        f"{said} None of them speaks for {ours} over {reference}, which is simpler, faster, and "
        "the same every time."
    )


def _caveats(table: pd.DataFrame, title: Callable[[str], str]) -> list[str]:
    said, counted = [], readable(table)
    probed = table.loc[table["metric"].isin(PROBES), "column"]
    hopeless = [column for column in dict.fromkeys(probed) if column not in counted]
    if hopeless:
        said.append(
            f"Not counted, because no encoding predicts it better than guessing: "
            f"{_listed(hopeless)}."
        )
    control = table[(table["encoder"] == PERMUTED) & (table["metric"] == next(iter(PROBES)))]
    control = control[control["column"].isin(counted)]
    easy = control[control["minus_pca"] > -LEVEL * control["minus_pca_error"]]["column"]
    if len(easy):
        said.append(
            f"{title(REFERENCE)} trained on permuted genes, which can know no co-expression, lets "
            f"a linear classifier predict {_listed(list(easy))} as well as real {title(REFERENCE)} "
            "does: that it can be predicted says little about what an encoding has learned."
        )
    return said


def _signed(row: Mapping[Hashable, float]) -> str:
    return f"{row['minus_pca']:+.3f} ± {row['minus_pca_error']:.3f}"


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
