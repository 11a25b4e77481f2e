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
        Sweeps of coordinate descent, at most; scikit-learn warns if they do not suffice.
    """

    latent_dim: PositiveInt = 20
    max_iter: PositiveInt = 1000


class NMF(Model, name="nmf"):
    """Profiles as sums, never differences, of non-negative parts.

    Loss: ``|x - z H|^2`` with z, H >= 0; H by scikit-learn's coordinate descent, z of any sample,
    trained on or new, as the exact non-negative least squares solution for the final H.

    Source: Lee & Seung, Nature 1999; in transcriptomes Brunet et al., PNAS 2004.

    Use it when parts are to be read as programmes that add up. Needs values of at least 0.
    """

    Config = NMFConfig
    domain = "non-negative"
    components_kg: Tensor

    def __init__(self, n_vars: int, config: NMFConfig) -> None:
        super().__init__(n_vars, config)
        self.register_buffer("components_kg", torch.zeros(config.latent_dim, n_vars))

    def solve(self, train: Batch) -> None:
        from sklearn.decomposition import NMF as Exact

        exact = Exact(
            n_components=self.config.latent_dim,
            max_iter=self.config.max_iter,
            random_state=int(torch.randint(2**31, ())),
        ).fit(train.x_ng.cpu().double().numpy())
        self.components_kg.copy_(torch.from_numpy(exact.components_))

    def embed(self, x_ng: Tensor) -> Tensor:
        from scipy.optimize import nnls

        # With H' = Q R, |x - z H| and |Q'x - R z| differ by a constant: k equations, not g.
        q_gk, r_kk = torch.linalg.qr(self.components_kg.T.double())
        target_nk = (x_ng.double() @ q_gk).cpu().numpy()
        solved = [nnls(r_kk.cpu().numpy(), target_k)[0] for target_k in target_nk]
        return torch.from_numpy(np.array(solved)).to(x_ng)

    def decode(self, z_nk: Tensor) -> Tensor:
        return z_nk @ self.components_kg

    def weights(self) -> Tensor:
        return self.components_kg
