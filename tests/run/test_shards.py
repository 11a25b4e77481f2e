"""A file scored in shards and merged says what one process says of it, to the last byte."""

import shutil
import warnings
from itertools import chain
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from tybalt_like import Recipe
from tybalt_like.core.rows import ROWS, blocks
from tybalt_like.pp import Normalisation, Normaliser
from tybalt_like.pp import matrix as matrix_module
from tybalt_like.run import portions
from tybalt_like.run.seen import Seen
from tybalt_like.run.stages import run

pytestmark = pytest.mark.usefixtures("one_thread", "module_without_figures")
GENES = 150
SEXED = ["XIST", "DDX3Y", "RPS4Y1", "KDM5D"]


def cohort(n: int, seed: int, *, shift: float = 0.0) -> anndata.AnnData:
    """Log-scale profiles of a few programmes; Y genes are high in every other sample."""
    rng = np.random.default_rng(seed)
    programme = np.random.default_rng(0).normal(size=(6, GENES))
    level = np.random.default_rng(1).uniform(3, 9, size=GENES)
    x = level + rng.normal(size=(n, 6)) @ programme * 0.4 + rng.normal(size=(n, GENES)) * 0.3
    x += shift * np.random.default_rng(2).choice([-1, 1], GENES)
    male = np.arange(n) % 2 == 0
    x[:, :4] = np.where(male[:, None], [1, 8, 8, 8], [8, 1, 1, 1]) + 0.2 * rng.normal(size=(n, 4))
    genes = [*SEXED, *(f"G{i}" for i in range(GENES - 4))]
    adata = anndata.AnnData(x.astype(np.float32), var=pd.DataFrame(index=genes))
    adata.obs_names = [f"s{seed}_{i}" for i in range(n)]
    adata.obs["sex"] = np.where(male, "male", "female")
    return adata


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A run, and new samples: 3 blocks and a bit, with strange ones, copies and a swapped one."""
    folder = tmp_path_factory.mktemp("shards")
    cohort(60, 5).write_h5ad(folder / "known.h5ad")
    tables = {
        "data": {"path": str(folder / "known.h5ad")},
        "model": {"name": "tybalt", "latent_dim": 4},
        "training": {"epochs": 2, "min_batches": 1},
        "evaluation": {"seeds": 0},
        "pictures": {"maps": []},
    }
    run(Recipe.from_tables(tables), folder / "run", device="cpu")
    new = cohort(3 * ROWS + 7, 6)
    new.X[5], new.X[-1] = new.X[ROWS + 1], new.X[5] + 2  # a copy in another shard; a strange one
    new.obs.loc[new.obs_names[2], "sex"] = "female"
    new.write_h5ad(folder / "new.h5ad")
    new.X = sparse.csr_matrix(new.X)
    with warnings.catch_warnings(action="ignore"):  # anndata announces another default
        new.write_zarr(folder / "new.zarr")
    return folder


def in_shards(command, folder: Path, tmp_path: Path, matrix: str, n: int, *options) -> list[Path]:
    made = []
    for i in range(1, n + 1):
        made.append(tmp_path / f"shard{i}")
        words = ["--shard", f"{i}/{n}", "--out", made[-1], *options]
        done = command("score", "--run", folder / "run", folder / matrix, *words)
        assert done.returncode == 0, done.stderr
    return made


def both(command, folder: Path, tmp_path: Path, matrix: str, n: int, *options) -> None:
    """Score at once and in shards, merged in another order, and compare everything."""
    whole = ["--out", tmp_path / "whole.tsv", "--genes", tmp_path / "whole_genes.tsv.gz"]
    one = command("score", "--run", folder / "run", folder / matrix, *whole, *options)
    assert one.returncode == 0, one.stderr
    made = in_shards(command, folder, tmp_path, matrix, n, *options)
    merged = ["--out", tmp_path / "merged.tsv", "--genes", tmp_path / "merged_genes.tsv.gz"]
    done = command("merge", "--run", folder / "run", *reversed(made), *merged)
    assert done.returncode == 0, done.stderr
    for kind in (".tsv", "_genes.tsv.gz"):
        assert (tmp_path / f"whole{kind}").read_bytes() == (tmp_path / f"merged{kind}").read_bytes()
    # How the file was read is said by the shards.
    judged = [line for line in one.stderr.splitlines() if line in done.stderr.splitlines()]
    assert judged == done.stderr.splitlines()


@pytest.mark.slow
@pytest.mark.parametrize(("matrix", "n"), [("new.h5ad", 3), ("new.h5ad", 2), ("new.zarr", 4)])
def test_shards_are_one_result(folder, command, tmp_path, matrix, n) -> None:
    both(command, folder, tmp_path, matrix, n)
    table = pd.read_csv(tmp_path / "merged.tsv", sep="\t", index_col=0)
    assert table["default_q_value"].notna().all()
    assert table["default_flagged"].iloc[-1]
    done = command("merge", "--run", folder / "run", *sorted(tmp_path.glob("shard*")))
    assert "samples with the same profile: 1 (s6_5 = s6_257)" in done.stderr
    assert "s6_2 looks male" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("matrix", ["new.h5ad", "new.zarr"])
def test_a_large_file_is_scored_in_portions(folder, command, tmp_path, monkeypatch, matrix) -> None:
    """The same tables, and of the samples never more than a portion in memory."""
    tables = "scores.tsv", "genes.tsv.gz"
    shapes, of = [], Seen.of.__func__

    def watched(cls, run, adata, **how):
        shapes.append(len(how["portion"].rows_n) if how.get("portion") else adata.n_obs)
        return of(cls, run, adata, **how)

    monkeypatch.setattr(Seen, "of", classmethod(watched))
    made, said = {}, {}
    monkeypatch.setattr(portions, "PORTION", ROWS * GENES)
    for name, values in (("whole", portions.LARGE), ("parts", ROWS * GENES)):
        monkeypatch.setattr(portions, "LARGE", values)
        monkeypatch.setattr(matrix_module, "CHUNK", 50 * GENES)  # few samples stand for all
        (tmp_path / name).mkdir()
        out, genes = (tmp_path / name / table for table in tables)
        score = ["score", "--run", folder / "run", folder / matrix, "--out", out, "--genes", genes]
        done = command(*score)
        assert done.returncode == 0, done.stderr
        made[name] = [(tmp_path / name / table).read_bytes() for table in tables]
        said[name] = done.stderr
    assert made["whole"] == made["parts"]
    assert said["whole"] == said["parts"]
    assert shapes[0] == 3 * ROWS + 7
    assert len(shapes) == 5
    assert max(shapes[1:]) <= ROWS + 50


def test_a_refused_large_file_leaves_no_table(folder, command, tmp_path, monkeypatch) -> None:
    for name in ("LARGE", "PORTION"):
        monkeypatch.setattr(portions, name, ROWS * GENES)
    new = cohort(2 * ROWS + 2, 6)
    new.obs_names = [*new.obs_names[:-1], new.obs_names[0]]  # in two portions
    with warnings.catch_warnings(action="ignore"):
        new.write_h5ad(tmp_path / "new.h5ad")
    made = tmp_path / "scores.tsv", tmp_path / "genes.tsv"
    score = ["score", "--run", folder / "run", tmp_path / "new.h5ad", "--out", made[0]]
    done = command(*score, "--genes", made[1])
    assert done.returncode == 2
    assert "s6_0" in done.stderr
    assert not any(path.exists() for path in made)


def test_what_only_all_samples_tell_is_told_by_the_merge(folder, command, tmp_path) -> None:
    """A shifted source has no p-values, which no shard alone decides; controls mend that."""
    cohort(2 * ROWS + 2, 7, shift=1.0).write_h5ad(folder / "moved.h5ad")
    cohort(12, 8, shift=1.0).write_h5ad(folder / "controls.h5ad")
    both(command, folder, tmp_path, "moved.h5ad", 3)
    table = pd.read_csv(tmp_path / "merged.tsv", sep="\t", index_col=0)
    assert table["default_p_value"].isna().all()
    (tmp_path / "mended").mkdir()
    controls = ["--controls", folder / "controls.h5ad"]
    both(command, folder, tmp_path / "mended", "moved.h5ad", 3, *controls)
    table = pd.read_csv(tmp_path / "mended" / "merged.tsv", sep="\t", index_col=0)
    assert table["default_p_value"].notna().all()


def test_text_and_sample_tables_are_read_whole(folder, command, tmp_path) -> None:
    new = anndata.read_h5ad(folder / "new.h5ad")
    new.to_df().rename_axis("sample").T.to_csv(folder / "new.tsv", sep="\t")
    new.obs.rename_axis("sample").to_csv(folder / "obs.tsv", sep="\t")
    genes = folder / "genes.txt"
    genes.write_text("G7\nG9\n")
    options = ["--obs", folder / "obs.tsv", "--genes-of-interest", genes]
    both(command, folder, tmp_path, "new.tsv", 2, *options)


def test_what_does_not_belong_together_is_refused(folder, command, tmp_path) -> None:
    made = in_shards(command, folder, tmp_path, "new.h5ad", 3)
    run = ["merge", "--run", folder / "run"]

    def refused(*words: object) -> str:
        done = command(*words)
        assert done.returncode == 2, done.stderr
        assert done.stderr.count("\n") == 1
        return done.stderr

    assert "of 3 shards 2 is missing" in refused(*run, made[0], made[2])
    twice = shutil.copytree(made[1], tmp_path / "twice")
    assert "shard 2/3 is there twice" in refused(*run, *made, twice)
    assert "is no shard" in refused(*run, folder / "run")
    cohort(3 * ROWS + 7, 9).write_h5ad(tmp_path / "new.h5ad")
    other = ["score", "--run", folder / "run", "--shard", "3/3", "--out", tmp_path / "other"]
    assert command(*other, tmp_path / "new.h5ad").returncode == 0
    assert "file sample of it differ" in refused(*run, *made[:2], tmp_path / "other")
    (made[0] / "shard.npz").write_bytes(b"damaged")
    assert "is not as it was written" in refused(*run, *made)
    score = ["score", "--run", folder / "run", folder / "new.h5ad", "--out", tmp_path / "x"]
    assert "from 1/16 to 16/16" in refused(*score, "--shard", "4/3")
    assert "at most 1/4" in refused(*score, "--shard", "1/9")
    assert "--shard writes a folder" in refused(*score, "--shard", "1/3", "--report", tmp_path)
    assert "exists" in refused(*score[:-1], made[1], "--shard", "2/3")


def test_shards_of_another_run_or_version_are_refused(
    folder, command, tmp_path, monkeypatch
) -> None:
    made = in_shards(command, folder, tmp_path, "new.h5ad", 2)
    from tybalt_like.run import shards

    with monkeypatch.context() as changed:
        changed.setattr(shards, "versions", lambda: {"tybalt-like": "9.9"})
        done = command("merge", "--run", folder / "run", *made)
    assert done.returncode == 2
    assert "scored by other versions: " in done.stderr
    with monkeypatch.context() as changed:
        changed.setattr(shards, "identity", lambda _: "another")
        done = command("merge", "--run", folder / "run", *made)
    assert done.returncode == 2
    assert "scored by another run than" in done.stderr


def test_a_row_is_normalised_alike_alone_and_among_others() -> None:
    """Shards hold other rows than the whole; numpy sums along rows in an order of its own."""
    rng = np.random.default_rng(0)
    x = rng.lognormal(3, 2, size=(40, 333)).astype(np.float32)
    adata = anndata.AnnData(x, var=pd.DataFrame(index=[f"G{i}" for i in range(333)]))
    for settings in (
        Normalisation(units="linear", library="cpm", scale="zscore", n_genes=100),
        Normalisation(units="linear", library="tmm", quantile=True, scale="zero_one"),
    ):
        fitted = Normaliser.fit(adata, settings, train=np.arange(40))
        whole = fitted.unscaled(adata)
        for rows in (slice(0, 2), slice(3, 10), slice(38, 40)):
            np.testing.assert_array_equal(fitted.unscaled(adata[rows].copy()), whole[rows])


@pytest.mark.parametrize("n", [1, 2, ROWS, ROWS + 1, ROWS + 2, 3 * ROWS + 1])
def test_blocks_hold_every_row_once_and_never_one_alone(n) -> None:
    rows = [list(range(n))[block] for block in blocks(n)]
    assert list(chain(*rows)) == list(range(n))
    assert n == 1 or min(map(len, rows)) > 1
