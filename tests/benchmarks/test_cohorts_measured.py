"""Measurements over public cohorts: what rows hold, and that no measurement is made twice."""

import calibration as measured
import contaminated as hidden
import nonlinear as branches
import numpy as np
import pytest
from cohorts import of_tasks
from images import images
from split import print_split, split

from tybalt_like.benchmark import latent
from tybalt_like.benchmark.detectors import DEFAULT
from tybalt_like.benchmark.latent import ROTATED, summary
from tybalt_like.core.errors import DataError
from tybalt_like.evaluation.comparison import PROBES
from tybalt_like.io import datasets
from tybalt_like.run.progress import Progress


def test_encoders_are_measured_once_and_beside_pca(shared_data, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TYBALT_LIKE_DATA", str(shared_data))
    cohorts = list(of_tasks(["tissue_dslabs"], Progress(quiet=True)))
    chosen = {"encoders": ["pca", "nmf"], "file": tmp_path / "rows.tsv.gz"}
    first = latent(cohorts, seeds=1, **chosen)
    stamp = chosen["file"].stat().st_mtime_ns
    assert latent(cohorts, seeds=1, **chosen).equals(latent(cohorts, seeds=1, **chosen))
    assert chosen["file"].stat().st_mtime_ns == stamp
    rows = latent(cohorts, seeds=2, **chosen)
    assert set(rows["seed"]) == {0, 1}
    controls = {"genes", "permuted genes", "chance", ROTATED}
    assert set(first["encoder"]) == {"pca", "nmf"} | controls
    value = rows.set_index(["encoder", "metric", "column", "seed"])["value"]
    for seed in (0, 1):
        # Seven organs: any encoding that keeps expression tells them apart.
        assert value["pca", "linear_balanced_accuracy", "tissue", seed] > 0.85
        assert (
            value["pca", "gene_r2", "", seed] > value["permuted genes", "gene_r2", "", seed] + 0.3
        )
    table = summary(rows)
    assert table.loc["pca", "labels"] == 1
    probes = rows[rows["metric"].isin(PROBES)]
    of = {name: part["value"].mean() for name, part in probes.groupby("encoder")}
    np.testing.assert_allclose(table.loc["nmf", "minus_pca"], of["nmf"] - of["pca"], atol=1e-9)


def test_cohorts_that_are_not_here_are_named(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("TYBALT_LIKE_DATA", raising=False)
    monkeypatch.setattr("pooch.os_cache", lambda _: tmp_path / "cache")
    with pytest.raises(DataError, match=r"make it from .*dslabs"):
        list(of_tasks(["tissue_dslabs"], Progress(quiet=True)))
    with pytest.raises(DataError, match="unknown cohort 'nope'; known: tcga_brca"):
        list(of_tasks(["nope"], Progress(quiet=True)))


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_a_branch_pays_where_the_truth_is_curved(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(branches, "SIZES", (300,))
    monkeypatch.setattr(branches, "FEATURES", (branches.FACTORS,))
    chosen = {"only": list(branches.SIMULATED), "progress": Progress(quiet=True)}
    rows = branches.nonlinear(seeds=1, file=tmp_path / "rows.tsv", **chosen).set_index("dataset")
    curved, straight = (rows.loc[name] for name in branches.SIMULATED)
    assert (curved["kept"], straight["kept"]) == (1, 0)
    assert curved["gain"] > 5 > straight["gain"]
    assert curved["r2"] > curved["r2_pca"] + 0.01
    assert abs(straight["r2_linear"] - straight["r2_pca"]) < 0.005
    branches.print_nonlinear(rows.reset_index())
    assert "nan" not in capsys.readouterr().out


@pytest.mark.slow
def test_anomalies_that_were_learned_from_are_not_to_be_found(monkeypatch, shared_data) -> None:
    monkeypatch.setenv("TYBALT_LIKE_DATA", str(shared_data))
    monkeypatch.setattr(hidden, "SHARES", (0.1,))
    rows = hidden.contaminated(["all_leukaemia"], seeds=1)
    n = rows.groupby("hidden")["n_anomaly"].first()
    assert n[0.0] == 33
    assert n[0.1] == 33 - 6 - 2  # of 57 and 19 reference samples


@pytest.mark.slow
def test_images_are_measured_in_both_protocols_and_only_once(tmp_path, monkeypatch) -> None:
    digits = datasets.load("mnist_test")
    digits = digits[digits.obs["label"].isin(["0", "1", "6"])][:300].copy()
    monkeypatch.setattr(datasets, "load", lambda _: digits.copy())
    rows = images("mnist_test", file=tmp_path / "rows.tsv")
    assert rows.groupby("protocol")["label"].nunique().tolist() == [3, 3]
    held_out = rows[rows["protocol"] == "one class is held out"]
    n_of = digits.obs["label"].value_counts()
    assert (held_out["n_anomaly"] == held_out["label"].map(n_of)).all()
    auroc = rows.groupby(["protocol", "detector"])["auroc"].mean()
    assert auroc["one class is normal", f"{DEFAULT}: relative"] > 0.95
    assert auroc["one class is held out", f"{DEFAULT}: relative"] > 0.8
    stamp = (tmp_path / "rows.tsv").stat().st_mtime_ns
    images("mnist_test", file=tmp_path / "rows.tsv")
    assert (tmp_path / "rows.tsv").stat().st_mtime_ns == stamp


@pytest.mark.slow
def test_new_groups_are_stranger_than_those_that_were_seen(
    shared_data, monkeypatch, capsys
) -> None:
    monkeypatch.setenv("TYBALT_LIKE_DATA", str(shared_data))
    rows = split(["ecoli_precise"], seeds=3)
    rows = rows[rows["level"].eq(0.1) & rows["case"].str.contains("projects")]
    share = rows.groupby(["division", "tested"])["value"].mean()
    assert share["random", "new groups"] > share["random", "test split"] + 0.15
    assert rows["nominal"].between(0.07, 0.1).all()
    print_split(rows)
    assert "ecoli_precise, projects: grouped" in capsys.readouterr().out


@pytest.mark.slow
def test_error_rates_are_measured_once_and_printed(
    shared_data, tmp_path, monkeypatch, capsys
) -> None:
    monkeypatch.setenv("TYBALT_LIKE_DATA", str(shared_data))
    task = ("tissue_dslabs:tissue->liver",)
    small = {
        "tissues": measured.Setting(task, (16, 120), (30,)),
        "apart": measured.Setting(task, (60,), conditional_on="tissue"),
        "grouped": measured.Setting(("ecoli_precise:Strain->BW25113",), (9,), group="project"),
    }
    monkeypatch.setattr(measured, "SETTINGS", small)
    options = {"only": list(small), "file": tmp_path / "r.tsv", "progress": Progress(quiet=True)}
    rows = measured.calibration(seeds=1, **options)
    stamp = options["file"].stat().st_mtime_ns
    assert measured.calibration(seeds=1, **options).shape == rows.shape
    assert options["file"].stat().st_mtime_ns == stamp
    of = rows.set_index(["dataset", "case", "m", "detector"]).sort_index()
    p_values = of.xs(measured.P_VALUES, level="case")
    assert p_values.loc[("tissues", 16, "ranks"), "nominal"].item() == pytest.approx(1 / 17)
    assert p_values.loc[("tissues", 16, measured.SPLIT), "nominal"].item() == pytest.approx(1 / 5)
    assert p_values.loc[("grouped", 9, "ranks"), "nominal"].item() == pytest.approx(1 / 10)
    assert p_values.loc[("grouped", 9, "ranks"), "n_calibration"].item() > 50
    assert p_values.loc[("apart", 60, "ranks"), "nominal"].item() > 2 / 61
    assert p_values.loc[("tissues", 120, "ranks"), "p_10"].item() < 0.3
    flags = of.xs(measured.FLAGS, level="case").loc["tissues"]
    assert set(flags["planted"]) == set(measured.PLANTED)
    found = flags[flags["planted"] == 25].loc[120, "power_10"]
    assert found["ranks"].item() > 0.5  # liver among other tissues
    without = of.xs(measured.WITHOUT, level="case").loc[("tissues", 30, "ranks")]
    assert (without["any_10"] == 0).all()
    measured.print_calibration(rows)
    assert "planted" in capsys.readouterr().out
