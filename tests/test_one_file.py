"""The one-minute rule: each of these is one new file, and the demo runs with it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import tybalt_like
from tybalt_like.io import datasets

CHECKOUT = Path(tybalt_like.__file__).parents[1]
FILES = {
    "models/toy_model.py": '''
from dataclasses import dataclass

import torch

from tybalt_like.models.base import Model


@dataclass(frozen=True)
class ToyConfig:
    """Settings."""

    latent_dim: int = 3


class Toy(Model, name="toy_model", title="Toy model"):
    """The first genes are the latent."""

    citation = "Toy A. A toy. Toys 1:1 (2026)."
    deterministic = True
    Config = ToyConfig

    def __init__(self, n_vars, config):
        super().__init__(n_vars, config)
        self.register_buffer("mean_g", torch.zeros(n_vars))

    def solve(self, train):
        self.mean_g.copy_(train.x_ng.mean(0))

    def embed(self, x_ng):
        return (x_ng - self.mean_g)[:, : self.config.latent_dim]

    def decode(self, z_nk):
        return z_nk @ self.weights() + self.mean_g

    def weights(self):
        return torch.eye(self.config.latent_dim, self.n_vars).to(self.mean_g)
''',
    "io/toy_format.py": """
from io import BytesIO

import pandas as pd
from anndata import AnnData

from tybalt_like.io.format import Format


def _read(source):
    text = b"".join(source.chunks()).removeprefix(b"TOY\\n")
    return AnnData(pd.read_csv(BytesIO(text), sep="\\t", index_col=0))


FORMAT = Format("toy", lambda source: source.head.startswith(b"TOY\\n"), _read)
""",
    "anomaly/views/toy_view.py": '''
from dataclasses import dataclass

import numpy as np

from tybalt_like.anomaly.view import View


@dataclass(frozen=True)
class ToyView(View, name="toy_view", says="its first gene"):
    """Distance of the first gene from its training mean."""

    mean: np.ndarray

    @classmethod
    def fit(cls, train):
        return cls(train.outputs.x_ng[:, 0].mean())

    def score(self, samples):
        return np.abs(samples.outputs.x_ng[:, 0].astype(float) - self.mean)
''',
    "pp/transforms/toy_scale.py": '''
from dataclasses import dataclass

import numpy as np

from tybalt_like.pp.transforms.base import Scaler


@dataclass(frozen=True)
class ToyScale(Scaler, name="toy_scale", setting="scale"):
    """Minus the training median."""

    median_g: np.ndarray

    @classmethod
    def fit(cls, x_ng):
        return cls(np.nanmedian(x_ng, axis=0))

    def transform(self, x_ng):
        return x_ng - self.median_g

    def inverse(self, x_ng):
        return x_ng + self.median_g
''',
    "report/sections/toy_section.py": '''
from tybalt_like.report.section import Section


class Toy(Section, name="toy", title="Toy", kind="run", place=35):
    """A paragraph."""

    template = "<p>{{ words.counted(n) }} of <em>toys</em></p>"

    def content(self, run):
        return {"n": len(run.samples)}
''',
}
DATASET = """
title = "a toy"
file = "toy/toy.txt"
sha256 = ""
genes_in = "columns"
units = "log2"
licence = "none"
citation = "none"
obs_file = "toy/toy.tsv"
"""
RECIPE = """
data = { dataset = "toy", label = "pam50", normal = ["Luminal A"], anomalies = ["Basal-like"] }
normalize = { scale = "toy_scale", n_genes = 50 }
model = { name = "toy_model" }
scores = { views = ["toy_view", "nearest"] }
evaluation = { seeds = 1, baselines = ["pca"] }
pictures = { maps = [] }
"""


def call(root: Path, *words: object) -> str:
    environment = os.environ | {"PYTHONPATH": str(root)}
    command = [sys.executable, "-m", "tybalt_like", *map(str, words)]
    done = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the package with a file more in six rooms."""
    shutil.copytree(CHECKOUT / "tybalt_like", tmp_path / "tybalt_like")
    shutil.copytree(CHECKOUT / "data", tmp_path / "data", ignore=shutil.ignore_patterns("mnist"))
    shutil.copytree(CHECKOUT / "pipelines", tmp_path / "pipelines")
    for name, text in FILES.items():
        assert not (tmp_path / "tybalt_like" / name).exists()
        (tmp_path / "tybalt_like" / name).write_text(text)
    (tmp_path / "data" / "registry" / "toy.toml").write_text(DATASET)
    adata = datasets.load("tcga_brca")[::2, :120]
    (tmp_path / "data" / "toy").mkdir()
    text = adata.to_df().to_csv(sep="\t")
    (tmp_path / "data" / "toy" / "toy.txt").write_text("TOY\n" + text)
    adata.obs[["pam50"]].to_csv(tmp_path / "data" / "toy" / "toy.tsv", sep="\t")
    (tmp_path / "mine.toml").write_text(RECIPE)
    return tmp_path


@pytest.mark.slow
def test_a_file_each_is_enough(house: Path) -> None:
    assert "toy\ta toy" in call(house, "data", "list")
    assert "The first genes are the latent." in call(house, "models")
    call(house, "run", "mine.toml", "--out", "out", "--quiet")
    about = json.loads((house / "out" / "run.json").read_text())
    assert about["reading"]["format"] == "toy"
    assert "its first gene" in about["detector"]["combined"]
    page = (house / "out" / "report.html").read_text()
    assert '<section id="toy"' in page
    assert "385 samples of <em>toys</em>" in page
    assert "Toys 1:1 (2026)" in page
    assert json.loads((house / "out" / "normaliser.json").read_text())["scaler"]["transform"] == (
        "toy_scale"
    )
    scores = pd.read_csv(house / "out" / "scores.tsv", sep="\t", index_col=0)
    again = call(house, "score", "--run", "out", "data/toy/toy.txt")
    (house / "again.tsv").write_text(again)
    new = pd.read_csv(house / "again.tsv", sep="\t", index_col=0)
    expected = scores["toy_model_toy_view"]
    pd.testing.assert_series_equal(
        new["toy_model_toy_view"], expected, check_names=False, rtol=1e-6
    )
