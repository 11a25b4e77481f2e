"""The models as one scikit-learn estimator: encode, reconstruct, score, flag."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OutlierMixin, TransformerMixin
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from tybalt_like import tl
from tybalt_like.anomaly import Detector
from tybalt_like.anomaly import scores as tables
from tybalt_like.core import keys
from tybalt_like.core.errors import DataError, RecipeError
from tybalt_like.models import ModelSettings
from tybalt_like.pp import Normalisation, Normaliser
from tybalt_like.pp.split import divided
from tybalt_like.tl.fit import in_split
from tybalt_like.tl.score import model_outputs

if TYPE_CHECKING:
    from anndata import AnnData

Array = NDArray[np.float64]
VALIDATION = 0.1
"""Share of the training samples that decides when to stop, as in a recipe."""
AS_THEY_ARE = {"units": "log2", "library": "none", "log": "no", "select": "all"}
"""Every feature in its place, on its training range."""
ROUNDING = 1e-9
"""A sample on the threshold, as one calibration sample is, does not count as beyond it."""


class ExpressionEncoder(TransformerMixin, OutlierMixin, BaseEstimator):  # type: ignore[misc]
    """A generative model of normal profiles, as a transformer and an outlier detector.

    `fit` does what a run does: it divides its samples at random into those that train the model,
    those that decide when to stop and those that calibrate the scores, and learns the
    normalisation and the model from the training part.

    Parameters
    ----------
    model
        Name of a registered model.
    latent_dim
        Number of latent features.
    config
        Further settings of the model.
    training
        Changes to the model's training defaults, for example ``{"epochs": 50}``.
    normalisation
        Settings of `pp.Normalisation`, for example ``{"n_genes": 2000}`` or, of counts, ``{}``. If
        None, values are taken as they are, and every feature is scaled to its training range.
    calibration
        Share of the samples that calibrates, above 0 and below 1; a tenth of the others decides
        when to stop.
    alpha
        Share of normal samples that `predict` may call anomalous, above 0 and below 1.
    random_state
        Feeds the division, the initial weights and the training: a number, or as elsewhere in
        scikit-learn a `RandomState` or None, from which a number is drawn at every fit.
    device
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    progress
        Whether a bar shows how training goes, in a terminal or a notebook.

    Attributes
    ----------
    normaliser_ : pp.Normaliser
    model_ : Model
    detector_ : Detector
    offset_ : float
        ``decision_function = score_samples - offset_``; negative is anomalous.

    Examples
    --------
    >>> import numpy as np
    >>> import tybalt_like as ty
    >>> X = np.random.default_rng(0).normal(8, 1, size=(200, 50))
    >>> encoder = ty.ExpressionEncoder("pca", latent_dim=5).fit(X)
    >>> encoder.transform(X).shape
    (200, 5)
    >>> encoder.predict([X[0], X[0] + 6])
    array([ 1, -1])
    """

    def __init__(
        self,
        model: str = keys.MODEL,
        *,
        latent_dim: int = 20,
        config: dict[str, Any] | None = None,
        training: dict[str, Any] | None = None,
        normalisation: dict[str, Any] | None = None,
        calibration: float = 0.2,
        alpha: float = 0.05,
        random_state: int | np.random.RandomState | None = 0,
        device: str = "auto",
        progress: bool = True,
    ) -> None:
        self.model = model
        self.latent_dim = latent_dim
        self.config = config
        self.training = training
        self.normalisation = normalisation
        self.calibration = calibration
        self.alpha = alpha
        self.random_state = random_state
        self.device = device
        self.progress = progress

    def fit(
        self,
        X: Any,
        y: Any = None,  # noqa: ARG002 - scikit-learn's signature
        groups: Any = None,
    ) -> Self:
        """Learn from samples x genes: an array, a DataFrame or an AnnData.

        Samples with the same value in `groups`, such as those of a patient, stay together in the
        division; as in scikit-learn's splitters, it has one value per sample. A missing or empty
        one stands alone.
        """
        self._check_shares()
        adata, seed = self._samples(X, reset=True), self._seed()
        check_consistent_length(adata.obs_names, groups)
        adata.obs[keys.SPLIT] = divided(
            np.full(adata.n_obs, "", dtype=object),
            train=1 - self.calibration,
            calibration=self.calibration,
            validation=VALIDATION,
            group_n=groups,
            seed=seed,
        ).astype(str)
        given = AS_THEY_ARE if self.normalisation is None else self.normalisation
        self.normaliser_ = Normaliser.fit(adata, Normalisation.configure(**given))
        encoded = self.normaliser_.transform(adata)
        config = {"latent_dim": self.latent_dim, **(self.config or {})}
        settings = ModelSettings.of(self.model, config, self.training)
        self.model_ = tl.fit(
            encoded,
            model=settings,
            seed=seed,
            device=self.device,
            progress=self.progress,
        )
        seen = model_outputs(encoded, model=self.model_)
        train_n, calibration_n = (in_split(encoded, s) for s in (keys.TRAIN, keys.CALIBRATION))
        self.detector_ = Detector.fit(seen[train_n], seen[calibration_n])
        ordered = np.sort(self.detector_.calibration_scores)
        rank = int(np.ceil((1 - self.alpha) * (len(ordered) + 1)))
        self.offset_ = -float(ordered[min(rank, len(ordered)) - 1])
        self._n_features_out = encoded.obsm[keys.latent(self.model)].shape[1]
        return self

    def transform(self, X: Any) -> Array:
        """Latent coordinates, (n, latent_dim)."""
        z_nk = self._encoded(X).obsm[keys.latent(self.model)]
        return np.asarray(z_nk, dtype=np.float64)

    def inverse_transform(self, X: Any) -> Array:
        """Profiles that belong to latent coordinates, (n, genes of `normaliser_`): on the scale of
        the input or, where the normalisation takes a logarithm, on that scale."""
        check_is_fitted(self)
        z_nk = check_array(X, dtype=np.float32)
        if z_nk.shape[1] != self._n_features_out:
            raise DataError(
                f"inverse_transform takes the {self._n_features_out} latent coordinates that "
                f"transform gives, not {z_nk.shape[1]} columns"
            )
        parameter = next(iter(self.model_.state_dict().values()))
        with torch.no_grad():
            tensor_nk = torch.as_tensor(z_nk).to(parameter.device)
            decoded_ng = self.model_.decode(tensor_nk).cpu().double().numpy()
        return np.asarray(self.normaliser_.inverse(decoded_ng))

    def score_samples(self, X: Any) -> Array:
        """Minus the combined anomaly score, (n,): lower is stranger, as in scikit-learn."""
        encoded = self._encoded(X)
        outputs, names = model_outputs(encoded, model=self.model_), list(encoded.obs_names)
        scores = self.detector_.score(outputs, names=names, model=self.model)
        return -tables.of(scores, self.model).to_numpy(np.float64)

    def decision_function(self, X: Any) -> Array:
        """Score relative to the threshold, (n,); negative is anomalous."""
        return np.asarray(self.score_samples(X) - self.offset_)

    def predict(self, X: Any) -> NDArray[np.int64]:
        """-1 for anomalous samples, 1 for normal ones."""
        beyond_n = self.decision_function(X)
        return np.where(beyond_n < -ROUNDING * max(1.0, abs(self.offset_)), -1, 1)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """``<model>_1`` to ``<model>_k``, as in the latent table of a run.

        `input_features` do not change them, but have to be those that were fitted.
        """
        check_is_fitted(self)
        if input_features is not None:
            self._check_names(list(input_features))
        names = [f"{self.model}_{i + 1}" for i in range(self._n_features_out)]
        return np.array(names, dtype=object)

    def _check_shares(self) -> None:
        for name in ("calibration", "alpha"):
            share = getattr(self, name)
            if not isinstance(share, int | float) or not 0 < share < 1:
                raise RecipeError(f"{name} is a share above 0 and below 1, not {share!r}")

    def _seed(self) -> int:
        given: Any = self.random_state
        if isinstance(given, int | np.integer):
            return int(given)
        return int(check_random_state(given).randint(2**31 - 1))

    def _check_names(self, given: list[Any]) -> None:
        known = getattr(self, "feature_names_in_", None)
        if known is not None and given != list(known):
            raise ValueError("input_features is not equal to feature_names_in_")
        if len(given) != self.n_features_in_:
            raise ValueError(
                f"input_features should have length equal to number of features "
                f"({self.n_features_in_}), got {len(given)}"
            )

    def _encoded(self, X: Any) -> AnnData:
        check_is_fitted(self)
        encoded = self.normaliser_.transform(self._samples(X))
        tl.latent(encoded, self.model_)
        return encoded

    def _samples(self, X: Any, *, reset: bool = False) -> AnnData:
        from anndata import AnnData

        if hasattr(X, "obs_names"):
            X = X.to_df()
        if isinstance(X, pd.DataFrame):
            X = X.astype(np.float64, errors="ignore")
        least = {"ensure_min_samples": 4} if reset else {}
        x_ng = validate_data(self, X, reset=reset, dtype=np.float64, **least)
        known = getattr(self, "feature_names_in_", None)
        genes = [f"x{i}" for i in range(x_ng.shape[1])] if known is None else list(known)
        rows = pd.RangeIndex(len(x_ng)).astype(str)
        return AnnData(x_ng, obs=pd.DataFrame(index=rows), var=pd.DataFrame(index=genes))
