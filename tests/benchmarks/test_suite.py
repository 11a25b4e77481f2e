"""The suite of tasks: its labels, its halves, and that no measurement is made twice."""

import numpy as np
import pandas as pd
import pytest
from suite import COLUMN, HALVES, SUITE, of_suite, suite

from tybalt_like.benchmark.detectors import DEFAULT
from tybalt_like.benchmark.verdicts import print_suite
from tybalt_like.core.errors import DataError
from tybalt_like.run.progress import Progress


@pytest.fixture(autouse=True)
def _data(shared_data, monkeypatch) -> None:
    monkeypatch.setenv("TYBALT_LIKE_DATA", str(shared_data))


@pytest.mark.slow
def test_every_task_has_its_samples() -> None:
    n_of, groups, cohorts = {}, {}, {}
    for case, adata in of_suite(None, Progress(quiet=True)):
        found = adata.obs[COLUMN].value_counts()
        assert set(case.normal) | set(case.anomalies) <= set(found.index), case.name
        assert not set(case.normal) & set(case.anomalies)
        n_of[case.name] = (int(found[list(case.normal)].sum()), int(found[case.anomalies[0]]))
        groups.setdefault(case.half, set()).add(case.group)
        cohorts.setdefault(case.half, set()).add(case.dataset)
    assert len(n_of) == len(pd.read_csv(SUITE, sep="\t")) == 53
    assert {half: len(groups[half]) for half in HALVES} == {"select": 16, "test": 17, "control": 1}
    assert not cohorts["select"] & (cohorts["test"] | cohorts["control"])
    # Labels that are not columns of the files, counted by hand in their tables.
    assert n_of["tcga_brca:histology->lobular"] == (336, 158)
    assert n_of["all_leukaemia:b_mol->ALL1/AF4"] == (42 + 37, 10)
    assert n_of["nci60:tumour_type->CNS"] == (64 - 5 - 5, 5)  # four repeated lines, one unknown
    assert n_of["kang_ifnb:monocytes ctrl->stim"] == (200, 200)
    assert n_of["kang_ifnb:ctrl_type->B cells"] == (750 - 144, 144)
    assert n_of["rat_liver:low->high"] == (32, 32)
    assert n_of["ecoli_precise:carbon->other"] == (115 + 77 + 2, 78)
    assert n_of["ecoli_precise:stress->heat/pH"] == (252, 26)


def test_cohorts_are_on_a_logarithmic_scale() -> None:
    tasks = of_suite(["kang stim", "pbmc types"], Progress(quiet=True))
    values = {case.dataset: adata.X for case, adata in tasks}
    np.testing.assert_allclose(np.expm1(values["kang_ifnb"]).sum(1), 1e4, rtol=1e-4)
    assert values["pbmc68k_reduced"].min() == 0  # not the standardised values
    assert values["pbmc68k_reduced"].max() == pytest.approx(6.489, abs=1e-3)


@pytest.mark.slow
def test_tasks_are_measured_once_and_printed_without_gaps(tmp_path, capsys) -> None:
    options = {"only": ["rat liver"], "progress": Progress(quiet=True), "file": tmp_path / "r.tsv"}
    options["detectors"] = [DEFAULT, "kNN, 5 neighbours", "kNN, 5 neighbours, split"]
    rows = suite(seeds=1, **options)
    shown = rows[~rows["part"]].set_index("detector")
    assert shown["auroc"].min() > 0.9
    assert shown["n_calibration"].to_list() == [26, 26, 7]  # of 32 normal samples
    stamp = options["file"].stat().st_mtime_ns
    assert len(suite(seeds=1, **options)) == len(rows)
    assert options["file"].stat().st_mtime_ns == stamp
    print_suite(rows)
    options["detectors"] = options["detectors"][:2]
    hidden = suite(seeds=1, contaminated=True, **options)
    print_suite(hidden)
    out = capsys.readouterr().out
    assert "nan" not in out
    assert "1 group, 1 seed" in out
    n = hidden.groupby("hidden")["n_anomaly"].first()
    assert n.to_dict() == {0.0: 32, 0.01: 32, 0.05: 31, 0.1: 29}  # of 26 reference samples
    with pytest.raises(DataError, match="unknown half, group, cohort or task 'nope'"):
        suite(seeds=1, **options | {"only": ["nope"]})
