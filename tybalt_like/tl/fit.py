"""Train a model on an AnnData, and encode with it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from tybalt_like.core import keys
from tybalt_like.core.bar import Bar
from tybalt_like.core.device import pick_device
from tybalt_like.core.errors import DataError, NonFiniteLossError
from tybalt_like.core.provenance import image_shape, is_images, record
from tybalt_like.core.settings import plain
from tybalt_like.core.sigterm import postponed
from tybalt_like.genes import identifiers
from tybalt_like.genes.gene_sets import GeneSets
from tybalt_like.io import read_gmt
from tybalt_like.models import Model, ModelSettings, Training
from tybalt_like.models.history import losses
from tybalt_like.tl.covariates import categories, known
from tybalt_like.tl.stored import StoredInputs, check_finite, check_in_memory, is_stored
from tybalt_like.training.inference import infer
from tybalt_like.training.loop import EpochHook, train
from tybalt_like.training.rows import Resident, Rows
from tybalt_like.training.seed import seeded

if TYPE_CHECKING:
    from anndata import AnnData


def fit(
    adata: AnnData,
    *,
    model: str | ModelSettings = keys.MODEL,
    training: Training | None = None,
    seed: int = 0,
    device: str = "auto",
    checkpoint: Path | None = None,
    on_epoch: EpochHook | None = None,
    progress: bool = True,
    **config: Any,
) -> Model:
    """Train a model on the training split and write what it makes of every sample.

    Adds ``obsm["X_<model>"]`` (latent coordinates), ``varm["<model>_weights"]`` (genes x
    features), ``layers["<model>_reconstruction"]`` and a note of the settings.

    Parameters
    ----------
    adata
        Normalised, with ``obs["tybalt_split"]`` (`pp.split`). Validation samples, if there are any,
        decide when to stop. A matrix on disk (`pp.open_backed`; a backed h5ad, zarr or dask) stays
        there: it is read in blocks that come in a random order (`training.rows.Stored`), models
        that are solved learn from random samples, and no reconstruction is kept.
    model
        Registered name, or settings that were checked; `config` fills those of a name, for
        example ``latent_dim=50``, or
        ``covariates=("batch",)`` for a model that is conditioned on columns of `adata.obs`, or
        ``gene_sets="sets.gmt"`` for one whose features lean on gene sets. An ``image_shape`` that
        is not given is that of the images that were read.
    training
        Epochs, batch size and so on; the model's defaults if None.
    seed
        Feeds initial weights, batch order and sampling noise.
    device
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    checkpoint
        File to save the state of training to and, if it exists, to resume from.
    on_epoch
        Called with each new row of the history, in place of a bar.
    progress
        Whether a bar shows how training goes, in a terminal or a notebook.

    Returns
    -------
    Model
        Trained; its ``history`` tells how.

    Raises
    ------
    DataError
        If there is no split, or the values do not suit the model.
    NonFiniteLossError
        If training diverged; it names the samples.

    Examples
    --------
    >>> import tybalt_like as ty
    >>> adata = ty.datasets.load("tcga_brca")[:, :100].copy()
    >>> ty.pp.split(adata)
    >>> adata = ty.pp.Normaliser.fit(adata).transform(adata)
    >>> model = ty.tl.fit(adata, model="pca", latent_dim=10)
    >>> adata.obsm["X_pca"].shape, adata.varm["pca_weights"].shape
    ((769, 10), (100, 10))
    """
    chosen = model if isinstance(model, ModelSettings) else ModelSettings.of(model, config)
    if training is not None:
        chosen = replace(chosen, training=training)
    where = pick_device(device)
    train_n, validation_n = (in_split(adata, name) for name in (keys.TRAIN, keys.VALIDATION))
    if not train_n.any():
        raise DataError(f"no training samples: obs[{keys.SPLIT!r}] is never 'train'; use pp.split")
    if chosen.has("categories"):
        values = categories(adata, chosen.config.covariates, train=train_n)
        chosen = chosen.with_config(categories=values)
    if chosen.has("image_shape") and chosen.config.image_shape is None and is_images(adata):
        chosen = chosen.with_config(image_shape=image_shape(adata))
    sets = None
    if chosen.has("gene_sets"):
        known_sets = read_gmt(chosen.config.gene_sets)
        sets = GeneSets.within(list(adata.var_names), known_sets, ids=identifiers(adata.var))
        chosen = chosen.with_config(sets=sets.names)
    with seeded(seed):
        fitted = chosen.kind(adata.n_vars, chosen.config).to(where)
        if sets is not None:
            fitted.get_buffer("member_sg").copy_(torch.from_numpy(sets.member_sg))
        given = _given(adata, fitted)

        def rows(mask_n: NDArray[np.bool_]) -> Rows:
            if isinstance(given, StoredInputs):
                return given.rows(mask_n, where)
            return Resident({k: torch.from_numpy(a[mask_n]).to(where) for k, a in given.items()})

        to_be_kept = nullcontext() if checkpoint is None else postponed()
        try:
            with Bar() as bar, to_be_kept:

                def shown(row: dict[str, float], training: Training) -> None:
                    early = training.patience is not None
                    bar.move(int(row["epoch"]) + 1, training.epochs, said=losses(row), early=early)

                fitted.history = train(
                    fitted,
                    rows(train_n),
                    validation=rows(validation_n) if validation_n.any() else None,
                    training=chosen.training,
                    checkpoint=checkpoint,
                    on_epoch=on_epoch or (shown if progress else None),
                )
        except NonFiniteLossError as error:
            raise error.named(adata.obs_names[train_n]) from None
    _write(adata, fitted, given)
    record(adata, **{fitted.name: {"config": plain(fitted.config), "seed": seed}})
    return fitted


def latent(adata: AnnData, model: Model) -> None:
    """Encode every sample with a model trained elsewhere on the same genes.

    Adds what `fit` adds.

    Raises
    ------
    DataError
        If the number of genes differs from the model's.
    """
    if adata.n_vars != model.n_vars:
        raise DataError(f"the model was trained on {model.n_vars} genes, not {adata.n_vars}")
    _write(adata, model, _given(adata, model))


def in_split(adata: AnnData, name: str) -> np.ndarray:
    """Boolean mask of the samples in that split."""
    if keys.SPLIT not in adata.obs:
        raise DataError(f"obs[{keys.SPLIT!r}] is missing; run pp.split first")
    return np.asarray(adata.obs[keys.SPLIT].astype(str) == name)


def inputs(adata: AnnData, model: Model) -> dict[str, NDArray[np.float32]]:
    """All that the model takes of every sample, checked."""
    check_in_memory(adata)
    x = adata.X if isinstance(adata.X, np.ndarray) else adata.X.toarray()
    x_ng = np.ascontiguousarray(x, dtype=np.float32)
    check_finite(x_ng, names=adata.obs_names, genes=adata.var_names)
    model.check(torch.from_numpy(x_ng))
    return {"x_ng": x_ng} | known(adata, model)


def _given(adata: AnnData, model: Model) -> StoredInputs | dict[str, NDArray[np.float32]]:
    return StoredInputs(adata, model) if is_stored(adata) else inputs(adata, model)


def _write(
    adata: AnnData, model: Model, given: StoredInputs | Mapping[str, NDArray[np.float32]]
) -> None:
    if isinstance(given, StoredInputs):
        adata.obsm[keys.latent(model.name)] = given.latents()
    else:
        others = {name: values for name, values in given.items() if name != "x_ng"}
        result = infer(model, given["x_ng"], given=others)
        adata.obsm[keys.latent(model.name)] = result.z_nk
        adata.layers[keys.reconstruction(model.name)] = result.reconstruction_ng
    adata.varm[keys.weights(model.name)] = model.weights().detach().cpu().numpy().T
