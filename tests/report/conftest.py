"""A run folder with its page, for the tests of this room."""

from pathlib import Path

import pytest
from made_runs import HOSTILE_LABEL, write_run

from tybalt_like import report


@pytest.fixture(scope="session")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    labels = [HOSTILE_LABEL] * 25 + [""] * 5 + ["001"] * 70
    folder = tmp_path_factory.mktemp("runs") / "full"
    write_run(folder, labels=labels, anomalies=[HOSTILE_LABEL])
    assert report.build(folder) == folder / "report.html"
    return folder
