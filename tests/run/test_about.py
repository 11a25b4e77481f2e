"""What ``run.json`` says of the versions with which a run was made."""

import importlib.metadata
import json

import pytest

import tybalt_like
from tybalt_like.run.about import write_about

NOTHING = {"recipe": {}, "seed": 0, "adata": None, "summary": [], "facts": {}, "seconds": {}}


@pytest.mark.parametrize("installed", [True, False])
def test_versions_are_those_used_or_said_to_be_unknown(tmp_path, monkeypatch, installed) -> None:
    if not installed:  # the source alone is on the path

        def distribution(name: str) -> None:
            raise importlib.metadata.PackageNotFoundError(name)

        monkeypatch.setattr(importlib.metadata, "distribution", distribution)
    write_about(tmp_path, kind="run", name="r", warnings=["mind"], **NOTHING)
    about = json.loads((tmp_path / "run.json").read_text())
    assert about["versions"].pop("tybalt-like") == tybalt_like.__version__
    assert about["warnings"][0] == "mind"
    if installed:
        assert {"numpy", "torch", "anndata"} <= set(about["versions"])
        assert len(about["warnings"]) == 1
    else:
        assert about["versions"] == {}
        assert "not known; install it" in about["warnings"][1]
