"""Readers of treated samples, and what is refused in one sentence."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from quick import plan, plate

from tybalt_like import io
from tybalt_like.core import keys
from tybalt_like.core.errors import DataError, RecipeError
from tybalt_like.perturbation import PairedJob, read
from tybalt_like.perturbation.prepare import prepare
from tybalt_like.perturbation.published import read_published


def published(path: Path, **changes: object) -> Path:
    """A small file in the layout of Dr.VAE's data."""
    rng = np.random.default_rng(0)
    lines = [f"L{i}" for i in range(12)]
    y_nd = np.tile([[0, 1], [1, 0], [-1, 1]], (4, 1))
    data: dict[str, object] = {
        "sing_x1": rng.normal(size=(12, 5)), "sing_cid": np.array(lines, dtype="S"),
        "sing_y": y_nd, "sing_ycont": np.where(y_nd < 0, np.nan, y_nd),
        "pair_x1": rng.normal(size=(6, 5)), "pair_x2": rng.normal(size=(6, 5)),
        "pair_cid": np.array(lines[:3] * 2, dtype="S"),
        "pair_drug": np.array(["x"] * 3 + ["y z"] * 3, dtype="S"),
        "pair_y": np.array([0, 1, -1, 1, 0, 1]), "pair_conc": np.ones(6),
        "drug_drug": np.array(["x", "y z"], dtype="S"), "drug_threshold": np.zeros(2),
    }  # fmt: skip
    with h5py.File(path, "w") as file:
        for key, value in (data | changes).items():
            if value is not None:
                file[key] = value
    return path


def test_published_layout(tmp_path: Path) -> None:
    path = published(tmp_path / "drvae.h5")
    adata, responses = read_published(path)
    assert adata.shape == (24, 5)
    known = responses.set_index(["cell_line", "drug"])["response"]
    assert known["L0", "x"] == 0
    assert known["L0", "y z"] == 1
    assert ("L2", "x") not in known.index
    of = plan(
        simulation=None,
        data={"path": str(path)},
        perturbation={
            "group": "cell_line", "treatment": "state", "control": "before", "drug": "drug",
            "drugs": ["all"], "match": ["pair"], "response": "response",
        },
    )  # fmt: skip
    samples = read(of)
    assert list(samples.units) == ["x", "y z"]
    table = samples.units["y z"].table
    assert table["is_pair"].sum() == 3
    assert set(table["group"][~table["is_pair"]]) == {f"L{i}" for i in range(3, 12)}
    assert PairedJob("y z", 0, 0).name != PairedJob("y_z", 0, 0).name
    with pytest.raises(DataError, match="halves of the pairs do not match"):
        read_published(published(tmp_path / "half.h5", pair_x2=np.zeros((5, 5))))
    with pytest.raises(DataError, match="no 'drug_drug'"):
        read_published(published(tmp_path / "none.h5", drug_drug=None))
    with pytest.raises(DataError, match="pair_y has 4 rows where pair_x1 has 6"):
        read_published(published(tmp_path / "rows.h5", pair_y=np.zeros(4)))


def test_gct_with_a_table_of_responses(tmp_path: Path) -> None:
    rng, wells = np.random.default_rng(0), []
    for line in range(12):
        wells += [(f"L{line}", "ctl_vehicle", "DMSO"), (f"L{line}", "trt_cp", "x")]
    n = len(wells)
    lines = ["#1.3", f"4\t{n}\t0\t3", "\t".join(["id", *(f"w{i}" for i in range(n))])]
    for i, name in enumerate(("cell_id", "pert_type", "pert_iname")):
        lines.append("\t".join([name, *(well[i] for well in wells)]))
    for gene in range(4):
        lines.append("\t".join([f"g{gene}", *(f"{v:.4f}" for v in rng.normal(8, 1, n))]))
    (tmp_path / "plate.gct").write_text("\n".join(lines) + "\n")
    table = pd.DataFrame({"cell_id": [f"L{i}" for i in range(10)], "pert_iname": "x"})
    table["auc"] = np.linspace(0, 1, 10)
    table.to_csv(tmp_path / "ctrp.csv", index=False)
    design = {
        "group": "cell_id", "treatment": "pert_type", "control": "ctl_vehicle",
        "drug": "pert_iname", "drugs": ["x"], "responses": str(tmp_path / "ctrp.csv"),
        "response": "auc", "threshold": "median",
    }  # fmt: skip
    of = plan(simulation=None, data={"path": str(tmp_path / "plate.gct")}, perturbation=design)
    samples = read(of)
    assert samples.units["x"].table["response"].notna().sum() == 10
    ready = prepare(of, PairedJob("x", 0, 0), samples)
    assert set(ready.y_n[~np.isnan(ready.y_n)]) == {0.0, 1.0}
    assert ready.pairs.obs[keys.RESPONSE][ready.split(keys.TEST)].isna().all()
    table.loc[0, "auc"] = 0.9
    pd.concat([table, table.assign(auc=2.0)]).to_csv(tmp_path / "ctrp.csv", index=False)
    with pytest.raises(DataError, match="L0 and x come twice with different auc"):
        read(of)
    table.astype({"auc": str}).replace("0.9", "high").to_csv(tmp_path / "ctrp.csv", index=False)
    with pytest.raises(DataError, match="L0 and x is 'high', not a number"):
        read(of)


