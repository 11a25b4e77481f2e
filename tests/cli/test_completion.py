"""What Tab offers: as commands know it, and in bash itself."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tybalt_like.cli import completion
from tybalt_like.io import datasets
from tybalt_like.models import Model

BASH = """
eval "$(tybalt-like --show-completion)"
COMP_WORDS=(tybalt-like {words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_tybalt_like_completion tybalt-like
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def test_names_are_those_that_commands_know() -> None:
    assert completion.models("") == sorted(Model.registry)
    assert completion.datasets("") == sorted(datasets.registry())
    assert completion.models("ppca") == ["ppca_vae"]


def test_folders_of_runs_and_recipes_are_offered(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("reports/runs/mine", "mine[1]", "other"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "run.json").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "mine.toml").touch()
    assert completion.runs("") == ["mine[1]", "other", "reports/runs/mine"]
    assert completion.runs("mine[") == ["mine[1]"]
    assert completion.runs(f"{tmp_path}/o") == [f"{tmp_path}/other"]
    assert completion.recipes("mi") == ["mine.toml"]
    assert completion.recipes("tybalt_b") == ["tybalt_brca"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize(
    ("words", "offered"),
    [("veri", ["verify"]), ("run tybalt_b", ["tybalt_brca"]), ("recipe --ex", ["--explain"])],
)
def test_in_bash(words, offered, tmp_path, monkeypatch) -> None:
    command = tmp_path / "tybalt-like"
    start = "import sys; sys.argv[0] = 'tybalt-like'; from tybalt_like.cli import main; main()"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{start}" "$@"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    script = tmp_path / "script.bash"
    script.write_text(BASH.format(words=words))
    done = subprocess.run(
        ["bash", str(script)], capture_output=True, text=True, check=True, cwd=Path(__file__).parent
    )
    assert done.stdout.split() == offered, done.stderr
