"""What the page's scripts are given is what the tables of the folder say."""

import numpy as np
import pandas as pd
import pytest
from made_runs import HOSTILE_LABEL, write_run

from tybalt_like.report import sample_data
from tybalt_like.report.contents import Contents
from tybalt_like.report.sample_data import agreement, packed_samples


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    labels = [HOSTILE_LABEL] * 25 + [""] * 5 + ["001"] * 70
    folder = write_run(
        tmp_path_factory.mktemp("runs") / "run", labels=labels, anomalies=[HOSTILE_LABEL]
    )
    rng = np.random.default_rng(1)
    for name in ("scores.tsv", "latent.tsv.gz"):
        table = pd.read_csv(folder / name, sep="\t", index_col=0, dtype={"kind": str})
        if name == "scores.tsv":
            table["default_knn"] = rng.normal(size=100).round(1)  # with ties
            table["norm"] = rng.normal(size=100)
        else:
            table["number"] = rng.normal(size=100) * 1e6
            table["id"] = 2**24 + 1 + np.arange(100)  # too large for 32 bits
            table.loc[table.index[7], ["number", "tybalt_1"]] = np.nan
        table.to_csv(folder / name, sep="\t")
    return Contents.read(folder)


def unpacked(told: dict, data: bytes) -> pd.DataFrame:
    """As the page's scripts read it."""

    def array(where: dict) -> np.ndarray:
        return np.frombuffer(data, where["type"], where["n"], where["at"])

    found = {}
    for column in told["columns"]:
        if "values" in column:
            values = np.array(["", *column["values"]], object)[array(column["codes"])]
        elif "step" in column["numbers"]:
            codes, scale = array(column["numbers"]), column["numbers"]
            values = np.where(codes == 65534, np.nan, scale["low"] + scale["step"] * codes)
        else:
            values = array(column["numbers"])
        found[column["key"]] = values
    return pd.DataFrame(found, index=told["names"])


def test_columns_come_back(run) -> None:
    told, data = packed_samples(run, agreement(run))
    table = unpacked(told, data)
    assert list(table["sample kind"]) == list(run.labels[table.index])
    assert list(table["sample id"]) == list(run.samples["id"][table.index])
    for key, expected in {
        "combined": run.score(),
        "score default knn": run.value("default", "knn"),
        "sample number": run.samples["number"],
    }.items():
        np.testing.assert_allclose(table[key], expected[table.index], rtol=1e-7)
    coarse = {f"latent {name}": run.latent[name] for name in run.latent}
    coarse |= {f"gene {name}": run.gene_values[name] for name in run.gene_values}
    for key, expected in coarse.items():
        off = (table[key] - expected[table.index]).abs()
        assert off.max() <= 0.51 * (expected.max() - expected.min()) / 65_533
        assert list(table[key].isna()) == list(expected[table.index].isna())
    assert len(coarse) == 6


def test_strange_samples_come_first(run) -> None:
    told, data = packed_samples(run, agreement(run))
    table = unpacked(told, data)
    assert list(table["flagged"]) == ["yes"] * 15 + ["no"] * 15 + ["not tested"] * 70
    for _, rows in table.groupby("flagged"):
        assert rows["combined"].is_monotonic_decreasing


def test_marks_are_what_counting_says(run) -> None:
    found = agreement(run)
    assert found.titles[0] == "default detector"
    assert "norm of the standardised row" in found.titles
    assert found.n_views == 3
    known = run.normals.to_numpy()
    assert found.reference == known.sum()
    for title, value in {
        "kNN": run.value("default", "knn"),
        "norm of the standardised row": run.value("", "norm"),
    }.items():
        marks = found.mark_ns[:, found.titles.index(title)]
        for i, (name, mark) in enumerate(zip(value.index, marks, strict=True)):
            others = value[known & (value.index != name)]
            share = (others < value.iloc[i]).mean()
            assert mark == (2 if share == 1 else 1 if share >= 0.95 else 0)
    counts = (found.mark_ns[known] > 0).sum(1)
    assert (counts <= found.usual).mean() >= 0.95


def test_columns_of_many_samples_are_few(run, monkeypatch) -> None:
    monkeypatch.setattr(sample_data, "MOST_VALUES", 300)
    groups = pd.Series([column.group for column in sample_data.columns(run)]).value_counts()
    assert groups["Sample"] == groups["Latent features"] == 3
    assert "Genes" not in groups
