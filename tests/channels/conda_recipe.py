"""Holds the conda recipe to what grayskull makes of the source archive, and to rattler-build."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml
from jinja2 import Environment
from rattler_build import Stage0Recipe

RECIPE = Path("packaging/conda/meta.yaml")
NAMED = {"isal": "python-isal", "seaborn": "seaborn-base"}
"""What conda-forge calls them, where grayskull does not know it or brings more than is needed."""


def rendered(text: str) -> dict[str, Any]:
    names = {
        "PYTHON": "python",
        "environ": SimpleNamespace(get=lambda _, default: default),
        "pin_subpackage": lambda name, **_: name,
    }
    found: dict[str, Any] = yaml.safe_load(
        Environment(autoescape=False).from_string(text).render(names)
    )
    return found


def drafted() -> dict[str, Any]:
    """What grayskull writes for the archive of this commit."""
    with tempfile.TemporaryDirectory() as folder:
        tools = Path(sys.executable).parent
        build = [tools / "hatchling", "build", "--target", "sdist", "--directory", folder]
        subprocess.run(build, check=True, capture_output=True)
        (archive,) = Path(folder).glob("*.tar.gz")
        draft = [tools / "grayskull", "pypi", "--no-use-v1-format", archive, "--output", folder]
        subprocess.run(draft, check=True, capture_output=True)
        return rendered((Path(folder) / "tybalt-like" / "meta.yaml").read_text(encoding="utf-8"))


def as_v1(recipe: dict[str, Any]) -> dict[str, Any]:
    """The recipe in the format that rattler-build reads."""
    build, test, about = recipe["build"], recipe["test"], recipe["about"]
    return {
        "package": {name: str(value) for name, value in recipe["package"].items()},
        "source": recipe["source"],
        "build": {
            "number": build["number"],
            "noarch": build["noarch"],
            "script": build["script"],
            "python": {"entry_points": build["entry_points"]},
        },
        "requirements": {**recipe["requirements"], "run_exports": build["run_exports"]},
        "tests": [
            {"python": {"imports": test["imports"], "pip_check": False}},
            {"script": test["commands"], "requirements": {"run": test["requires"]}},
        ],
        "about": {
            "homepage": about["home"],
            "summary": about["summary"],
            "license": about["license"],
            "license_file": about["license_file"],
        },
    }


def main() -> list[str]:
    ours, theirs = rendered(RECIPE.read_text(encoding="utf-8")), drafted()
    wanted = {
        re.sub(r"^[\w-]+", lambda name: NAMED.get(name[0], name[0]), one)
        for one in theirs["requirements"]["run"]
    }
    differ = wanted ^ set(ours["requirements"]["run"])
    Stage0Recipe.from_dict(as_v1(ours)).render()
    return [f"requirements differ: {', '.join(sorted(differ))}"] if differ else []


if __name__ == "__main__":
    sys.exit("\n".join(main()) or 0)
