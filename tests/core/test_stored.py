"""What this package saved is read back sound, or refused in one sentence."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import tybalt_like as ty
from tybalt_like import Run
from tybalt_like.anomaly import Norm
from tybalt_like.core.errors import DataError, RunError, TybaltLikeError
from tybalt_like.core.folders import whole_folder
from tybalt_like.core.marker import MARKER
from tybalt_like.core.stored import check_axes, read_json
from tybalt_like.models import Model
from tybalt_like.pp import Normaliser

GOLDEN = sorted((Path(__file__).parents[1] / "golden").glob("schema_*"))[-1]
DEFAULT = Path("scorers/default")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A folder that has no checksums, as earlier versions wrote it."""
    shutil.copytree(GOLDEN, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    with whole_folder(tmp_path / "sealed", kind="run", settings={}) as work:
        shutil.copytree(GOLDEN, work, dirs_exist_ok=True)
    return tmp_path / "sealed"


def changed(path: Path, **arrays: np.ndarray) -> None:
    """Other arrays in a safetensors file, whose description stays."""
    from safetensors import safe_open

    with safe_open(path, framework="np") as file:
        about = file.metadata()
    save_file(load_file(path) | arrays, path, about)


@pytest.mark.parametrize(
    "name",
    ["run.json", "norm.safetensors", DEFAULT / "domain.safetensors", DEFAULT / "normaliser.json"],
)
def test_a_single_bit_is_found(sealed: Path, name: str) -> None:
    Run.load(sealed)
    content = bytearray((sealed / name).read_bytes())
    content[len(content) // 2] ^= 1
    (sealed / name).write_bytes(content)
    with pytest.raises(RunError, match="is not as it was written"):
        Run.load(sealed)


def test_a_file_that_vanished_is_found(sealed: Path) -> None:
    (sealed / DEFAULT / "domain.safetensors").unlink()
    with pytest.raises(RunError, match=r"not whole: .*domain\.safetensors missing"):
        Run.load(sealed)


def test_a_damaged_marker_is_found(sealed: Path) -> None:
    (sealed / MARKER).write_text((sealed / MARKER).read_text()[:-9])
    with pytest.raises(RunError, match="is damaged"):
        Run.load(sealed)


def test_files_that_nobody_reads_may_change(sealed: Path) -> None:
    (sealed / "new.tsv").write_text("anything")
    Run.load(sealed)


BROKEN = ["[" * 100_000, '{"schema": ' + "9" * 5000 + "}", "[]", "", "{", "\udcff", "null"]


@pytest.mark.parametrize("text", BROKEN, ids=lambda text: text[:12])
def test_json_without_end_is_one_sentence(run: Path, text: str) -> None:
    path = run / "normaliser.json"
    path.write_text(text, errors="surrogateescape")
    for opened, name in ((Normaliser.load, path), (read_json, path), (Run.load, run)):
        with pytest.raises(DataError, match=r"normaliser\.json") as refusal:
            opened(name)
        assert len(str(refusal.value)) < 500
        assert "\n" not in str(refusal.value)
    path.rename(run / "run.json")
    with pytest.raises(TybaltLikeError, match=r"run\.json is damaged"):
        Run.load(run)


@pytest.mark.parametrize(
    ("file", "key", "value"),
    [
        ("norm.safetensors", "weight_g", np.full(40, np.nan)),
        ("norm.safetensors", "weight_g", np.ones(39)),
        ("norm.safetensors", "surplus_g", np.ones(40)),
        ("model.safetensors", "decoder.bias", np.full(40, np.inf, np.float32)),
        ("model.safetensors", "decoder.bias", np.zeros(41, np.float32)),
        (DEFAULT / "domain.safetensors", "axes_kg", np.zeros((10, 39), np.float32)),
        (DEFAULT / "detector.safetensors", "held_out", np.zeros((59, 5))),
        (DEFAULT / "detector.safetensors", "held_out", np.full((60, 5), np.nan)),
        (DEFAULT / "detector.safetensors", "combination.scale_v", np.ones(4)),
        (DEFAULT / "detector.safetensors", "view.top_genes.mean_g", np.zeros(39)),
        (DEFAULT / "detector.safetensors", "part.profiles.axes_ga", np.zeros((40, 3))),
        (DEFAULT / "detector.safetensors", "residuals.up.value_q", np.zeros(7)),
    ],
)
def test_arrays_that_do_not_fit_are_refused(run: Path, file, key, value) -> None:
    changed(run / file, **{key: value})
    with pytest.raises(DataError, match=r"is damaged|does not fit|is for 39 genes"):
        Run.load(run)


def test_files_of_different_runs_are_told_apart(run: Path) -> None:
    path = run / DEFAULT / "normaliser.json"
    state = json.loads(path.read_text())
    state["genes"], state["median_g"] = state["genes"][:39], state["median_g"][:39]
    state["scaler"] |= {k: v[:39] for k, v in state["scaler"].items() if k.endswith("_g")}
    path.write_text(json.dumps(state))
    assert len(Normaliser.load(path).genes) == 39
    with pytest.raises(DataError, match=r"domain\.safetensors does not fit: axes_kg is 10 x 40"):
        Run.load(run)


@pytest.mark.parametrize(
    ("key", "value"),
    [("genes", [1] * 40), ("median_g", [1e999] * 40), ("median_g", ["x"] * 40), ("scaler", 7)],
)
def test_a_normaliser_that_is_none_is_refused(run: Path, key, value) -> None:
    path = run / "normaliser.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(DataError, match=r"normaliser\.json is damaged"):
        Normaliser.load(path)


@pytest.mark.parametrize("size", [10**13, -1, "many"])
def test_a_model_larger_than_its_file_is_refused(run: Path, size) -> None:
    path = run / "model.safetensors"
    content = path.read_bytes()
    n = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + n])
    about = json.loads(header["__metadata__"]["about"])
    header["__metadata__"]["about"] = json.dumps(about | {"n_vars": size})
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + n :])
    with pytest.raises(DataError, match=r"model\.safetensors is damaged"):
        Model.load(path)


def test_scores_that_are_no_numbers_are_refused(run: Path) -> None:
    """Files that are sound one by one, and lead nowhere."""
    changed(run / "norm.safetensors", weight_g=np.full(40, -1.0), mean_g=np.full(40, 9e17))
    norm = Norm.load(run / "norm.safetensors")
    assert norm.weight_g.max() < 0
    changed(run / DEFAULT / "detector.safetensors", **{"combination.scale_v": np.zeros(5)})
    with np.errstate(all="ignore"), pytest.raises(RunError, match="is no number"):
        Run.load(run).score(ty.read(run / "new.tsv"))


def test_names_say_how_long_axes_are(tmp_path: Path) -> None:
    check_axes(
        {"w_kg": np.zeros((2, 3)), "mean_g": np.zeros(3), "n_learning": np.array(5)}, tmp_path
    )
    for name, shape in {"w_kg": (3, 2), "mean_g": (), "typical_kg": (2,)}.items():
        with pytest.raises(DataError, match=f"does not fit: {name}"):
            check_axes({"low_g": np.zeros(3), name: np.zeros(shape)}, tmp_path, k=2)
