"""Non-negative matrix factorisation, one of the baselines of BioBombe."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from pydantic import PositiveInt
from torch import Tensor

from tybalt_like.models.base import Batch, Model


@dataclass(frozen=True)
class NMFConfig:
    """Settings of `NMF`.

    Parameters
    ----------
    latent_dim
        Number of components.
    max_iter
        Sweeps of coordinate descent, at most; scikit-learn's default, which warns if that is too
        few. 1,000 lowered the error on breast tumours by 1 %.
    max_rows
        Of more training rows, so many random ones teach the components.
    """

    latent_dim: PositiveInt = 20
    max_iter: PositiveInt = 200
    max_rows: PositiveInt = 2000


class NMF(Model, name="nmf", title="NMF"):
    """Profiles as sums, never differences, of non-negative parts.

    Loss: ``|x - z H|^2`` with z, H >= 0 and rows of H of length 1; H by scikit-learn's coordinate
    descent, z of any sample, trained on or new, as the exact non-negative least squares solution
    for the final H.

    Source: Lee & Seung, Nature 1999; in transcriptomes Brunet et al., PNAS 2004.

    Use it when parts are to be read as programmes that add up. Needs values of at least 0.
    """

    citation = (
        "NMF: Lee DD, Seung HS. Learning the parts of objects by non-negative matrix "
        "factorization. Nature 401:788-791 (1999)."
    )
    Config = NMFConfig
    domain = "non-negative"
    components_kg: Tensor

    def __init__(self, n_vars: int, config: NMFConfig) -> None:
        super().__init__(n_vars, config)
        self.register_buffer("components_kg", torch.zeros(config.latent_dim, n_vars))

    def solve(self, train: Batch) -> None:
        from sklearn.decomposition import NMF as Exact

        seed, x_ng = int(torch.randint(2**31, ())), train.x_ng.cpu()
        if len(x_ng) > self.config.max_rows:
            x_ng = x_ng[torch.randperm(len(x_ng))[: self.config.max_rows]]
        exact = Exact(
            n_components=self.config.latent_dim,
            max_iter=self.config.max_iter,
            random_state=seed,
        ).fit(x_ng.double().numpy())
        # How scale is shared out between z and H is arbitrary, and the solver leaves it anyhow: in
        # breast tumours, lengths of components differed 100,000-fold. Distances in z need one.
        length_k1 = np.linalg.norm(exact.components_, axis=1, keepdims=True)
        components_kg = exact.components_ / np.where(length_k1 > 0, length_k1, 1.0)
        self.components_kg.copy_(torch.from_numpy(components_kg))

    def embed(self, x_ng: Tensor) -> Tensor:
        from scipy.optimize import nnls

        # With H' = Q R, |x - z H| and |Q'x - R z| differ by a constant: k equations, not g.
        q_gk, r_kk = np.linalg.qr(self.components_kg.T.cpu().double().numpy())
        target_nk = x_ng.detach().cpu().double().numpy() @ q_gk
        z_nk = np.array([nnls(r_kk, target_k)[0] for target_k in target_nk])
        return torch.from_numpy(z_nk).to(x_ng)

    def decode(self, z_nk: Tensor) -> Tensor:
        return z_nk @ self.components_kg

    def weights(self) -> Tensor:
        return self.components_kg
