"""What programs may rely on is written down, and holds; tests of every kind of run check theirs."""

import copy
import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, ValidationError

from tybalt_like.report import Contents
from tybalt_like.report.contents import SCHEMA
from tybalt_like.report.schemas import NAMES, schema

GOLDEN = Path(__file__).parents[1] / "golden" / f"schema_{SCHEMA}" / "run.json"


@pytest.mark.parametrize("name", NAMES)
def test_schemas_are_schemas_and_can_be_printed(name, command) -> None:
    Draft202012Validator.check_schema(schema(name))
    assert json.loads(command("schema", name).stdout) == schema(name)
    assert name in command("schema").stdout
    assert command("schema", "nothing").returncode == 2


def test_every_kind_and_the_version_are_those_of_the_code(run_dir) -> None:
    Contents.read(run_dir)  # all kinds are known
    found = schema("run")["properties"]
    assert set(found["kind"]["enum"]) == set(Contents.registry)
    assert found["schema"]["const"] == SCHEMA


@pytest.mark.parametrize("change", [{"more": 1}, {"seed": "0"}, {"flagged": {}}, {"fdr": 2}])
def test_what_is_not_written_down_is_found(change, checked) -> None:
    about = checked("run", GOLDEN)
    with pytest.raises(ValidationError):
        checked("run", json.dumps(copy.deepcopy(about) | change))
