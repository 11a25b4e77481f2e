"""Damaged files of every format end in a matrix or in one sentence; ``make fuzz`` tries more."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_damage_ends_in_a_matrix_or_a_sentence(tmp_path: Path) -> None:
    faults = tmp_path / "faults.tsv"
    words = [sys.executable, Path(__file__).parent, "--each", "40", "--faults", faults]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, faults.read_text() if faults.exists() else done.stderr
