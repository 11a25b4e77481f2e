"""Nothing that was named, or recorded about samples, leaves with an anonymous run."""

import base64
import gzip
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from made_runs import HOSTILE, HOSTILE_LABEL

from tybalt_like.core.errors import RunError
from tybalt_like.run.anonymous import anonymise


@pytest.fixture(scope="module")
def named(run_dir, tmp_path_factory) -> Path:
    """A run whose texts name samples, a column and a label."""
    folder = shutil.copytree(run_dir, tmp_path_factory.mktemp("named") / "run")
    latent = pd.read_csv(folder / "latent.tsv.gz", sep="\t", dtype={"sample": str, "kind": str})
    latent["sample"] = "Patient-" + latent["sample"]
    latent.insert(3, "hospital", "Charité")
    latent.to_csv(folder / "latent.tsv.gz", sep="\t", index=False)
    for path in [*folder.glob("*.tsv"), *folder.glob("*.tsv.gz")]:
        table = pd.read_csv(path, sep="\t", dtype=str)
        for column in {"sample", "reference", "same profile as"} & set(table):
            if path.name != "latent.tsv.gz":
                table[column] = "Patient-" + table[column]
        table.to_csv(path, sep="\t", index=False)
    about = json.loads((folder / "run.json").read_text())
    about["warnings"] = [
        "Patient-007 and Patient-008 are copies.",
        "hospital is a batch.",
        "Nothing is unusual in Charité.",
    ]
    (folder / "run.json").write_text(json.dumps(about))
    return folder


def texts(folder: Path) -> Iterator[tuple[str, str]]:
    """All that is written in a folder, also what is packed in its page."""
    for path in folder.rglob("*"):
        if path.suffix in (".gz", ".tsv", ".json", ".html", ".csv", ".svg", ".txt"):
            data = path.read_bytes()
            text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
            yield path.name, text
            for packed in re.findall(r'"application/gzip" id="[\w-]+">(.*?)</script>', text):
                yield path.name, gzip.decompress(base64.b64decode(packed)).decode("latin-1")


def test_no_name_column_or_label_is_left(named, tmp_path) -> None:
    page = anonymise(named, tmp_path / "anonymous")
    found = list(texts(page.parent))
    assert len(found) > 10
    for name, text in found:
        for word in ("Patient", "hospital", "Charit", HOSTILE, HOSTILE_LABEL):
            assert word not in text, f"{word} in {name}"
    text = page.read_text()
    assert re.search(r"S\d+ and S\d+ are copies", text)
    assert "15 of 30 tested samples" in text


def test_numbers_are_those_of_the_run(named, tmp_path) -> None:
    page = anonymise(named, tmp_path / "anonymous")
    scores, old = (pd.read_csv(folder / "scores.tsv", sep="\t") for folder in (page.parent, named))
    column = "default_combined"
    assert scores["sample"].tolist() == [f"S{i:03d}" for i in range(1, 101)]
    assert sorted(scores[column]) == pytest.approx(sorted(old[column]))
    assert (scores["role"] == "named as anomalous").sum() == 25
    flagged = scores[scores["default_flagged"]]
    assert flagged["sample"].tolist() == [f"S{i:03d}" for i in range(1, 16)]


def test_an_anonymous_run_cannot_take_the_place_of_another(named) -> None:
    with pytest.raises(RunError):
        anonymise(named, named, overwrite=True)
