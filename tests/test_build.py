"""Whoever builds the same commit gets the same bytes."""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]


@pytest.mark.slow
def test_two_people_build_the_same_bytes(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="not of the development environment")
    if not (CHECKOUT / ".git").exists():
        pytest.skip("no checkout")
    archive = tmp_path / "source.tar"
    subprocess.run(["git", "archive", "HEAD", "--output", archive], cwd=CHECKOUT, check=True)
    built = []
    for who in ("one", "another"):
        place = tmp_path / who / "tybalt_like"
        with tarfile.open(archive) as packed:
            packed.extractall(place, filter="data")
        if who == "another":  # checked out later, by somebody whose files are nobody else's
            for path in place.rglob("*"):
                os.utime(path, (1e9, 1e9))
                path.chmod(path.stat().st_mode & 0o700)
        subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "--directory", tmp_path / who / "dist"],
            cwd=place,
            env=os.environ | {"SOURCE_DATE_EPOCH": "1750000000"},
            check=True,
        )
        files = (tmp_path / who / "dist").iterdir()
        built.append({path.name: path.read_bytes() for path in files})
    assert {name.rsplit(".", 1)[1] for name in built[0]} == {"whl", "gz"}
    assert built[0] == built[1]
