"""Runs that are handed on score as they did, and nothing is handed on unasked."""

import json
import shutil
import sys
from pathlib import Path
from unittest.mock import create_autospec

import pandas as pd
import pytest
import yaml
from huggingface_hub import HfApi

from tybalt_like.core.errors import RunError
from tybalt_like.core.files import checksum
from tybalt_like.core.marker import MARKER, add_to_marker
from tybalt_like.run import hub
from tybalt_like.run.share import profiles_in, pull, push

pytestmark = pytest.mark.usefixtures("module_without_figures")
GOLDEN = Path(__file__).parents[1] / "golden" / "schema_5"
NEW = GOLDEN / "new.tsv"


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A whole run, and a file of somebody else's in its folder."""
    folder = tmp_path / "mine"
    shutil.copytree(GOLDEN, folder)
    metrics = {"model": "default", "score": "combined", "anomaly": "b|ad", "auroc": 0.91}
    metrics |= {"auroc_low": 0.8, "auroc_high": 0.97}
    pd.DataFrame([metrics]).to_csv(folder / "metrics.tsv", sep="\t", index=False)
    files = [path for path in folder.rglob("*") if path.is_file()]
    add_to_marker(folder, [path.relative_to(folder).as_posix() for path in files])
    (folder / "thesis.txt").write_text("four years")
    return folder


def matter(folder: Path) -> dict:
    """The front matter of a card, as those who read YAML do."""
    _, text, _ = (folder / "README.md").read_text().split("---\n", 2)
    return yaml.safe_load(text)


def test_what_is_pulled_scores_as_the_original(finished, tmp_path, command) -> None:
    pushed, pulled = tmp_path / "pushed", tmp_path / "pulled"
    done = command("push", finished, pushed, "--with-profiles", "--licence", "cc0-1.0")
    assert done.returncode == 0, done.stderr
    assert "scorers/default/detector.safetensors" in done.stderr
    assert command("pull", pushed, pulled).returncode == 0
    scores = [command("score", "--run", run, NEW) for run in (finished, pulled)]
    assert scores[0].returncode == 0
    assert scores[0].stdout == scores[1].stdout
    held = {path.relative_to(pulled).as_posix() for path in pulled.rglob("*") if path.is_file()}
    known = json.loads((pulled / MARKER).read_text())["sha256"]
    assert held == {*known, MARKER}
    assert not {"thesis.txt"} & held
    assert all(checksum(pulled / name) == sha for name, sha in known.items())
    again = tmp_path / "again"
    push(pulled, str(again), licence="cc0-1.0", with_profiles=True)
    assert (again / "README.md").read_text() == (pushed / "README.md").read_text()


def test_the_card_is_one_of_hugging_face(finished, tmp_path) -> None:
    from huggingface_hub import ModelCard

    push(finished, str(tmp_path / "pushed"), licence="cc0-1.0", with_profiles=True)
    found = matter(tmp_path / "pushed")
    assert (found["license"], found["library_name"]) == ("cc0-1.0", "tybalt-like")
    assert {"gene-expression", "anomaly-detection", "tybalt"} <= set(found["tags"])
    card = ModelCard.load(tmp_path / "pushed" / "README.md")
    (measured,) = card.data.eval_results
    assert (measured.metric_type, measured.metric_value) == ("roc_auc", 0.91)
    assert "against b\\|ad | 0.910 | 0.800 to 0.970 |" in card.text
    assert "names of all samples" in card.text
    assert "`scorers/default/detector.safetensors`" in card.text


def test_profiles_go_only_if_they_may(finished, tmp_path, command) -> None:
    done = command("push", finished, tmp_path / "pushed")
    assert done.returncode == 2
    assert "--with-profiles" in done.stderr
    assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert profiles_in(finished, ["run.json", "model.safetensors"]) == []


def test_what_is_in_the_way_stays(finished, tmp_path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "thesis.txt").write_text("four years")
    with pytest.raises(RunError, match="exists"):
        push(finished, str(tmp_path / "theirs"), with_profiles=True)
    with pytest.raises(RunError, match="no mark"):
        push(finished, str(tmp_path / "theirs"), with_profiles=True, overwrite=True)
    push(finished, str(tmp_path / "pushed"), with_profiles=True)
    push(finished, str(tmp_path / "pushed"), with_profiles=True, overwrite=True)
    with pytest.raises(RunError, match="which is read"):
        push(finished, str(finished), with_profiles=True, overwrite=True)


