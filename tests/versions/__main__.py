"""Whether the package works with the lowest versions that it declares, or the newest there are.

    python tests/versions lowest|newest [--torch VERSION]

Builds the wheel, installs it into an environment of its own, in a temporary folder, with the Python
that runs this, asks every command for its help, carries out the quick look at the embedded cohort
with its page, and runs the tests that tell most. Ends with exit code 1 if anything of it fails.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from collections.abc import Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = {
    "lowest": ("dask", "excel", "pyod", "scanpy", "survival", "sweep"),
    "newest": ("dask", "excel", "pyod", "scanpy", "sweep"),  # lifelines 0.30.3 holds pandas below 3
}
TESTS = (
    "core",
    "io",
    "pl",
    "pp",
    "report/test_report.py",
    "run/test_golden.py",
    "run/test_run_on_disk.py",
    "run/test_score.py",
    "run/test_shards.py",
    "test_estimator.py",
)
"""Reading and writing, where pandas and anndata show; pages; scores as they were."""
TOOLS = ("hypothesis", "jsonschema", "pytest")
VERBS = """
import typer
from tybalt_like.cli import app
def verbs(command, words):
    print(*words)
    for name, inner in getattr(command, "commands", {}).items():
        verbs(inner, [*words, name])
verbs(typer.main.get_command(app), [])
"""


def lowest() -> list[str]:
    """The lowest version of everything that the project names, as constraints."""
    extras = PROJECT["optional-dependencies"].values()
    named = [*PROJECT["dependencies"], *(one for extra in extras for one in extra)]
    pattern = re.compile(r"([\w-]+)>=([\d.]+)")
    found = [pattern.match(one) for one in named]
    return [f"{one[1]}=={one[2]}" for one in found if one]


def main() -> None:
    parser = argparse.ArgumentParser("tests/versions", description=__doc__)
    parser.add_argument("which", choices=EXTRAS)
    parser.add_argument("--torch", help="this version of torch instead")
    given = parser.parse_args()
    constraints = lowest() if given.which == "lowest" else []
    if given.torch:
        constraints = [one for one in constraints if not one.startswith("torch==")]
        constraints.append(f"torch=={given.torch}")
    with tempfile.TemporaryDirectory(prefix="tybalt_like-versions-") as scratch:
        failed = check(Path(scratch), constraints, EXTRAS[given.which])
    print(
        f"failed: {', '.join(failed)}" if failed else f"all works with the {given.which} versions"
    )
    sys.exit(bool(failed))


def check(place: Path, constraints: Sequence[str], extras: Sequence[str]) -> list[str]:
    """Install into a folder, and try; what failed."""
    venv.create(place / "env", with_pip=True)
    tools = place / "env" / "bin"
    (place / "constraints.txt").write_text("\n".join(constraints), encoding="utf-8")
    pip = [tools / "pip", "--disable-pip-version-check"]
    quietly = [*pip, "install", "--quiet", "--constraint", place / "constraints.txt"]
    run([*pip, "install", "--quiet", "--upgrade", "pip>=25.1"], place)
    run([*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", place, CHECKOUT], place)
    [wheel] = place.glob("*.whl")
    run([*quietly, f"{wheel}[{','.join(extras)}]", *TOOLS], place)
    run([*pip, "check"], place)
    run([*pip, "list", "--format", "freeze"], place)

    failed = []
    verbs = subprocess.run(
        [tools / "python", "-c", VERBS], cwd=place, capture_output=True, text=True, check=True
    )
    for line in verbs.stdout.splitlines():
        words = [*line.split(), "--help"]
        if not run([tools / "tybalt-like", *words], place, check=False, quiet=True):
            failed.append(" ".join(words))
    quick = ("run", "tybalt_brca", "--quick", "--threads", "1", "--out", "quick")
    if not run([tools / "tybalt-like", *quick], place, check=False) or not all(
        (place / "quick" / name).is_file() for name in ("report.html", "scores.tsv")
    ):
        failed.append(" ".join(quick))
    # Without the working folder on the path, so that what is tested is what was installed.
    tests = ("-m", "not slow", "-W", "default", "--disable-warnings", "-p", "no:cacheprovider")
    if not run(
        [tools / "pytest", *tests, *(f"tests/{one}" for one in TESTS)], CHECKOUT, check=False
    ):
        failed.append("tests")
    return failed


def run(words: Sequence[str | Path], cwd: Path, *, check: bool = True, quiet: bool = False) -> bool:
    """Whether a command ends well; one without which nothing goes on has to."""
    out = subprocess.PIPE if quiet else None
    done = subprocess.run(words, cwd=cwd, stdout=out, stderr=out, text=True, check=False)
    if done.returncode:
        print("failed:", *words, done.stderr or "", flush=True)
        if check:
            sys.exit(1)
    return not done.returncode


if __name__ == "__main__":
    main()
