"""Scores of samples as one long table, from the detector to the page.

Columns `COLUMNS`: a row per sample, model and score. p, q, the flag, and whether p lies beyond what
ranks can give (`Calibration`), belong to the combined score; elsewhere they are missing or false.
Wide columns are made only to be written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from tybalt_like.anomaly.calibration import PValues, q_values
from tybalt_like.core import keys

COLUMNS = ["sample", "model", "score", "value", "p_value", "extrapolated", "q_value", "flagged"]
COMBINED = "combined"
OF_COMBINED = ("p_value", "extrapolated", "q_value", "flagged")
"""What is said of a combined score, beside its value."""
YES_OR_NO = ("extrapolated", "flagged")


def tabulate(
    values: Mapping[Any, ArrayLike] | pd.DataFrame,
    samples: Sequence[str],
    *,
    model: str,
    p_values: PValues | None = None,
) -> pd.DataFrame:
    """The long table of one model's scores, by name.

    Parameters
    ----------
    model
        Empty for scores without a model.
    p_values
        Of the combined score; q-values and flags are added by `with_q_values`.
    """
    n, names = len(samples), [str(name) for name in values]
    table = pd.DataFrame(
        {
            "sample": np.tile(np.asarray(samples, dtype=object), len(names)),
            "model": model,
            "score": np.repeat(np.asarray(names, dtype=object), n),
            "value": np.concatenate([np.asarray(values[name], np.float64) for name in values]),
            "p_value": np.nan,
            "extrapolated": False,
            "q_value": np.nan,
            "flagged": False,
        }
    )
    if p_values is not None:
        combined = table["score"] == COMBINED
        table.loc[combined, ["p_value"]] = p_values.p_n
        table.loc[combined, ["extrapolated"]] = p_values.extrapolated_n
    return table


def with_q_values(
    scores: pd.DataFrame, *, fdr: float, tested: Sequence[str] | None = None
) -> pd.DataFrame:
    """The same with q-values, Benjamini-Hochberg over the tested samples of each model, and flags.

    Parameters
    ----------
    tested
        Names of samples; all if None.
    """
    asked = scores["sample"].isin(tested) if tested is not None else True
    asked &= (scores["score"] == COMBINED) & (scores["model"] != "")
    q_n = scores["q_value"].copy()
    for _, rows in scores[asked].groupby("model", sort=False):
        q_n.loc[rows.index] = q_values(rows["p_value"])
    result = scores.copy(deep=False)  # a table of many samples is large
    result["q_value"], result["flagged"] = q_n, q_n <= fdr
    return result


def of(
    scores: pd.DataFrame, model: str, score: str = COMBINED, *, what: str = "value"
) -> pd.Series:
    """One column of one score, by sample."""
    rows = scores[(scores["model"] == model) & (scores["score"] == score)]
    return rows.set_index("sample")[what]


def columns(scores: pd.DataFrame) -> Iterator[tuple[str, str, str, str]]:
    """Name of every wide column, with the model, the score and the column that it comes from."""
    pairs = scores[["model", "score"]].drop_duplicates()
    for name, rows in pairs.groupby("model", sort=False):
        model = str(name)
        for score in rows["score"]:
            yield (keys.score(model, score) if model else score), model, score, "value"
        if COMBINED in set(rows["score"]):
            for what in OF_COMBINED:
                yield keys.score(model, what), model, COMBINED, what


def wide(scores: pd.DataFrame) -> pd.DataFrame:
    """A row per sample, in the order of the table; a column per model and score, and those that
    say how sure its combined score is."""
    samples = pd.Index(scores["sample"].unique(), name="sample")
    model_n, score_n = (scores[name].astype("category") for name in ("model", "score"))
    found = {}
    for name, model, score, what in columns(scores):
        rows = scores.loc[(model_n == model) & (score_n == score), ["sample", what]]
        column = rows.set_index("sample")[what].reindex(samples)
        found[name] = column.eq(True) if what in YES_OR_NO else column
    return pd.DataFrame(found, index=samples)


def long(table: pd.DataFrame, names: Sequence[Sequence[str]]) -> pd.DataFrame:
    """The long table of a wide one, whose `columns` are named."""
    parts = []
    for column, model, score, what in names:
        if what == "value":
            values = {score: table[column].to_numpy(np.float64)}
            parts.append(tabulate(values, list(table.index), model=model))
    scores = pd.concat(parts, ignore_index=True)
    for column, model, score, what in names:
        if what != "value":
            rows = (scores["model"] == model) & (scores["score"] == score)
            scores.loc[rows, what] = table[column].to_numpy()
    return scores
