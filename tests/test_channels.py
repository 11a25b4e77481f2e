"""What is said of this package elsewhere is what it says of itself; the rest: `make channels`."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

import tybalt_like

CHECKOUT = Path(__file__).resolve().parents[1]
PACKAGING = CHECKOUT / "packaging"
NAMED = {"isal": "python-isal", "matplotlib": "matplotlib-base", "seaborn": "seaborn-base"}
NAMED |= {"torch": "pytorch"}
"""What conda-forge calls them."""


@pytest.mark.parametrize(
    ("file", "pattern", "count"),
    [
        ("CITATION.cff", r"^version: (.*)$", 1),
        (".zenodo.json", r'"version": "(.*)"', 1),
        ("packaging/conda/meta.yaml", r'set version = "(.*)"', 1),
        ("packaging/galaxy/macros.xml", r'name="@TOOL_VERSION@">(.*)<', 1),
        *(
            (f"packaging/snakemake/{verb}/environment.yaml", r"tybalt-like =(.*)", 1)
            for verb in ("run", "score", "aberrant")
        ),
        *(
            (f"packaging/nf-core/tybaltlike/{verb}/{name}", pattern, count)
            for verb in ("run", "score", "aberrant")
            for name, pattern, count in [
                ("environment.yml", r"tybalt-like=(.*)\"", 1),
                ("main.nf", r"tybalt-like:(.*)--", 2),
            ]
        ),
    ],
)
def test_one_version_everywhere(file, pattern, count) -> None:
    text = (CHECKOUT / file).read_text(encoding="utf-8")
    assert re.findall(pattern, text, flags=re.MULTILINE) == [tybalt_like.__version__] * count


def test_conda_asks_for_what_the_wheel_asks_for() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {f"python {project['requires-python']}"}
    for one in project["dependencies"]:
        name, least = one.split(">=")
        wanted.add(f"{NAMED.get(name, name)} >={least}")
    recipe = (PACKAGING / "conda" / "meta.yaml").read_text(encoding="utf-8")
    run = recipe[recipe.index("  run:\n") : recipe.index("\ntest:")]
    assert set(re.findall(r"- (.*)", run)) == wanted


def test_zenodo_and_the_citation_file_say_the_same() -> None:
    cited = yaml.safe_load((CHECKOUT / "CITATION.cff").read_text(encoding="utf-8"))
    zenodo = json.loads((CHECKOUT / ".zenodo.json").read_text(encoding="utf-8"))
    assert zenodo["title"] == cited["title"]
    assert zenodo["description"] == cited["abstract"]
    assert zenodo["creators"] == cited["authors"]
    assert zenodo["keywords"] == cited["keywords"]
    assert zenodo["license"] == cited["license"]
    dois = [one["identifier"] for one in zenodo["related_identifiers"]]
    assert dois == [one["doi"] for one in cited["references"]]
