"""Why a sample has so much of a latent feature: what each of its genes gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from tybalt_like.core import keys
from tybalt_like.core.errors import DataError
from tybalt_like.models import Batch, Model
from tybalt_like.tl.fit import in_split, inputs

if TYPE_CHECKING:
    from anndata import AnnData

STEPS, MOST_STEPS = 32, 1024
"""Points on the way from the mean profile to the sample, to begin with and at most."""
CLOSE = 0.005
"""Share of the difference in the feature that attributions may miss before points are doubled."""


def attributions(
    adata: AnnData, model: Model, *, sample: str, feature: int | str, n_top: int | None = None
) -> pd.DataFrame:
    """What each gene adds to a latent feature of a sample, beside the mean training profile.

    Integrated gradients of the encoder along the straight line from the mean of the training
    samples, whose covariates are taken to be the sample's own. They add up to the feature of the
    sample minus that of the mean profile; of a linear encoder they are weight times difference.
    They say how the encoder came by its number, not what drives the gene programme: of two genes
    that always move together, an encoder may look at either.

    Parameters
    ----------
    adata
        What the model was trained on or what `tl.latent` encoded, with ``obs["tybalt_split"]``.
    sample
        Name.
    feature
        Number, counted from 1, or name, as in ``"ppca_vae_17"``.
    n_top
        Genes with the largest attributions; all if None.

    Returns
    -------
    pandas.DataFrame
        Columns ``sample, feature, rank, gene, value, usual, attribution``, the largest first by
        absolute value: `value` of the gene in the sample, `usual` in the mean profile. ``attrs``
        holds ``value`` and ``usual`` of the feature, and ``missed``: by how much all attributions
        together miss their difference (less than half a percent but for encoders with many kinks).

    Raises
    ------
    DataError
        If the sample or feature does not exist, there are no training samples, or the encoder has
        no gradient, because it searches for its codes.

    Notes
    -----
    Gauss-Legendre quadrature, with points doubled until the sum is right. Source: Sundararajan et
    al., ICML 2017.
    """
    row = adata.obs_names.get_indexer([sample])[0]
    if row < 0:
        raise DataError(f"no sample is called {sample!r}")
    train_n = in_split(adata, keys.TRAIN)
    if not train_n.any():
        raise DataError("no training samples, whose mean profile attributions start from")
    device = next(iter(model.state_dict().values())).device
    arrays = inputs(adata, model)
    mean_g = torch.from_numpy(arrays["x_ng"][train_n].mean(0)).to(device)
    given = {name: torch.from_numpy(a[[row]]).to(device) for name, a in arrays.items()}
    x_g = given.pop("x_ng")[0]
    at = _place(model, feature)

    def encoded(x_ng: Tensor) -> Tensor:
        repeated = {name: t.expand(len(x_ng), *t.shape[1:]) for name, t in given.items()}
        return model.infer(Batch({"x_ng": x_ng, **repeated}))[0][:, at]

    model.eval()
    ends, attribution_g = integrated_gradients(encoded, x_g, mean_g, name=model.name)
    table = pd.DataFrame(
        {
            "sample": sample,
            "feature": f"{model.name}_{at + 1}",
            "gene": adata.var_names.to_numpy(),
            "value": x_g.cpu().numpy(),
            "usual": mean_g.cpu().numpy(),
            "attribution": attribution_g,
        }
    )
    table = table.sort_values("attribution", key=np.abs, ascending=False, kind="stable")
    table.insert(2, "rank", np.arange(1, len(table) + 1))
    missed = ends["value"] - ends["usual"] - float(attribution_g.sum())
    table.attrs.update(ends, missed=missed)
    return table.head(n_top).reset_index(drop=True) if n_top else table.reset_index(drop=True)


def integrated_gradients(
    encoded: Callable[[Tensor], Tensor], x_g: Tensor, baseline_g: Tensor, *, name: str
) -> tuple[Mapping[str, float], np.ndarray]:
    """The feature at both ends, and what each gene adds to it on the way, (g,).

    Raises
    ------
    DataError
        If no gradient goes through the encoder of the model `name`.
    """
    with torch.no_grad():
        usual, value = encoded(torch.stack([baseline_g, x_g])).cpu().double().tolist()
    steps, enough = STEPS, CLOSE * abs(value - usual)
    while True:
        place, weight = np.polynomial.legendre.leggauss(steps)
        place_n1 = torch.from_numpy((place[:, None] + 1) / 2).to(x_g)
        x_ng = (baseline_g + place_n1 * (x_g - baseline_g)).requires_grad_()
        z_n = encoded(x_ng)
        if not z_n.requires_grad:
            raise DataError(
                f"{name} searches for the code of a sample, and no gradient goes through a search: "
                "attributions need a model that encodes by a formula, such as ppca_vae"
            )
        (slope_ng,) = torch.autograd.grad(z_n.sum(), x_ng)
        mean_slope_g = (slope_ng.cpu().double().numpy() * weight[:, None] / 2).sum(0)
        attribution_g = mean_slope_g * (x_g - baseline_g).cpu().double().numpy()
        if abs(attribution_g.sum() - (value - usual)) <= enough or steps >= MOST_STEPS:
            return {"value": value, "usual": usual}, attribution_g
        steps *= 2


def _place(model: Model, feature: int | str) -> int:
    k = model.weights().shape[0]
    names = {f"{model.name}_{i + 1}": i for i in range(k)}
    at = names.get(feature, -1) if isinstance(feature, str) else int(feature) - 1
    if not 0 <= at < k:
        raise DataError(
            f"there is no feature {feature!r}: {model.name} has 1 to {k}, or {model.name}_1 to "
            f"{model.name}_{k}"
        )
    return at
