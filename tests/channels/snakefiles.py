"""Lints the Snakefiles, or carries out wrappers and module on the small cohort.

python tests/channels/snakefiles.py lint|run
"""

import filecmp
import re
import subprocess
import sys
from pathlib import Path

SNAKEFILE = "packaging/snakemake/Snakefile"
WORK = Path("build/channels/snakemake")
ACCEPTED = (
    "No log directive defined",  # what a command says goes to the executor, which keeps it
    "Specify a conda environment or container",  # whoever includes the module chooses
    "Absolute path",  # the end of one that a setting begins
    "Path composition with '+'",  # braces of a pattern in an f-string
    "Mixed rules and functions",
)


def lint() -> list[str]:
    found = []
    for file, config in (
        (SNAKEFILE, []),
        ("pipelines/Snakefile", ["--config", "matrix=m", "run=r"]),
    ):
        command = [sys.executable, "-m", "snakemake", "-s", file, "--lint", *config]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        said = re.findall(r"^    \* (.*)", done.stdout + done.stderr, flags=re.MULTILINE)
        found += [f"{file}: {one}" for one in said if not one.startswith(ACCEPTED)]
        if done.returncode and not said:
            found.append(done.stderr)
    return found


def run() -> list[str]:
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "-s",
        SNAKEFILE,
        "-d",
        WORK,
        "-j",
        "2",
        "-F",
        "-q",
    ]
    subprocess.run(command, check=True)
    same = filecmp.cmp(WORK / "scores.tsv", WORK / "merged.tsv", shallow=False)
    return [] if same else ["the module's shards differ from the wrapper's scores"]


if __name__ == "__main__":
    sys.exit("\n".join({"lint": lint, "run": run}[sys.argv[1]]()) or 0)