def table_of(obs: pd.DataFrame, tmp_path: Path) -> dict[str, object]:
    """A plan's tables for samples with that table."""
    x = np.random.default_rng(0).normal(size=(len(obs), 4)).astype(np.float32)
    io.write_h5ad(AnnData(x, obs=obs), tmp_path / "plate.h5ad")
    return {"simulation": None, "data": {"path": str(tmp_path / "plate.h5ad")}}


BAD = {
    "column": ({"match": ["time"]}, None, "match: the sample table has no column 'time'"),
    "control": ({"control": "DMSO"}, None, "no untreated samples: 'type' is never 'DMSO'"),
    "drug": ({"drug": "drug", "drugs": ["z"]}, None, "no treated sample has drug = 'z'"),
    "unmatched": (
        {},
        lambda o: o[~((o["line"] == "B") & (o["hours"] == 6) & (o["type"] == "vehicle"))],
        "6 of 24 treated samples have no control, such as well_18: none has line = B, hours = 6",
    ),
    "one class": (
        {},
        lambda o: o.assign(response=1.0),
        "all 24 known responses are 1; two classes are needed",
    ),
    "one class of a drug": (
        {"drug": "drug", "drugs": ["drug 1"]},
        lambda o: o.assign(response=np.where(o["drug"] == "drug 1", 0.0, 1.0)),
        "all 4 known responses of drug 1 are 0",
    ),
    "unlabelled": (
        {},
        lambda o: o.assign(response=np.nan),
        "no response is known: 'response' is empty in all 24 samples; pert_vae needs none",
    ),
    "numbers": (
        {},
        lambda o: o.assign(response=np.arange(len(o)) / 2),
        "is neither 0 nor 1; set perturbation.threshold",
    ),
    "folds by hand": (
        {"fold": "part"},
        lambda o: o.assign(part=np.where(o["hours"] == 6, "one", "two")),
        "line 'A' lies in the folds one and two",
    ),
    "too few groups": ({"folds": 3}, None, "'line' has 2 values, too few for 3 folds"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_tables_are_refused_in_one_sentence(case: str, tmp_path: Path) -> None:
    design, change, message = BAD[case]
    obs = plate() if change is None else change(plate())
    base = {"group": "line", "treatment": "type", "control": "vehicle", "match": ["hours"]}
    base |= {"response": "response", "folds": 2}
    with pytest.raises(DataError) as refused:
        read(plan(**table_of(obs, tmp_path), perturbation=base | design))
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"model": {"name": "tybalt"}}, "knows no treatment"),
        ({"perturbation": {"response": None}}, "needs perturbation.response"),
        ({"perturbation": {"labelled": 0.0}}, "must lie in (0, 1]"),
        ({"perturbation": {"grup": "x"}}, "did you mean 'group'?"),
        ({"scores": {}}, "unknown key scores"),
        ({"data": {"dataset": "kang_ifnb"}}, "give either [data] or [simulation]"),
        ({"simulation": {"groups": 3}}, "simulation.groups must be at least 20"),
    ],
)
def test_bad_recipes_are_refused(tables: dict, message: str) -> None:
    with pytest.raises(RecipeError) as refused:
        plan(**tables)
    assert message in str(refused.value)
