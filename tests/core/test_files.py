"""What is written is whole or not there, and nothing that is not ours is ever replaced."""

import errno
import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tybalt_like.core import errors, files, folders, marker
from tybalt_like.io import datasets

pytestmark = pytest.mark.usefixtures("module_without_figures")
COMMAND = [sys.executable, "-m", "tybalt_like"]
TINY = ["--set", "model.name=pca", "--set", "model.latent_dim=4", "--set", "normalize.n_genes=60"]
TINY += ["--set", "evaluation.baselines=[]", "--set", "pictures.maps=[]"]


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("input") / "expression.tsv"
    datasets.load("tcga_brca")[:60, :80].to_df().T.to_csv(path, sep="\t")
    return path


def write(out: Path, *, text: str = "new", **how: object) -> None:
    with folders.whole_folder(out, kind="run", settings={"text": text}, **how) as work:
        (work / "result").write_text(text)


def refused(out: Path, **how: object) -> str:
    with pytest.raises(errors.TybaltLikeError) as caught:
        write(out, **how)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_a_folder_of_ours_is_replaced(tmp_path: Path) -> None:
    write(tmp_path / "mine", text="old")
    assert "--overwrite" in refused(tmp_path / "mine")
    write(tmp_path / "mine", overwrite=True)
    assert (tmp_path / "mine" / "result").read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine"]


def test_a_foreign_folder_is_not(tmp_path: Path) -> None:
    out = tmp_path / "project"
    out.mkdir()
    (out / "thesis.txt").write_text("four years")
    assert "no mark" in refused(out, overwrite=True)
    assert (out / "thesis.txt").read_text() == "four years"


def test_nor_is_one_of_ours_that_holds_something_else(tmp_path: Path) -> None:
    out = tmp_path / "mine"
    write(out)
    (out / "figures").mkdir()
    (out / "figures" / "thesis.txt").write_text("four years")
    assert "figures/thesis.txt" in refused(out, overwrite=True)
    assert (out / "figures" / "thesis.txt").exists()


def test_nor_one_that_holds_an_input(tmp_path: Path) -> None:
    out = tmp_path / "mine"
    write(out)
    assert "which is read" in refused(out, overwrite=True, inputs=[out / "result"])
    assert (out / "result").read_text() == "new"


def test_inputs_and_the_thesis_survive_the_command(tmp_path: Path, matrix: Path, command) -> None:
    project = tmp_path / "proj"
    project.mkdir()
    (project / "thesis.txt").write_text("four years")
    (project / "m.tsv").write_bytes(matrix.read_bytes())
    for where in (project, "."):
        done = command(
            *("run", "--data", project / "m.tsv", "-o", where, "--overwrite", *TINY), cwd=project
        )
        assert done.returncode == 2, done.stderr
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1
        assert sorted(path.name for path in project.iterdir()) == ["m.tsv", "thesis.txt"]


