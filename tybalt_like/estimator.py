"""The models as one scikit-learn estimator: encode, reconstruct, score, flag."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OutlierMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from tybalt_like.anomaly import Detector, Evidence
from tybalt_like.core.settings import checked
from tybalt_like.models import Model, Training
from tybalt_like.training.device import pick_device
from tybalt_like.training.inference import Inference, infer
from tybalt_like.training.loop import train
from tybalt_like.training.seed import seeded

Array = NDArray[np.float64]


class ExpressionEncoder(TransformerMixin, OutlierMixin, BaseEstimator):  # type: ignore[misc]
    """A generative model of normal profiles, as a transformer and an outlier detector.

    `fit` divides its samples at random: most train the model, some decide when to stop and some
    calibrate the scores. Features are scaled to [0, 1] on the training part, and new samples
    clipped to it.

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
    calibration
        Share of the samples that calibrates; a tenth of the others decides when to stop.
    alpha
        Share of normal samples that `predict` may call anomalous.
    random_state
        Feeds the division, the initial weights and the training.
    device
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.

    Attributes
    ----------
    model_ : Model
    detector_ : Detector
    offset_ : float
        ``decision_function = score_samples - offset_``; negative is anomalous.
    """

    def __init__(
        self,
        model: str = "tybalt",
        *,
        latent_dim: int = 20,
        config: dict[str, Any] | None = None,
        training: dict[str, Any] | None = None,
        calibration: float = 0.2,
        alpha: float = 0.05,
        random_state: int = 0,
        device: str = "auto",
    ) -> None:
        self.model = model
        self.latent_dim = latent_dim
        self.config = config
        self.training = training
        self.calibration = calibration
        self.alpha = alpha
        self.random_state = random_state
        self.device = device

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002 - scikit-learn's signature
        """Learn from samples x genes: an array, a DataFrame or an AnnData."""
        x_ng = self._validated(X, reset=True)
        train_n, validation_n, calibration_n = self._divide(len(x_ng))
        self.low_g_ = x_ng[train_n].min(0)
        self.range_g_ = x_ng[train_n].max(0) - self.low_g_
        unit_ng = self._scaled(x_ng)
        kind = Model.named(self.model)
        changes = vars(kind.training_defaults) | (self.training or {})
        device = pick_device(self.device)
        tensor_ng = torch.from_numpy(unit_ng.astype(np.float32)).to(device)
        with seeded(self.random_state):
            config = {"latent_dim": self.latent_dim, **(self.config or {})}
            self.model_ = Model.create(self.model, x_ng.shape[1], **config).to(device)
            self.model_.check(tensor_ng)
            self.model_.history = train(
                self.model_,
                {"x_ng": tensor_ng[train_n]},
                validation={"x_ng": tensor_ng[validation_n]} if len(validation_n) else None,
                training=checked(Training, changes, where="training"),
            )
        seen = self._evidence(unit_ng)
        self.detector_ = Detector.fit(seen[train_n], seen[calibration_n])
        ordered = np.sort(self.detector_.calibration_c)
        rank = int(np.ceil((1 - self.alpha) * (len(ordered) + 1)))
        self.offset_ = -float(ordered[min(rank, len(ordered)) - 1])
        return self

    def transform(self, X: Any) -> Array:
        """Latent coordinates, (n, latent_dim)."""
        return np.asarray(self._infer(self._scaled(self._validated(X))).z_nk)

    def inverse_transform(self, X: Any) -> Array:
        """Profiles on the original scale that belong to latent coordinates, (n, n_features)."""
        check_is_fitted(self)
        parameter = next(iter(self.model_.state_dict().values()))
        z_nk = torch.as_tensor(np.asarray(X, dtype=np.float32)).to(parameter.device)
        with torch.no_grad():
            unit_ng = self.model_.decode(z_nk).cpu().double().numpy()
        return np.asarray(unit_ng * self.range_g_ + self.low_g_)

    def score_samples(self, X: Any) -> Array:
        """Minus the combined anomaly score, (n,): lower is stranger, as in scikit-learn."""
        evidence = self._evidence(self._scaled(self._validated(X)))
        return -self.detector_.score(evidence)["combined"].to_numpy()

    def decision_function(self, X: Any) -> Array:
        """Score relative to the threshold, (n,); negative is anomalous."""
        return np.asarray(self.score_samples(X) - self.offset_)

    def predict(self, X: Any) -> NDArray[np.int64]:
        """-1 for anomalous samples, 1 for normal ones."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def _divide(self, n: int) -> tuple[NDArray[np.int64], ...]:
        """Row numbers to train on, to stop by and to calibrate on."""
        rows = np.random.default_rng(self.random_state).permutation(n)
        n_calibration = max(1, round(self.calibration * n))
        n_validation = (n - n_calibration) // 10
        ends = [n_calibration, n_calibration + n_validation]
        calibration_n, validation_n, train_n = np.split(rows, ends)
        return np.sort(train_n), np.sort(validation_n), np.sort(calibration_n)

    def _validated(self, X: Any, *, reset: bool = False) -> Array:
        if not reset:
            check_is_fitted(self)
        if hasattr(X, "obs_names"):
            X = X.to_df()
        if isinstance(X, pd.DataFrame):
            X = X.astype(np.float64, errors="ignore")
        return np.asarray(
            validate_data(self, X, reset=reset, dtype=np.float64, ensure_min_samples=4)
            if reset
            else validate_data(self, X, reset=False, dtype=np.float64)
        )

    def _scaled(self, x_ng: Array) -> Array:
        """Features in [0, 1] of their training range; 0 where they never varied."""
        range_g = np.where(self.range_g_ > 0, self.range_g_, 1.0)
        return np.asarray(np.clip((x_ng - self.low_g_) / range_g, 0, 1))

    def _infer(self, unit_ng: Array) -> Inference:
        return infer(self.model_, unit_ng, dtype=np.float64)

    def _evidence(self, unit_ng: Array) -> Evidence:
        result = self._infer(unit_ng)
        return Evidence(unit_ng, result.reconstruction_ng, result.z_nk)
