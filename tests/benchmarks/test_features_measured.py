"""What is measured of features: rows, and what they must say of a cohort that is known."""

import features as measured
import pytest
from features import KNOWN, OWN, features, print_features

from tybalt_like.core.errors import DataError
from tybalt_like.run.progress import Progress


@pytest.mark.usefixtures("one_thread")
def test_features_are_measured_as_they_are_and_rotated(
    shared_data, tmp_path, monkeypatch, capsys
) -> None:
    monkeypatch.setenv("TYBALT_LIKE_DATA", str(shared_data))
    monkeypatch.setattr(measured, "ENCODERS", ("pca",))
    name = "geuvadis, 2,000 genes"
    file = tmp_path / "rows.tsv"
    rows = features(only=[name], seeds=2, file=file, progress=Progress(quiet=True))
    stamp = file.stat().st_mtime_ns
    again = features(only=[name], seeds=2, file=file, progress=Progress(quiet=True))
    assert file.stat().st_mtime_ns == stamp
    assert len(again) == len(rows)
    mean = rows.groupby(["axes", "metric", "column"])["value"].mean()
    assert mean["varimax", "auroc", "female"] > 0.9 > mean[OWN, "auroc", "female"]
    assert mean["varimax", "stable", ""] > mean[OWN, "stable", ""]
    assert mean["varimax", "rank", "sex"] < 20 < mean["varimax", "chance", "sex"]
    assert 0.5 < mean["varimax", "held", ""] <= 1
    print_features(rows)
    assert "pca, varimax" in capsys.readouterr().out
    with pytest.raises(DataError, match="unknown cohort 'nope'; known: geuvadis"):
        features(only=["nope"], seeds=1, file=None, progress=Progress(quiet=True))
    assert set(KNOWN[name].markers) == {"sex"}
