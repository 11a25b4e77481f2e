"""Run folders of earlier versions are still read, and score as they did."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from tybalt_like import Run, read, report
from tybalt_like.core.errors import RunError
from tybalt_like.explain import Explain
from tybalt_like.run import compare, verify
from tybalt_like.run.explain import explain_run

GOLDEN = sorted((Path(__file__).parents[1] / "golden").glob("schema_*"))
WHOLE = sorted((Path(__file__).parents[1] / "golden").glob("whole_*"))


@pytest.mark.parametrize("folder", [*GOLDEN, *WHOLE], ids=lambda folder: folder.name)
def test_golden_run_scores_as_it_did(folder: Path) -> None:
    scores = Run.load(folder / "run" if folder in WHOLE else folder).score(read(folder / "new.tsv"))
    expected = pd.read_csv(folder / "scores.tsv", sep="\t", index_col=0)
    pd.testing.assert_frame_equal(scores, expected, rtol=1e-5, check_index_type=False)


@pytest.mark.slow
@pytest.mark.parametrize("folder", WHOLE, ids=lambda folder: folder.name)
def test_golden_run_is_verified_compared_explained_and_drawn(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tybalt_like.run.about.__version__", "99")  # what was released is older
    run, other = tmp_path / "run", tmp_path / "other"
    for copy in (run, other):
        shutil.copytree(folder / "run", copy)
    verified = verify.verify(run, data=[folder], device="cpu")
    assert "now 99" in verified.elsewhere[0]
    assert verified.differs is None
    assert "scores.tsv" in verified.compared
    compare.compare([run, other], tmp_path / "both")
    pairs = pd.read_csv(tmp_path / "both" / "scores.tsv", sep="\t")
    assert pairs["spearman"].max() == pytest.approx(1)
    explain_run(run, Explain(), seeds=0, device="cpu")
    assert (run / report.PAGE).exists()
    assert (run / "figures" / "latent_heatmap.png").exists()


@pytest.mark.parametrize("opened", [Run.load, report.build, verify.verify])
def test_runs_of_earlier_releases_name_the_version_that_opens_them(tmp_path: Path, opened) -> None:
    shutil.copy(GOLDEN[0].parent / "refused" / "schema_3.json", tmp_path / "run.json")
    with pytest.raises(RunError, match=r"schema 3.*install tybalt_like 0\.2\.0") as refused:
        opened(tmp_path)
    assert "\n" not in str(refused.value)


def test_a_newer_run_is_refused_in_one_sentence(tmp_path: Path) -> None:
    newer = tmp_path / "newer"
    shutil.copytree(GOLDEN[-1], newer)
    about = json.loads((newer / "run.json").read_text())
    about |= {"schema": 99, "versions": about["versions"] | {"tybalt-like": "9.8.7"}}
    (newer / "run.json").write_text(json.dumps(about))
    for opened in (Run.load, report.build):
        with pytest.raises(RunError, match=r"schema 99.*9.8.7"):
            opened(newer)
