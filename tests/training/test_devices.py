"""Every model on a device that is not there, which no tensor of the CPU may meet, and on a GPU.

    python -m pytest tests/training/test_devices.py

Without a GPU, the tests that need one are skipped.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import pytest
import torch
from anndata import AnnData
from elsewhere import Graph, StrayError, elsewhere, replayed
from PIL import Image
from sklearn.base import clone

from tybalt_like import ExpressionEncoder, Recipe, pp, tl
from tybalt_like.core import keys
from tybalt_like.core.toml import document
from tybalt_like.models import Model, Training
from tybalt_like.run.stages import run
from tybalt_like.training.loop import train
from tybalt_like.training.seed import seeded

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:Attempting to run cuBLAS"),
]
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
every_model = pytest.mark.parametrize("name", sorted(Model.registry))
SEARCHED = {"anogan", "dcgan", "wgan_gp", "nmf"}
"""Models that have no formula for the code of a sample."""
GANS = {"anogan", "dcgan", "f_anogan", "wgan_gp"}
MAY_LACK = {"obs", keys.AFTER}
"""Responses and profiles after treatment are known of some; q-values of those that are tested."""
N, GENES = 60, 30
REPLAY = Graph.replay
SHORT = Training(epochs=2, batch_size=16, min_batches=1, min_epochs=0)


def cohort(name: str) -> AnnData:
    """Divided samples that suit a model, pairs and covariates included."""
    rng = np.random.default_rng(0)
    x_ng = rng.normal(size=(N, 3)) @ rng.normal(size=(3, GENES)) + 0.3 * rng.normal(size=(N, GENES))
    x_ng = (x_ng - x_ng.min()) / (x_ng.max() - x_ng.min())
    x_ng = np.round(60 * x_ng) if Model.named(name).domain == "counts" else x_ng
    adata = AnnData(x_ng.astype(np.float32))
    adata.var_names = [f"G{i}" for i in range(GENES)]
    adata.obs_names = [f"s{i}" for i in range(N)]
    adata.obs["batch"] = np.where(np.arange(N) % 3, "a", "b")
    after_ng = adata.X + 0.2 * rng.normal(size=adata.shape).astype(np.float32)
    after_ng[::2] = np.nan
    adata.layers[keys.AFTER] = after_ng
    adata.obs[keys.RESPONSE] = np.where(np.arange(N) % 3, np.arange(N) % 2, np.nan)
    adata.obs[keys.WEIGHT] = 1.0
    adata.obs[keys.UNIT] = [f"u{i // 2}" for i in range(N)]
    pp.split(adata)
    return adata


def fitted(adata: AnnData, name: str, folder: Path, device: str, **config: Any) -> Model:
    sets = folder / "sets.gmt"
    sets.write_text("a\t\t" + "\t".join(adata.var_names[:12]) + "\n")
    needed = {"conditional_tybalt": {"covariates": ("batch",)}, "plier": {"gene_sets": str(sets)}}
    config = needed.get(name, {}) | config
    if name in GANS:
        config |= {"search_steps": 8} if name != "f_anogan" else {}
    return tl.fit(
        adata, model=name, device=device, training=SHORT, progress=False, latent_dim=3, **config
    )


def said(adata: AnnData, model: Model) -> dict[str, Any]:
    """What the public functions make of samples by a model, as arrays; `adata` is changed."""
    name = model.name
    found: dict[str, Any] = {f"scores of {name}": tl.score(adata, model=model).held_out}
    tl.closest_normal(adata, model)
    found |= (
        dict(adata.obsm) | dict(adata.varm) | {k: np.asarray(v) for k, v in adata.layers.items()}
    )
    found["obs"] = adata.obs.select_dtypes("number")
    found["effects"] = tl.gene_effects(adata, model).select_dtypes("number")
    made = tl.synthesise(adata, model, n=12)
    found["made"] = made.X
    ends = (adata.obs_names[0], adata.obs_names[5])
    found["way"] = tl.interpolate(adata, model, ends=ends).profile_tg
    found["moved"] = tl.move(adata, model, np.ones(3)).X
    if name not in SEARCHED:
        table = tl.attributions(adata, model, sample="s0", feature=1, n_top=None)
        found["attributions"] = table.set_index("gene")["attribution"].sort_index()
    return {key: np.asarray(value, dtype=np.float64) for key, value in found.items()}


@pytest.mark.slow
@every_model
def test_no_tensor_is_left_behind(name: str, tmp_path: Path) -> None:
    here, there = cohort(name), cohort(name)
    expected = said(here, fitted(here, name, tmp_path, "cpu"))
    with elsewhere():
        model = fitted(there, name, tmp_path, "cuda")
        assert {tensor.device.type for tensor in model.state_dict().values()} == {"meta"}
        found = said(there, model)
        model.save(tmp_path / "model.safetensors")
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_array_equal(found[key], value, err_msg=key)
    tl.latent(there, Model.load(tmp_path / "model.safetensors"))
    latent = keys.latent(name)
    np.testing.assert_array_equal(there.obsm[latent], here.obsm[latent])


@pytest.mark.slow
@every_model
def test_no_double_precision_is_asked_of_a_device_without(name: str, tmp_path: Path) -> None:
    adata = cohort(name)
    with elsewhere(doubles=False):
        found = said(adata, fitted(adata, name, tmp_path, "mps"))
    assert all(np.isfinite(value).all() for key, value in found.items() if key not in MAY_LACK)


def test_a_stray_tensor_is_caught() -> None:
    with elsewhere():
        x = torch.ones(3, 2, device="meta")
        assert float((x * torch.tensor(2.0)).sum()) == 12  # a number is let through, as on a GPU
        with pytest.raises(StrayError, match="aten::add"):
            x + torch.ones(2)
        with pytest.raises(RuntimeError):
            x.numpy()


@pytest.mark.parametrize("name", ["tybalt", "mmd_vae", "count_vae", "ppca_vae", "deep_autoencoder"])
def test_replayed_updates_are_those_of_the_cpu(name: str) -> None:
    """As on CUDA, where nothing may pass between CPU and device while an update is recorded."""

    def trained(device: str) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
        with seeded(0):
            x_ng = torch.rand(101, GENES)
            x_ng = (20 * x_ng).round() if Model.named(name).domain == "counts" else x_ng
            model = Model.create(name, GENES, latent_dim=5).to(device)
            training = Training(epochs=3, batch_size=16, learning_rate=5e-3, schedule="cosine")
            history = train(model, {"x_ng": x_ng.to(device)}, training=training)
        state = {key: value.cpu().numpy() for key, value in model.state_dict().items()}
        return history.frame().drop(columns="seconds"), state

    expected, state = trained("cpu")
    replays: list[int] = []
    with elsewhere(), replayed(), mock.patch.object(Graph, "replay", autospec=True) as replay:
        replay.side_effect = lambda graph: (replays.append(1), REPLAY(graph))
        found, other = trained("meta")
    assert len(replays) > 3 * 15
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    for key, value in state.items():
        np.testing.assert_allclose(other[key], value, rtol=1e-5, atol=1e-7, err_msg=key)


def write_cohort(folder: Path) -> dict[str, Any]:
    adata = cohort("tybalt")
    adata.X[-6:] += 0.4
    adata.obs["kind"] = ["normal"] * (N - 6) + ["strange"] * 6
    plain = AnnData(8 * adata.X, obs=adata.obs[["kind", "batch"]], var=adata.var[[]])
    plain.write_h5ad(folder / "cohort.h5ad")
    return {
        "data": {"path": str(folder / "cohort.h5ad"), "label": "kind", "normal": ["normal"]},
        "model": {"name": "tybalt", "latent_dim": 4},
        "training": {"epochs": 3, "min_batches": 1, "min_epochs": 0},
        "evaluation": {"seeds": 1, "baselines": ["pca"], "batch": "batch"},
        "pictures": {"maps": []},
        "scores": {"p_values": "auto"},
    }


@pytest.mark.usefixtures("without_figures")
def test_a_run_is_the_same_elsewhere(tmp_path: Path) -> None:
    recipe = Recipe.from_tables(write_cohort(tmp_path))
    run(recipe, tmp_path / "here", device="cpu")
    with elsewhere():
        run(recipe, tmp_path / "there", device="cuda")
    for name in ("scores.tsv", "latent.tsv.gz", "metrics.tsv", "evaluation.tsv"):
        one, other = ((tmp_path / at / name).read_bytes() for at in ("here", "there"))
        assert one == other, name


@pytest.mark.slow
@pytest.mark.usefixtures("without_figures")
@pytest.mark.parametrize("model", ["f_anogan"])
def test_a_run_of_images_goes_through_elsewhere(tmp_path: Path, model: str) -> None:
    rng = np.random.default_rng(0)
    for i in range(120):
        pixels = rng.integers(0, 40, (8, 8), dtype=np.uint8)
        at = rng.integers(1, 6)
        (pixels if i % 2 else pixels.T)[1:-1, at : at + 2] = 230
        file = tmp_path / "strokes" / ("up" if i % 2 else "level") / f"{i}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(file)
    training = {"epochs": 2, "batch_size": 32, "patience": None}
    settings = {
        "beta_vae": {"likelihood": "bernoulli", "hidden_dims": [16], "latent_dim": 2},
        "f_anogan": {"gan": "dcgan", "latent_dim": 4},
    }[model]
    tables = {
        "data": {"path": str(tmp_path / "strokes"), "label": "label"},
        "normalize": {"select": "all", "scale": "none", "units": "zero_one"},
        "model": {"name": model, "channels": 4} | settings,
        "training": training,
        "evaluation": {"seeds": 0},
        "pictures": {"maps": []},
    }
    run(Recipe.from_tables(tables), tmp_path / "here", device="cpu")
    with elsewhere():
        run(Recipe.from_tables(tables), tmp_path / "there", device="cuda")
    one, other = (
        pd.read_csv(tmp_path / at / "latent.tsv.gz", sep="\t", index_col=0).filter(like=model)
        for at in ("here", "there")
    )
    np.testing.assert_allclose(one, other, atol=1e-3)  # convolutions have ways of their own here


CLOSE = 1e-3
"""Of the largest value: by so much results of a GPU may differ from those of the CPU."""
RANKS = ("p_value", "q_value", "flagged", "extrapolated")
"""Ends of columns that change by steps."""


def assert_near(found: np.ndarray, expected: np.ndarray, what: str, *, share: float) -> None:
    scale = np.nanmax(np.abs(expected)) + 1e-6
    np.testing.assert_allclose(found, expected, rtol=0, atol=share * scale, err_msg=what)


@needs_cuda
@every_model
def test_a_gpu_says_what_the_cpu_says(name: str, tmp_path: Path) -> None:
    """The same weights: codes, reconstructions, scores, profiles, attributions."""
    here, there = cohort(name), cohort(name)
    model = fitted(here, name, tmp_path, "cpu")
    expected, moved = said(here, model), copy.deepcopy(model).to("cuda")
    tl.latent(there, moved)
    found = said(there, moved)
    if name in SEARCHED - {"nmf"}:  # codes are searched for in single precision, whose ties differ
        errors = [
            np.abs(adata.X - adata.layers[keys.reconstruction(name)]).mean()
            for adata in (here, there)
        ]
        assert errors[1] == pytest.approx(errors[0], rel=0.1)
        return
    for key in expected.keys() - {"obs", "made"}:
        assert_near(found[key], expected[key], f"{name}: {key}", share=CLOSE)
    scores = [
        column for column in here.obs if column.startswith(name) and not column.endswith(RANKS)
    ]
    for column in scores:
        one, other = (adata.obs[column].to_numpy(np.float64) for adata in (there, here))
        assert_near(one, other, column, share=CLOSE)


@needs_cuda
@every_model
def test_a_gpu_trains_as_the_cpu_does(name: str, tmp_path: Path) -> None:
    """The same initial weights, batches and noise; sums are rounded otherwise."""
    here, there = cohort(name), cohort(name)
    one, other = (
        fitted(adata, name, tmp_path, device) for adata, device in ((here, "cpu"), (there, "cuda"))
    )
    assert {tensor.device.type for tensor in other.state_dict().values()} == {"cuda"}
    rows = [
        model.history.frame().drop(columns="seconds", errors="ignore") for model in (one, other)
    ]
    assert rows[0].shape == rows[1].shape
    for column in rows[0]:
        if len(rows[0]) and "gradient" not in column:  # solved models have no epochs
            a, b = (frame[column].to_numpy(np.float64) for frame in rows)
            assert_near(b, a, f"{name}: {column}", share=0.05 if name in GANS else 0.01)


@needs_cuda
def test_a_run_on_a_gpu_can_be_verified(tmp_path: Path, command) -> None:
    tables = write_cohort(tmp_path)
    (tmp_path / "recipe.toml").write_text(document(tables))
    for device in ("cuda", "cpu"):
        words = ["--out", tmp_path / device, "--device", device, "--threads", 1, "--quiet"]
        done = command("run", tmp_path / "recipe.toml", *words)
        assert done.returncode == 0, done.stderr
    one, other = (
        pd.read_csv(tmp_path / device / "scores.tsv", sep="\t", index_col=0)
        for device in ("cuda", "cpu")
    )
    columns = [c for c in other.select_dtypes("number") if not c.endswith(RANKS)]
    for column in columns:
        assert_near(one[column].to_numpy(), other[column].to_numpy(), column, share=0.02)
    assert (one["default_flagged"] == other["default_flagged"]).all()
    for device, said in (("cuda", "the same to the last digit"), ("cpu", "the same within bounds")):
        words = ["--data", tmp_path, "--device", device, "--threads", 1, "--quiet"]
        done = command("verify", tmp_path / "cuda", *words)
        assert done.returncode == 0, done.stdout
        assert said in done.stdout


def test_the_estimator_is_the_same_elsewhere() -> None:
    x_ng = 8 * cohort("tybalt").X.astype(np.float64)
    encoder = ExpressionEncoder(model="tybalt", latent_dim=3, training={"epochs": 3}, device="cpu")
    one = encoder.fit(x_ng)
    with elsewhere():
        other = clone(encoder).set_params(device="cuda").fit(x_ng)
        found = other.transform(x_ng), other.inverse_transform(other.transform(x_ng))
        scores = other.score_samples(x_ng)
    np.testing.assert_array_equal(found[0], one.transform(x_ng))
    np.testing.assert_array_equal(found[1], one.inverse_transform(found[0]))
    np.testing.assert_array_equal(scores, one.score_samples(x_ng))
