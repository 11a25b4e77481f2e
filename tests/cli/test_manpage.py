"""The man page has every command and option, and is sound."""

import os
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "docs" / "manpage.py"


@pytest.fixture(scope="module")
def page() -> str:
    os.environ["SOURCE_DATE_EPOCH"] = "0"
    try:
        return runpy.run_path(str(SCRIPT))["page"]()
    finally:
        del os.environ["SOURCE_DATE_EPOCH"]


def test_every_command_and_option_is_there(page) -> None:
    assert page.startswith(".TH TYBALT\\-LIKE 1 1970-01-01 ")
    for heading in ("run [OPTIONS]", "data fetch [OPTIONS]", "push [OPTIONS]", "normalize"):
        assert f'\n.SS "{heading}' in page
    for option in ("\\-\\-genes\\-of\\-interest", "\\-\\-with\\-profiles", "\\-\\-version"):
        assert option in page


def test_it_is_sound(page, tmp_path) -> None:
    if shutil.which("mandoc") is None:
        pytest.skip("no mandoc: apt-get install mandoc")
    (tmp_path / "tybalt-like.1").write_text(page)
    command = ["mandoc", "-T", "lint", "-W", "style", str(tmp_path / "tybalt-like.1")]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.stdout + said.stderr == ""
