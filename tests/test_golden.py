"""Run folders of earlier versions are still read, and score as they did."""

from pathlib import Path

import pandas as pd
import pytest

from tybalt_like import Run, read

GOLDEN = sorted((Path(__file__).parent / "golden").glob("schema_*"))


@pytest.mark.parametrize("folder", GOLDEN, ids=lambda folder: folder.name)
def test_golden_run_scores_as_it_did(folder: Path) -> None:
    scores = Run.load(folder).score(read(folder / "new.tsv"))
    expected = pd.read_csv(folder / "scores.tsv", sep="\t", index_col=0)
    pd.testing.assert_frame_equal(scores, expected, rtol=1e-5, check_index_type=False)
