"""Several detectors of the same samples as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from tybalt_like import anomaly
from tybalt_like.core import keys
from tybalt_like.core.errors import DataError
from tybalt_like.core.provenance import record
from tybalt_like.tl.fit import in_split

if TYPE_CHECKING:
    from anndata import AnnData


def ensemble(
    adata: AnnData,
    scores: Sequence[str],
    *,
    how: Literal["p_values", "ranks"] = "p_values",
    name: str = "ensemble",
    fdr: float = 0.05,
) -> None:
    """Pool anomaly scores, of several models or of several trainings of one, and calibrate anew.

    Adds the obs columns ``<name>_combined``, ``<name>_p_value``, ``<name>_q_value`` and
    ``<name>_flagged``. Training samples get no p-value: to some of the detectors they are known.

    Parameters
    ----------
    adata
        With a split and the scores in its obs table.
    scores
        Columns, higher is stranger, such as ``["tybalt_combined", "pca_combined"]``. Scoring
        another training of a model replaces its columns: give them other names before.
    how
        See `anomaly.pooled`.
    fdr
        Samples with q <= fdr are flagged.

    Raises
    ------
    DataError
        If fewer than two columns are named, one does not exist or has missing values, or there
        are no calibration samples.
    """
    if len(scores) < 2:
        raise DataError("an ensemble needs at least two columns of scores")
    for column in scores:
        if column not in adata.obs:
            raise DataError(f"there is no column {column!r} to pool; run tl.score first")
        if adata.obs[column].isna().any():
            sample = adata.obs_names[adata.obs[column].isna()][0]
            raise DataError(f"{column!r} is missing for sample {sample!r}; leave such samples out")
    calibration_n = in_split(adata, keys.CALIBRATION)
    if not calibration_n.any():
        raise DataError("there are no calibration samples; pp.split makes some")
    values = [adata.obs[column].to_numpy(np.float64) for column in scores]
    known = [value_n[calibration_n] for value_n in values]
    pooled_n = anomaly.pooled(list(zip(values, known, strict=True)), how=how)
    p_n = anomaly.conformal_p_values(pooled_n, anomaly.pooled_calibration(known, how=how))
    tested_n = in_split(adata, keys.TEST) | in_split(adata, keys.QUERY)
    table = pd.DataFrame({"combined": pooled_n}, index=adata.obs_names)
    table["p_value"] = np.where(tested_n, p_n, np.nan)
    table["q_value"] = anomaly.q_values(table["p_value"])
    table["flagged"] = table["q_value"] <= fdr
    adata.obs[list(table.add_prefix(keys.score(name, "")))] = table
    record(adata, **{keys.score(name, "scores"): {"pooled": list(scores), "how": how, "fdr": fdr}})