def test_files_and_links_are_not_folders(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there")
    assert "is a file" in refused(tmp_path / "file", overwrite=True)
    assert "is a link" in refused(tmp_path / "link", overwrite=True)
    assert (tmp_path / "link").is_symlink()


def broken(out: Path, error: type[BaseException], *, checkpoint: bool, **settings: int) -> None:
    with folders.whole_folder(out, kind="run", settings=settings) as work:
        if checkpoint:
            (work / folders.CHECKPOINT).write_text("state")
        raise error


def test_an_error_keeps_what_can_be_resumed(tmp_path: Path) -> None:
    out = tmp_path / "mine"
    with pytest.raises(ZeroDivisionError) as caught:
        broken(out, ZeroDivisionError, checkpoint=True)
    assert "--resume" in errors.notes_of(caught.value)[0]
    assert "--resume" in refused(out)
    with folders.whole_folder(out, kind="run", settings={}, resume=True) as work:
        assert (work / folders.CHECKPOINT).read_text() == "state"
        (work / folders.JOBS).mkdir()
        (work / folders.JOBS / ".fold.npz.123.partial").touch()  # of a process that was killed
        (work / folders.JOBS / "fold.npz").touch()
    assert not (out / folders.CHECKPOINT).exists()
    assert [path.name for path in (out / folders.JOBS).iterdir()] == ["fold.npz"]


def test_an_error_before_that_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        broken(tmp_path / "mine", ZeroDivisionError, checkpoint=False)
    assert not list(tmp_path.iterdir())


def test_what_is_refused_leaves_no_parents_either(tmp_path: Path, command) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(ZeroDivisionError):
        broken(tmp_path / "mine" / "a" / "b" / "run", ZeroDivisionError, checkpoint=False)
    assert [path.name for path in tmp_path.rglob("*")] == ["mine"]  # that was there before
    recipe = tmp_path / "r.toml"
    for table in ("", "[sweep.space]\nseed = [1, 2]", "[compression]\nk = [2]\nmodels.pca = {}"):
        data = 'data.path = "nowhere.tsv"\npictures.maps = []\n'
        recipe.write_text(f'name = "r"\n{data}{table}')
        done = command("run", recipe, cwd=tmp_path / "mine")
        assert done.returncode == 2
        assert "nowhere.tsv" in done.stderr
        assert not list((tmp_path / "mine").iterdir())
    write(tmp_path / "a" / "b" / "run")
    assert (tmp_path / "a" / "b" / "run" / "result").exists()


def test_other_settings_are_not_resumed(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        broken(tmp_path / "mine", KeyboardInterrupt, checkpoint=True, seed=0)
    assert "other settings" in refused(tmp_path / "mine", resume=True)


def test_two_processes_do_not_write_one_folder(tmp_path: Path) -> None:
    out = tmp_path / "mine"
    code = (
        "from pathlib import Path; from tybalt_like.core import folders\n"
        f"with folders.whole_folder(Path({str(out)!r}), kind='run', settings={{}}) as work:\n"
        "    print('started', flush=True); input(); (work / 'result').write_text('first')\n"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as first:
        assert first.stdout.readline() == "started\n"
        for _ in range(2):
            assert f"another process (number {first.pid}) is" in refused(out, overwrite=True)
        first.communicate("\n")
        assert first.returncode == 0
    assert (out / "result").read_text() == "first"


@pytest.mark.parametrize("killed", ["before the renames", "between them", "after them"])
def test_a_replacement_that_was_killed_is_mended(tmp_path: Path, killed: str) -> None:
    out, work, old = (tmp_path / name for name in ("mine", "mine.partial", ".mine.replaced"))
    write(tmp_path / "new")
    write(out, text="old")
    if killed == "between them":
        out.rename(old)
    if killed == "after them":
        out.rename(old)
        (tmp_path / "new").rename(out)
    else:
        (tmp_path / "new").rename(work)
    assert "--overwrite" in refused(out)
    assert (out / "result").read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine"]


def explain(out: Path, text: str) -> None:
    with folders.whole_part(out, "explained") as work:
        (work / f"{text}.tsv").write_text(text)


class Killed(BaseException):
    """Nobody heeds it."""


@pytest.mark.parametrize("moment", range(6))
def test_a_part_whose_replacement_was_killed_leaves_a_sound_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    out, moments = tmp_path / "mine", itertools.count()
    write(out)
    explain(out, "old")

    def until_killed(step: Callable[..., object]) -> Callable[..., object]:
        def taken(*args: object, **how: object) -> object:
            if next(moments) == moment:
                raise Killed
            return step(*args, **how)

        return taken

    with monkeypatch.context() as changed:
        for of, step in ((Path, "rename"), (Path, "replace"), (shutil, "rmtree")):
            changed.setattr(of, step, until_killed(getattr(of, step)))
        with pytest.raises(Killed):
            explain(out, "new")
    marker.check_intact(out, marker.written_files(out))
    shutil.copytree(out, tmp_path / "other")
    write(tmp_path / "other", overwrite=True)
    explain(out, "newest")
    assert marker.written_files(out) == ["explained/newest.tsv", "result"]
    left = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert left == {marker.MARKER, "explained/newest.tsv", "result"}


def test_what_a_killed_process_was_writing_does_not_count_as_somebody_elses(tmp_path: Path) -> None:
    out = tmp_path / "mine"
    write(out)
    (out / ".result.123.partial").touch()
    (out / ".thesis.123.partial").touch()
    assert ".thesis.123.partial" in refused(out, overwrite=True)
    (out / ".thesis.123.partial").unlink()
    write(out, overwrite=True)


def test_a_growing_folder_is_entered_by_its_kind_only(tmp_path: Path) -> None:
    for _ in range(2):
        folders.growing_folder(tmp_path / "s", kind="sweep", owns=["jobs/", "trials.tsv"])
    with pytest.raises(errors.RunError, match="holds a sweep"):
        folders.growing_folder(tmp_path / "s", kind="compression", owns=["jobs/"])
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("four years")
    with pytest.raises(errors.RunError, match="other files"):
        folders.growing_folder(tmp_path / "other", kind="sweep", owns=["jobs/"])


@pytest.fixture
def mounted(tmp_path: Path):
    """A small file system of its own: mount it full or read-only."""
    place = tmp_path / "disk"
    place.mkdir()
    options = "size=200k"
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], check=False, timeout=20
    )
    if made.returncode:
        pytest.skip("a file system can only be mounted by root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.slow
def test_a_full_disk_is_one_sentence_and_keeps_the_training(
    mounted: Path, matrix: Path, command
) -> None:
    how = [
        "--set",
        "model.name=tybalt",
        "--set",
        "training.epochs=2",
        "--set",
        "model.latent_dim=2",
    ]
    out = mounted / "run"
    run = ["run", "--data", matrix, "-o", out, "--quiet", *TINY, *how]
    done = command(*run)
    assert done.returncode == 1, done.stderr
    first, resume = done.stderr.strip().split("\n")
    assert "disk is full" in first
    assert "--resume" in resume
    assert not out.exists()
    subprocess.run(["mount", "-o", "remount,size=50m", str(mounted)], check=True)
    done = command(*run, "--resume")
    assert done.returncode == 0, done.stderr
    assert (out / "report.html").exists()


@pytest.mark.slow
def test_a_disk_that_is_full_at_any_stage_is_one_sentence(
    mounted: Path, tmp_path: Path, matrix: Path, command
) -> None:
    run = ["run", "--data", matrix, "--quiet", *TINY, "--set", "evaluation.seeds=0"]
    assert command(*run, "-o", tmp_path / "whole").returncode == 0
    sizes = [path.stat().st_size for path in (tmp_path / "whole").rglob("*") if path.is_file()]
    pages = sum(-(-size // 4096) for size in sizes)
    for share in (0, 0.05, 0.2, 0.4, 0.6, 0.8, 0.97):
        size = 1 + int(share * pages)
        subprocess.run(["mount", "-o", f"remount,size={4 * size}k", str(mounted)], check=True)
        done = command(*run, "-o", mounted / "run")
        assert done.returncode == 1, share
        assert "disk is full" in done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
        assert not list(mounted.iterdir()), share


def test_a_read_only_place_is_one_sentence_before_the_work(
    mounted: Path, matrix: Path, command
) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(mounted)], check=True)
    for arguments in (
        ["run", "--data", matrix, "-o", mounted / "run", *TINY],
        ["normalize", matrix, "-o", mounted / "normal.h5ad"],
    ):
        done = command(*arguments)
        assert done.returncode == 2
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1
        assert "Read-only" in done.stderr


def test_tables_and_matrices_do_not_replace_what_is_there(
    tmp_path: Path, matrix: Path, command
) -> None:
    out = tmp_path / "normal.h5ad"
    assert command("normalize", matrix, "-o", out, "--quiet").returncode == 0
    before = out.stat().st_mtime_ns
    done = command("normalize", matrix, "-o", out, "--quiet")
    assert done.returncode == 2
    assert "would be lost" in done.stderr
    assert out.stat().st_mtime_ns == before
    assert command("normalize", matrix, "-o", out, "--quiet", "--overwrite").returncode == 0
    assert out.stat().st_mtime_ns > before
    foreign = tmp_path / "clinical.h5ad"
    foreign.write_text("a table")
    done = command("normalize", matrix, "-o", foreign, "--quiet", "--overwrite")
    assert done.returncode == 2
    assert foreign.read_text() == "a table"
    assert command("normalize", matrix, "-o", tmp_path / "no" / "x.h5ad").returncode == 2


@pytest.mark.slow
def test_maps_that_cannot_be_made_are_known_before_training(tmp_path: Path, matrix: Path) -> None:
    (tmp_path / "umap.py").write_text("raise RuntimeError('cannot cache function')")
    with_maps = ["--set", "pictures.maps=['umap']"]
    done = subprocess.run(
        [*COMMAND, "run", "--data", matrix, "-o", tmp_path / "run", *TINY, *with_maps],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        },
    )
    assert done.returncode == 2
    assert "\nerror: umap maps cannot be made here (cannot cache function)" in f"\n{done.stderr}"
    assert "Training" not in done.stderr
    assert not (tmp_path / "run.partial").exists()


@pytest.mark.slow
def test_one_thread_stays_one_thread(tmp_path: Path, matrix: Path, command) -> None:
    how = ["--threads", "1", "--quiet", "--set", "pictures.maps=['umap']"]
    done = command("run", "--data", matrix, "-o", tmp_path / "run", *TINY, *how)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "run" / "run.json").read_text())["threads"] == 1


@pytest.mark.slow
def test_a_column_that_h5ad_reserves_is_renamed(tmp_path: Path, matrix: Path, command) -> None:
    samples = pd.read_csv(matrix, sep="\t", index_col=0, nrows=1).columns
    table = pd.DataFrame({"_index": range(len(samples)), "index": "x"}, index=samples)
    table.to_csv(tmp_path / "obs.tsv", sep="\t")
    out = tmp_path / "run"
    given = ["--data", matrix, "--obs", tmp_path / "obs.tsv", "-o", out, "--quiet", *TINY]
    done = command("run", *given)
    assert done.returncode == 0, done.stderr
    reading = json.loads((out / "run.json").read_text())["reading"]
    assert any("'index_'" in note for note in reading["notes"])
    assert {"index", "index_"} <= set(pd.read_csv(out / "latent.tsv.gz", sep="\t", nrows=1))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
def test_errors_of_writing_become_sentences(tmp_path: Path, number: int) -> None:
    path = tmp_path / "table.tsv"
    with pytest.raises(errors.WriteError) as caught, files.whole_file(path):
        raise OSError(number, os.strerror(number), str(path))
    assert caught.value.exit_code == (1 if number == errno.ENOSPC else 2)
    assert not list(tmp_path.iterdir())
