"""Simple numbers about each sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tybalt_like.pp.matrix import row_chunks

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData


def quality(adata: AnnData) -> pd.DataFrame:
    """One row per sample, computed in chunks of rows.

    Returns
    -------
    pandas.DataFrame
        ``total``: sum of the values, the library size of counts; ``median``: median value;
        ``detected``: genes with a value other than 0; ``missing``: share of genes without a value.
    """
    import pandas as pd

    rows = []
    for x_nv in row_chunks(adata):
        known_nv = ~np.isnan(x_nv)
        gaps = not known_nv.all()
        rows.append(
            np.column_stack(
                [
                    np.nansum(x_nv, axis=1),
                    np.nanmedian(x_nv, axis=1) if gaps else np.median(x_nv, axis=1),
                    (known_nv & (x_nv != 0)).sum(axis=1),
                    1 - known_nv.mean(axis=1),
                ]
            )
        )
    columns = ["total", "median", "detected", "missing"]
    return pd.DataFrame(np.concatenate(rows), index=adata.obs_names, columns=columns).astype(
        {"detected": int}
    )
