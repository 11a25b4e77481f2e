"""A run to mail: one zip, the same every time, whose page has no dead links."""

import re
import shutil
from pathlib import Path
from zipfile import ZipFile

import pytest

from tybalt_like import report
from tybalt_like.core.errors import RunError
from tybalt_like.core.marker import add_to_marker, check_intact, written_files
from tybalt_like.run.bundle import bundle


@pytest.fixture(scope="module")
def whole(run_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A marked folder with a matrix."""
    folder = tmp_path_factory.mktemp("whole") / "mine"
    shutil.copytree(run_dir, folder)
    (folder / "adata.h5ad").write_bytes(b"\x89HDF")
    files = [path for path in folder.rglob("*") if path.is_file()]
    add_to_marker(folder, [path.relative_to(folder).as_posix() for path in files])
    report.build(folder)
    return folder


@pytest.fixture
def finished(whole: Path, tmp_path: Path) -> Path:
    """The same with a file of somebody else's."""
    folder = tmp_path / "mine"
    shutil.copytree(whole, folder)
    (folder / "thesis.txt").write_text("four years")
    return folder


def links(page: Path) -> set[str]:
    return set(re.findall(r'href="(?!data:)([^#"][^"]*)"', page.read_text()))


def test_files_named_on_the_page_are_links_in_the_bundle(finished: Path, tmp_path: Path) -> None:
    assert links(finished / "report.html") == set()
    found = bundle(finished)
    assert found.path == tmp_path / "mine.zip"
    ZipFile(found.path).extractall(tmp_path / "there")
    there = tmp_path / "there" / "mine"
    linked = links(there / "report.html")
    assert linked >= {"scores.tsv", "gene_scores.tsv.gz", "run.json", "figures/metrics.svg"}
    assert all((there / name).is_file() for name in linked)
    assert '<code class="file">adata.h5ad</code>' in (there / "report.html").read_text()
    assert not (there / "adata.h5ad").exists()
    assert not (there / "thesis.txt").exists()
    held = [path for path in there.rglob("*") if path.is_file()]
    assert sum(found.held.values()) == sum(
        (finished / p.relative_to(there)).stat().st_size for p in held
    )
    assert found.left_out == {"model and matrix": 4}


def test_everything_is_a_whole_folder(finished: Path, tmp_path: Path) -> None:
    ZipFile(bundle(finished, everything=True).path).extractall(tmp_path / "there")
    there = tmp_path / "there" / "mine"
    assert "adata.h5ad" in links(there / "report.html")
    assert written_files(there) == written_files(finished)
    check_intact(there, set(written_files(there)) - {"report.html"})
    assert bundle(there).path == tmp_path / "there" / "mine.zip"


def test_the_same_run_gives_the_same_bytes(finished: Path, tmp_path: Path, command) -> None:
    first = bundle(finished, tmp_path / "a.zip").path.read_bytes()
    for path in finished.iterdir():
        path.touch()
    done = command("bundle", finished, "--out", tmp_path / "b.zip")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "b.zip").read_bytes() == first
    assert re.search(r"^holds: .*page \d", done.stdout, re.M)
    assert "names of all samples" in done.stderr
    again = command("bundle", finished, "--out", tmp_path / "b.zip")
    assert again.returncode == 2
    assert (tmp_path / "b.zip").read_bytes() == first


def test_what_is_damaged_or_no_run_is_not_mailed(finished: Path, tmp_path: Path) -> None:
    (finished / "scores.tsv").write_text("sample\n")
    with pytest.raises(RunError, match="checksum"):
        bundle(finished)
    with pytest.raises(RunError, match="not a whole run"):
        bundle(tmp_path)
    assert not list(tmp_path.glob("*.zip"))


@pytest.mark.slow
def test_the_page_of_a_bundle_in_a_browser(finished: Path, tmp_path: Path, opened) -> None:
    ZipFile(bundle(finished).path).extractall(tmp_path / "there")
    found = opened(tmp_path / "there" / "mine" / "report.html")
    found.check()
    assert found.page.locator('a[href="scores.tsv"]').first.is_visible()