def test_what_has_changed_on_the_way_is_not_pulled(finished, tmp_path) -> None:
    pushed = tmp_path / "pushed"
    push(finished, str(pushed), with_profiles=True)
    (pushed / "README.md").write_text("my own words")
    pull(str(pushed), tmp_path / "fine")
    with (pushed / "model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x7f")
    with pytest.raises(RunError, match=r"model.safetensors is not as it was pushed"):
        pull(str(pushed), tmp_path / "pulled")
    (pushed / "model.safetensors").unlink()
    with pytest.raises(RunError, match=r"model.safetensors is missing"):
        pull(str(pushed), tmp_path / "pulled")
    with pytest.raises(RunError, match="no run that was pushed"):
        pull(str(GOLDEN), tmp_path / "pulled")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fine", "mine", "pushed"]


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "a\\..\\b", "link", "C:x"])
def test_a_folder_that_names_files_outside_itself_is_refused(name, finished, tmp_path) -> None:
    pushed = tmp_path / "pushed"
    push(finished, str(pushed), with_profiles=True)
    (tmp_path / "secret").write_text("mine")
    (pushed / "link").symlink_to(tmp_path / "secret")
    marker = json.loads((pushed / MARKER).read_text())
    marker["sha256"][name] = checksum(tmp_path / "secret")
    (pushed / MARKER).write_text(json.dumps(marker))
    with pytest.raises(RunError, match="outside itself"):
        pull(str(pushed), tmp_path / "pulled")
    assert not (tmp_path / "pulled").exists()


@pytest.fixture
def remote(tmp_path, monkeypatch) -> Path:
    """A hub that is a folder, behind the very methods that the client has."""
    repository = tmp_path / "hub" / "me" / "model"
    api = create_autospec(HfApi, instance=True)

    def create_repo(_: str, *, private: bool, exist_ok: bool) -> None:
        assert private
        assert exist_ok
        repository.mkdir(parents=True, exist_ok=True)
        (repository / ".gitattributes").touch()

    def upload_folder(*, folder_path: Path, delete_patterns: str, **_: object) -> None:
        assert delete_patterns == "*"
        shutil.rmtree(repository)
        shutil.copytree(folder_path, repository)

    api.create_repo.side_effect = create_repo
    api.upload_folder.side_effect = upload_folder
    api.list_repo_files.side_effect = lambda _: [path.name for path in repository.iterdir()]
    api.snapshot_download.side_effect = lambda _, **how: shutil.copytree(
        repository, how["local_dir"], dirs_exist_ok=True
    )
    monkeypatch.setattr(hub, "_api", lambda: api)
    return repository


def test_through_the_hub(finished, remote, tmp_path, command) -> None:
    place = "hf://me/model"
    done = command("push", finished, place, "--with-profiles")
    assert (done.returncode, done.stdout) == (0, f"{place}\n"), done.stderr
    assert (remote / "README.md").is_file()
    assert command("push", finished, place, "--with-profiles").returncode == 2
    assert command("push", finished, place, "--with-profiles", "--overwrite").returncode == 0
    assert command("pull", f"{place}@main", tmp_path / "pulled").returncode == 0
    scores = [command("score", "--run", run, NEW).stdout for run in (finished, tmp_path / "pulled")]
    assert scores[0] == scores[1] != ""


def test_what_goes_wrong_on_the_way_is_one_sentence(finished, tmp_path, monkeypatch) -> None:
    with pytest.raises(RunError, match="hf://OWNER/NAME"):
        pull("hf://nobody", tmp_path / "pulled")
    api = create_autospec(HfApi, instance=True)
    api.snapshot_download.side_effect = ConnectionError("no route\nto host")
    api.create_repo.side_effect = ValueError("bad name")
    with monkeypatch.context() as changed:
        changed.setattr(hub, "_api", lambda: api)
        with pytest.raises(RunError, match=r"no route to host; check .* the network"):
            pull("hf://me/model", tmp_path / "pulled")
        with pytest.raises(RunError, match="bad name"):
            push(finished, "hf://me/model", with_profiles=True)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(RunError, match=r"pip install 'tybalt-like\[hub\]'"):
        pull("hf://me/model", tmp_path / "pulled")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
