"""Synthetic cohorts: drawn from a model, and held beside real samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like.core import keys
from tybalt_like.core.errors import DataError
from tybalt_like.core.provenance import record, recorded
from tybalt_like.interpretation.fidelity import LEAST, Labelled, fidelity, train_on_synthetic
from tybalt_like.interpretation.privacy import privacy
from tybalt_like.interpretation.synthetic import (
    counts,
    dispersion,
    kernel_draws,
    normal_samples,
    with_residuals,
)
from tybalt_like.models import Model
from tybalt_like.models.networks.adversarial import Adversarial
from tybalt_like.models.networks.gan_detector import GANDetector
from tybalt_like.models.networks.variational import Variational
from tybalt_like.pp.labels import labels_of
from tybalt_like.tl.codec import Array, Codec
from tybalt_like.tl.fit import in_split, inputs
from tybalt_like.training.inference import applied

if TYPE_CHECKING:
    from anndata import AnnData

Source = Literal["posterior", "prior", "class"]
LEAST_OF_CLASS = 10
"""Training samples of a class that others can be drawn around."""
RANGES = {"unit": (0.0, 1.0), "non-negative": (0.0, np.inf)}
ENTRY = "synthetic"
"""Entry of the provenance."""
RIVAL = "multivariate normal"


def synthesise(
    adata: AnnData,
    model: Model,
    *,
    n: int,
    how: Source = "posterior",
    column: str | None = None,
    noise: bool = True,
    seed: int = 0,
) -> AnnData:
    """Draw samples that nobody has.

    A code is drawn, decoded, and given the noise that the decoder leaves out: for every gene the
    residual of a training sample (of its class) at random, ``x - decode(z)`` with z from the
    posterior where there is one, cut to the values that the model takes. Counts get negative
    binomial noise, with the dispersion that training samples have around the model and the library
    sizes of random ones, around a share of the library no larger than the largest expected of a
    training sample: decoders of counts are exponential, and codes between groups can end up
    anywhere. Residuals of different genes are drawn apart: co-expression that the model has not
    learned is not in them, nor are values that many samples share, such as "not detected".

    Parameters
    ----------
    adata
        Normalised, with the split that `model` was trained by; only its training samples are
        looked at.
    n
        Samples to draw.
    how
        ``"posterior"``: the aggregated posterior, a density around the codes of the training
        samples (draws from their posteriors where there are such; `kernel_draws`). ``"prior"``:
        N(0, 1), which variational models and GANs have. ``"class"``: as ``"posterior"`` inside
        every class of `column`, in the proportions of the training samples.
    column
        obs column of the classes; samples without a label are left out.
    noise
        False gives expected profiles, which vary less than samples do.
    seed
        Of all draws.

    Returns
    -------
    AnnData
        ``X`` on the scale of `adata`, codes in ``obsm["X_<model>"]``, classes in ``obs[column]``,
        and how it was made in ``uns["tybalt_like"]``. Which training sample a code was drawn
        around is not kept.

    Raises
    ------
    DataError
        If n is below 1, the model has no prior, fewer than 20 training samples (10 of a class)
        are there, or the column is missing.
    """
    if n < 1:
        raise DataError(f"cannot draw {n} samples; n must be at least 1")
    if (how == "class") != (column is not None):
        raise DataError("how='class' needs the column of the classes, and only that needs one")
    train = adata[in_split(adata, keys.TRAIN)]
    label_n = labels_of(train, column)
    if column is not None:
        train, label_n = train[label_n != ""], label_n[label_n != ""]
    if train.n_obs < LEAST:
        raise DataError(
            f"{train.n_obs} training samples are too few to draw others from; {LEAST} are needed"
        )
    rng = np.random.default_rng(seed)
    codec = Codec(train, model, train_n=np.ones(train.n_obs, bool))
    real_ng = inputs(train, model)["x_ng"].astype(np.float64)
    drawn_nk = _posterior(train, model, codec, rng)
    if how == "prior":
        z_mk, parent_m = _prior(model, n, rng), rng.integers(train.n_obs, size=n)
    else:
        z_mk, parent_m = _around(drawn_nk, label_n, n, rng, column)
    x_mg = codec.made(parent_m, z_mk)
    if model.domain == "counts":
        x_mg = np.minimum(x_mg, codec.reconstruction_ng.max(0) / codec.scale_n1[parent_m])
    if noise:
        expected_ng = codec.made(np.arange(train.n_obs), drawn_nk)
        x_mg = _noisy(model, x_mg, real_ng, expected_ng, label_n, parent_m, rng)
    names = pd.Index([f"synthetic_{i + 1}" for i in range(n)])
    obs = pd.DataFrame({} if column is None else {column: label_n[parent_m]}, index=names)
    made = type(adata)(x_mg.astype(np.float32), obs=obs, var=adata.var.copy())
    made.obsm[keys.latent(model.name)] = z_mk.astype(np.float32)
    about = {"model": model.name, "how": how, "column": column, "noise": noise, "seed": seed}
    about["n_training"] = train.n_obs
    record(made, **{ENTRY: about})
    return made


def _posterior(train: AnnData, model: Model, codec: Codec, rng: np.random.Generator) -> Array:
    """A code of every training sample: a draw from its posterior, where there is one."""
    if not isinstance(model, Variational):
        return codec.z_nk
    given = inputs(train, model)
    x_ng = given.pop("x_ng")
    found = applied(
        model, lambda m, batch: dict(zip("ms", m.encode(batch), strict=True)), x_ng, given=given
    )
    noise_nk = rng.standard_normal(found["m"].shape)
    return _coordinates(model, found["m"] + np.exp(found["s"] / 2) * noise_nk)


def _prior(model: Model, m: int, rng: np.random.Generator) -> Array:
    if isinstance(model, Variational):
        k = model.weights().shape[0]
        return _coordinates(model, rng.standard_normal((m, k)))
    if isinstance(model, Adversarial | GANDetector):
        return rng.standard_normal((m, model.config.latent_dim))
    raise DataError(f"model {model.name!r} has no prior to draw codes from; use how='posterior'")


def _coordinates(model: Variational, u_nk: Array) -> Array:
    found = applied(model, lambda m, batch: {"z": m.coordinates(batch.x_ng)}, u_nk)
    return found["z"]


def _around(
    z_nk: Array,
    label_n: NDArray[np.object_],
    m: int,
    rng: np.random.Generator,
    column: str | None,
) -> tuple[Array, NDArray[np.intp]]:
    """Codes around those of the training samples, inside every class, and the row each is
    around."""
    class_m = label_n[rng.integers(len(label_n), size=m)]
    z_mk, parent_m = np.zeros((m, z_nk.shape[1])), np.zeros(m, dtype=np.intp)
    for label in sorted(set(label_n)):
        rows, places = np.flatnonzero(label_n == label), np.flatnonzero(class_m == label)
        if column is not None and len(rows) < LEAST_OF_CLASS:
            raise DataError(
                f"{column} = {label!r} has {len(rows)} training samples; {LEAST_OF_CLASS} are "
                "needed to draw others around them, so join classes or leave this one out"
            )
        z_mk[places], parent = kernel_draws(z_nk[rows], len(places), rng)
        parent_m[places] = rows[parent]
    return z_mk, parent_m


def _noisy(
    model: Model,
    x_mg: Array,
    real_ng: Array,
    expected_ng: Array,
    label_n: NDArray[np.object_],
    parent_m: NDArray[np.intp],
    rng: np.random.Generator,
) -> Array:
    if model.domain == "counts":
        return counts(x_mg, dispersion(real_ng, expected_ng), rng)
    noisy_mg = np.zeros_like(x_mg)
    for label in sorted(set(label_n)):
        rows, places = label_n == label, label_n[parent_m] == label
        residual_ng = real_ng[rows] - expected_ng[rows]
        noisy_mg[places] = with_residuals(x_mg[places], residual_ng, rng)
    return np.asarray(np.clip(noisy_mg, *RANGES.get(model.domain, (-np.inf, np.inf))))


@dataclass(frozen=True)
class SyntheticReport:
    """Synthetic samples beside real ones, and beside a simple rival.

    Attributes
    ----------
    fidelity, privacy
        `interpretation.fidelity` and `interpretation.privacy`: ``source, measure, value, low,
        high, ideal``.
    classes
        `interpretation.train_on_synthetic`; None where the samples were not made by class.
    """

    fidelity: pd.DataFrame
    privacy: pd.DataFrame
    classes: pd.DataFrame | None = None


def judge_synthetic(adata: AnnData, synthetic: AnnData, *, seed: int = 0) -> SyntheticReport:
    """Hold synthetic samples beside held-out real ones (the split ``test``).

    The same is done to as many samples of a simple rival: a multivariate normal distribution in as
    many principal components of the training samples as the model has features, with residuals of
    the genes as noise; by class, if the synthetic samples are. Counts are compared as
    log2(1 + count) at the median library size of the training samples.

    Parameters
    ----------
    adata
        What the model was trained on, normalised and divided.
    synthetic
        By `synthesise`.
    seed
        Of the rival, and of the choice of samples and genes.

    Raises
    ------
    DataError
        If the genes differ, samples were not made by `synthesise`, or there are fewer than 20
        test samples, or 40 synthetic or training ones.
    """
    about = recorded(synthetic).get(ENTRY)
    if about is None or list(synthetic.var_names) != list(adata.var_names):
        raise DataError("these samples were not made by tl.synthesise of the same genes")
    column, model = about["column"], about["model"]
    train, test = (adata[in_split(adata, name)] for name in (keys.TRAIN, keys.TEST))
    label_n = labels_of(train, column)
    if column is not None:
        train, label_n = train[label_n != ""], label_n[label_n != ""]
    typical = _typical(train) if Model.named(model).domain == "counts" else None
    train_ng, test_ng, made_mg = (_profiles(part, typical) for part in (train, test, synthetic))
    k = synthetic.obsm[keys.latent(model)].shape[1]
    made_label_m = labels_of(synthetic, column)
    rng = np.random.default_rng(seed)
    rival_mg = np.zeros_like(made_mg)
    for label in sorted(set(made_label_m)):
        places = np.flatnonzero(made_label_m == label)
        rival_mg[places] = normal_samples(train_ng[label_n == label], len(places), k, rng)
    made = {model: made_mg, RIVAL: rival_mg}
    classes = None
    if column is not None:
        test_label_n = labels_of(test, column)
        known_n = test_label_n != ""
        classes = train_on_synthetic(
            {name: Labelled(x_mg, made_label_m) for name, x_mg in made.items()},
            train=Labelled(train_ng, label_n),
            test=Labelled(test_ng[known_n], test_label_n[known_n]),
        )
    return SyntheticReport(
        fidelity=fidelity(made, train_ng=train_ng, test_ng=test_ng, seed=seed),
        privacy=privacy(made, train_ng=train_ng, test_ng=test_ng, seed=seed),
        classes=classes,
    )


def _profiles(adata: AnnData, typical: float | None) -> Array:
    x = adata.X if isinstance(adata.X, np.ndarray) else adata.X.toarray()
    x_ng = np.asarray(x, dtype=np.float64)
    if typical is None:
        return x_ng
    return np.asarray(np.log2(1 + x_ng / np.maximum(x_ng.sum(1, keepdims=True), 1) * typical))


def _typical(train: AnnData) -> float:
    return float(np.median(np.asarray(train.X.sum(1))))
