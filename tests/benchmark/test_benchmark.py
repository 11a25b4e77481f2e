"""Tables over seeds: what they hold, and that no measurement is made twice."""

import sys

import numpy as np
import pytest

from tybalt_like import cli
from tybalt_like.benchmark.latent import latent, summary
from tybalt_like.core.errors import DataError, RecipeError
from tybalt_like.models import Model


def test_encoders_are_measured_once_and_beside_pca(shared_data, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TYBALT_LIKE_DATA", str(shared_data))
    file = tmp_path / "rows.json"
    chosen = {"datasets": ["tissue_dslabs"], "encoders": ["pca", "nmf"], "file": file}
    first = latent(seeds=1, **chosen)
    stamp = file.stat().st_mtime_ns
    assert latent(seeds=1, **chosen).equals(latent(seeds=1, **chosen))
    assert file.stat().st_mtime_ns == stamp
    rows = latent(seeds=2, **chosen)
    assert set(rows["seed"]) == {0, 1}
    assert set(first["encoder"]) == {"pca", "nmf", "genes", "permuted genes", "chance"}
    value = rows.set_index(["encoder", "metric", "column", "seed"])["value"]
    for seed in (0, 1):
        # Seven organs: any encoding that keeps expression tells them apart.
        assert value["pca", "linear_balanced_accuracy", "tissue", seed] > 0.9
        assert (
            value["pca", "gene_r2", "", seed] > value["permuted genes", "gene_r2", "", seed] + 0.3
        )
    table = summary(rows)
    assert table.loc["pca", "labels"] == 1
    probes = rows[rows["metric"].str.endswith("balanced_accuracy")]
    of = {name: part["value"].mean() for name, part in probes.groupby("encoder")}
    np.testing.assert_allclose(table.loc["nmf", "minus_pca"], of["nmf"] - of["pca"], atol=1e-9)


def test_cohorts_that_are_not_here_are_named(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("TYBALT_LIKE_DATA", raising=False)
    monkeypatch.setattr("pooch.os_cache", lambda _: tmp_path / "cache")
    with pytest.raises(DataError, match=r"make it from .*dslabs"):
        latent(seeds=1, datasets=["tissue_dslabs"])
    with pytest.raises(RecipeError, match="unknown cohort 'nope'; known: tcga_brca"):
        latent(seeds=1, datasets=["nope"])


@pytest.mark.parametrize("name", sorted(Model.registry))
def test_every_model_has_a_card(name: str, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["tybalt-like", "models", name])
    with pytest.raises(SystemExit) as end:
        cli.main()
    card = capsys.readouterr().out
    assert not end.value.code
    for part in ("Loss: ", "Source: ", "Use it ", "Defaults: "):
        assert part in card
