"""Whether latent features and scores of strangeness tell how long samples' donors live."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like.core.errors import DataError
from tybalt_like.core.messages import some
from tybalt_like.interpretation.concordance import (
    CONCORDANCE,
    DIFFERENCES,
    Predictor,
    concordance,
)
from tybalt_like.interpretation.follow_up import FollowUp
from tybalt_like.interpretation.hazards import Cut, hazard_ratios, kaplan_meier

LEVEL = 0.05
"""Features up to that q-value are drawn as curves."""
DRAWN = 6
"""Of them at most."""
FEATURES, CLINICAL, SCORE, REFERENCE = "features", "clinical", "score", "PCA features"
"""Names of predictors."""


@dataclass(frozen=True)
class Survival:
    """What `survival` found.

    Attributes
    ----------
    hazards
        `hazard_ratios` of every feature; q-values are over the features.
    score
        The same of the anomaly score, one row; empty without one.
    curves, groups
        `kaplan_meier` of the score and of features with q up to 0.05, at most six.
    concordance, differences
        `concordance` of ``clinical``, ``features``, ``PCA features``, ``score``, and of the
        clinical columns with each; empty where too few held-out samples have an event.
    unit
        Of the times, empty if it is not known.
    notes
        Sentences that belong beside the tables.
    """

    hazards: pd.DataFrame
    score: pd.DataFrame
    curves: pd.DataFrame
    groups: pd.DataFrame
    concordance: pd.DataFrame
    differences: pd.DataFrame
    unit: str
    notes: tuple[str, ...]


def survival(
    features: pd.DataFrame,
    follow_up: FollowUp,
    *,
    held_n: NDArray[np.bool_],
    clinical: pd.DataFrame | None = None,
    score: pd.Series | None = None,
    reference_nk: NDArray[np.floating] | None = None,
    group_n: NDArray[np.intp] | None = None,
    cut: Cut = "tertiles",
    seed: int = 0,
) -> Survival:
    """Cox's model per feature and for a score, curves, and concordance beside clinical columns.

    Features that were learned without outcomes are tested in all samples; concordance is measured
    in those that the encoder did not learn from.

    Parameters
    ----------
    features
        Samples x latent features.
    held_n
        Samples that the encoder did not learn from, and no model of outcomes will.
    clinical
        Columns that are known without expression, such as age and stage.
    score
        Anomaly score of each sample; NaN where there is none.
    reference_nk
        Latent features of PCA, as a simple rival.
    group_n
        Number of each sample's group (patient). Where samples of a group share time and event, the
        first with known ones stands for it; else groups stay in one fold and are the units of
        errors.
    """
    notes = list(follow_up.notes)
    used = np.flatnonzero(follow_up.known_n)
    if group_n is not None and _shared(follow_up[used], group_n[used]):
        first = np.sort(np.unique(group_n[used], return_index=True)[1])
        if len(first) < len(used):
            notes.append(
                f"one sample of each group counts: {len(used) - len(first)} of {len(used)} are "
                "left out"
            )
        used, group_n = used[first], None
    of_group = None if group_n is None else group_n[used]
    follow_up, features, held_n = follow_up[used], features.iloc[used], held_n[used]
    scores = pd.DataFrame() if score is None else score.iloc[used].to_frame()
    hazards = hazard_ratios(features, follow_up, group_n=of_group)
    constant = hazards.index[hazards["p_value"].isna()]
    if len(constant):
        notes.append(
            f"{len(constant)} features are constant or have no finite ratio: "
            f"{some(list(map(str, constant)))}"
        )
    chosen = hazards[hazards["q_value"] <= LEVEL].nsmallest(DRAWN, "p_value").index
    if len(chosen):
        notes.append(
            "curves of features are drawn because of their q-value, so that their log-rank p-value "
            "is no further evidence"
        )
    drawn = features[chosen] if scores.empty else pd.concat([scores, features[chosen]], axis=1)
    curves, groups = kaplan_meier(drawn, follow_up, cut=cut)
    predictors = _predictors(
        features,
        None if clinical is None else clinical.iloc[used],
        scores,
        None if reference_nk is None else reference_nk[used],
    )
    try:
        foretold, differences = concordance(
            predictors,
            follow_up,
            judged_n=held_n,
            against=_compared(predictors),
            group_n=of_group,
            seed=seed,
        )
    except DataError as few:
        notes.append(str(few))
        foretold = pd.DataFrame(columns=CONCORDANCE)
        differences = pd.DataFrame(columns=DIFFERENCES)
    of_score = hazards.iloc[:0]
    if not scores.empty:
        of_score = hazard_ratios(scores, follow_up, group_n=of_group)
    return Survival(
        hazards, of_score, curves, groups, foretold, differences, follow_up.unit, tuple(notes)
    )


def _shared(follow_up: FollowUp, group_n: NDArray[np.intp]) -> bool:
    """Whether time and event are the same in all samples of a group."""
    pairs = pd.DataFrame({"group": group_n, "time": follow_up.time_n, "event": follow_up.event_n})
    return len(pairs.drop_duplicates()) == len(np.unique(group_n))


def _predictors(
    features: pd.DataFrame,
    clinical: pd.DataFrame | None,
    scores: pd.DataFrame,
    reference_nk: NDArray[np.floating] | None,
) -> dict[str, Predictor]:
    found = {FEATURES: Predictor.many(features.to_numpy())}
    if reference_nk is not None:
        found[REFERENCE] = Predictor.many(reference_nk)
    if not scores.empty:
        found[SCORE] = Predictor.risk(scores.iloc[:, 0])
    if clinical is None:
        return found
    alone = Predictor.few(clinical)
    return {CLINICAL: alone} | found | {f"{CLINICAL} + {n}": alone + p for n, p in found.items()}


def _compared(names: dict[str, Predictor]) -> list[tuple[str, str]]:
    """Each predictor beside the simplest one that it should beat."""
    pairs = [(name, CLINICAL) for name in names if CLINICAL in names and name != CLINICAL]
    if REFERENCE in names:
        pairs.append((FEATURES, REFERENCE))
        if CLINICAL in names:
            pairs.append((f"{CLINICAL} + {FEATURES}", f"{CLINICAL} + {REFERENCE}"))
    return pairs
