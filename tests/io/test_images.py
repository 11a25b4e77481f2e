"""Images: IDX, npz and folders give the same rows of pixels, or one clear sentence."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

import tybalt_like as ty
from tybalt_like import pp
from tybalt_like.core.errors import DataError
from tybalt_like.core.provenance import image_shape
from tybalt_like.io import datasets

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
FUZZ = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def pixel_arrays(draw):
    n, side = draw(st.integers(1, 5)), draw(st.integers(2, 6))
    return draw(arrays(np.uint8, (n, side, side)))


def idx(array: np.ndarray) -> bytes:
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


def digits(n: int = 4, side: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, side, side), dtype=np.uint8)


@FUZZ
@given(pixels=pixel_arrays(), packed=st.booleans(), labelled=st.booleans())
def test_idx_gives_back_every_pixel_and_label(tmp_path_factory, pixels, packed, labelled) -> None:
    folder = tmp_path_factory.mktemp("idx")
    pack, end = (gzip.compress, ".gz") if packed else (bytes, "")
    (folder / (IMAGES + end)).write_bytes(pack(idx(pixels)))
    label_n = np.arange(len(pixels)) % 10
    if labelled:
        (folder / LABELS).write_bytes(idx(label_n))
    adata = ty.read(folder / (IMAGES + end))
    assert image_shape(adata) == (1, *pixels.shape[1:])
    np.testing.assert_array_equal(np.rint(adata.X * 255), pixels.reshape(len(pixels), -1))
    assert set(adata.obs["part"]) == {"train"}
    if labelled:
        assert list(adata.obs["label"]) == [str(label) for label in label_n]
    else:
        assert "label" not in adata.obs


@FUZZ
@given(cut=st.integers(1, 180), extra=st.binary(max_size=3))
def test_idx_of_another_length_is_refused(tmp_path_factory, cut, extra) -> None:
    file = tmp_path_factory.mktemp("idx") / "images-idx3"
    whole = idx(digits(5))
    file.write_bytes(whole[:-cut] if not extra else whole + extra)
    with pytest.raises(DataError) as refusal:
        ty.read(file)
    assert str(file) in str(refusal.value)


@FUZZ
@given(content=st.binary(min_size=0, max_size=40))
def test_any_bytes_after_an_idx_magic_are_read_or_refused(tmp_path_factory, content) -> None:
    file = tmp_path_factory.mktemp("idx") / "images-idx3"
    file.write_bytes(b"\0\0\x08" + content)
    try:
        adata = ty.read(file)
    except DataError:
        return
    assert 4 + 12 + adata.X.size == 3 + len(content)


def test_idx_of_other_kinds_is_named(tmp_path: Path) -> None:
    (tmp_path / LABELS).write_bytes(idx(np.arange(4)))
    with pytest.raises(DataError, match="holds labels, not images"):
        ty.read(tmp_path / LABELS)
    (tmp_path / "float").write_bytes(b"\0\0\x0d\x03" + bytes(20))
    with pytest.raises(DataError, match="IDX of float numbers"):
        ty.read(tmp_path / "float")
    (tmp_path / "wide").write_bytes(idx(digits()[:, :4]))
    with pytest.raises(DataError, match="4 x 6 pixels are not square"):
        ty.read(tmp_path / "wide")
    (tmp_path / IMAGES).write_bytes(idx(digits(5)))
    with pytest.raises(DataError, match="4 labels for the 5 images"):
        ty.read(tmp_path / IMAGES)


def test_a_folder_of_idx_files_is_training_and_test(tmp_path: Path) -> None:
    (tmp_path / IMAGES).write_bytes(idx(digits(5)))
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx(digits(3, seed=1)))
    adata = ty.read(tmp_path)
    assert list(adata.obs["part"]) == ["train"] * 5 + ["test"] * 3
    assert adata.obs_names[5] == "test_0"
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx(digits(3, 8)))
    with pytest.raises(DataError, match="different sizes: 6 x 6 and 8 x 8"):
        ty.read(tmp_path)


def medmnist(**changes: np.ndarray) -> dict[str, np.ndarray]:
    colour = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
    arrays = {"train_images": colour[:3], "val_images": colour[3:4], "test_images": colour[4:]}
    arrays |= {"train_labels": np.array([[0], [1], [1]]), "val_labels": np.array([[1]])}
    return arrays | {"test_labels": np.array([[0], [2]])} | changes


def test_npz_of_medmnist_and_of_keras(tmp_path: Path) -> None:
    file = tmp_path / "bloodmnist.npz"
    np.savez_compressed(file, **medmnist())
    adata = ty.read(file)
    assert image_shape(adata) == (3, 8, 8)
    assert list(adata.obs["label"]) == list("011102")
    assert list(adata.obs["part"]) == ["train"] * 3 + ["validation"] + ["test"] * 2
    first = medmnist()["train_images"][0]
    assert adata.obs_names[0] == "train_0"
    np.testing.assert_array_equal(adata.X[0].reshape(3, 8, 8)[2], first[..., 2] / np.float32(255))
    assert adata.var_names[-1] == "blue_7_7"
    several = np.array([[0, 1, 1], [0, 0, 0], [1, 0, 0]])
    np.savez(file, x_train=digits(3), y_train=several)
    assert list(ty.read(file).obs["label"]) == ["1+2", "none", "0"]


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"images": digits()}, r"none of its arrays \(images\)"),
        (medmnist(train_labels=np.array([1])), "3 train images, but 1 labels"),
        (medmnist(test_images=np.zeros((2, 9, 9, 3), np.uint8)), "images of different sizes"),
        ({"train_images": digits() / 255}, "pixels are float64"),
        ({"train_images": digits()[0]}, "an array of 6 x 6 holds no images"),
        ({"train_images": np.array([object()])}, "cannot be read as npz images"),
        ({"train_images": digits(0)}, "there are no images"),
    ],
)
def test_bad_npz_is_one_sentence(tmp_path: Path, arrays, said: str) -> None:
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(DataError, match=said):
        ty.read(tmp_path / "bad.npz")


def test_a_truncated_npz_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "cut.npz", **medmnist())
    whole = (tmp_path / "cut.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="damaged or ends early"):
        ty.read(tmp_path / "cut.npz")


def write(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def test_a_folder_of_images_with_classes_or_a_table(tmp_path: Path) -> None:
    classes, plain = tmp_path / "classes", tmp_path / "plain"
    for i, array in enumerate(digits(4, 8)):
        write(classes / ("cat" if i < 2 else "dog") / f"{i}.png", array)
        write(plain / f"{i}.png", array)
    adata = ty.read(classes)
    assert list(adata.obs["label"]) == ["cat", "cat", "dog", "dog"]
    assert adata.obs_names[0] == "cat/0.png"
    np.testing.assert_array_equal(np.rint(adata.X * 255), digits(4, 8).reshape(4, -1))
    table = pd.DataFrame({"file": [f"{i}.png" for i in range(4)], "label": list("abba")})
    assert list(ty.read(plain, obs=table).obs["label"]) == list("abba")
    write(plain / "4.jpg", np.full((8, 8, 3), [255, 0, 0], np.uint8))  # one is RGB: all are
    assert image_shape(ty.read(plain)) == (3, 8, 8)
    write(plain / "5.png", digits(1, 10)[0, :, :5])
    with pytest.raises(DataError, match=r"5\.png: 10 x 5 pixels where 0\.png has 8 x 8"):
        ty.read(plain)
    assert image_shape(ty.read(plain, image_size=16)) == (3, 16, 16)


def test_bad_folders_are_one_sentence(tmp_path: Path) -> None:
    write(tmp_path / "a" / "0.png", digits()[0])
    (tmp_path / "b").mkdir()
    with pytest.raises(DataError, match="class 'b' has no images"):
        ty.read(tmp_path)
    (tmp_path / "b" / "1.png").write_text("not an image")
    with pytest.raises(DataError, match="this is not an image"):
        ty.read(tmp_path)
    (tmp_path / "b" / "1.png").write_bytes((tmp_path / "a" / "0.png").read_bytes()[:60])
    with pytest.raises(DataError, match=r"1\.png: .*(damaged|not an image)"):
        ty.read(tmp_path)
    (tmp_path / "b" / "1.png").unlink()
    write(tmp_path / "b" / "1.png", digits()[0].astype(np.uint16) * 200)
    with pytest.raises(DataError, match="more than 8 bits per pixel"):
        ty.read(tmp_path)
    with pytest.raises(DataError, match="only such are resized"):
        ty.read(tmp_path / "b" / "1.png", image_size=8)


def test_the_shipped_digits_are_what_their_card_says() -> None:
    adata = datasets.load("mnist_test")
    assert adata.shape == (10_000, 784)
    assert (adata.X.min(), adata.X.max()) == (0, 1)
    card = (datasets.path("mnist_test").parent / "README.md").read_text()
    counts = adata.obs["label"].value_counts().sort_index()
    assert f"0 to 9: {', '.join(map(str, counts))}" in card
    files = datasets.DATA / "mnist"
    assert sum(f.stat().st_size for f in files.glob("*.gz")) < 2_000_000


@pytest.mark.slow
def test_the_official_division_and_the_names_of_garments(shared_data: Path, monkeypatch) -> None:
    monkeypatch.setenv("TYBALT_LIKE_DATA", str(shared_data))
    for name in ("mnist", "fashion_mnist"):
        if not (shared_data / name).is_dir():
            pytest.skip(f"no {name} in {shared_data}")
    adata = datasets.load("mnist")
    assert adata.obs["part"].value_counts().to_dict() == {"train": 60_000, "test": 10_000}
    np.testing.assert_array_equal(adata.X[60_000:], datasets.load("mnist_test").X)
    pp.split(adata, label="label", by="part", train=0.9, calibration=0.05)
    assert (adata.obs["tybalt_split"] == "test").equals(adata.obs["part"] == "test")
    assert abs((adata.obs["tybalt_split"] == "calibration").sum() - 60_000 * 0.05 / 0.95) < 20
    assert set(datasets.load("fashion_mnist").obs["label"]) >= {"bag", "ankle boot"}
