"""Damage files of every format and count what comes of opening them: ``python tests/fuzz``.

Exits with 1 if any file ended in anything but a matrix or one sentence.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"
os.environ.setdefault("MPLBACKEND", "Agg")

import targets  # noqa: E402
from damage import FAULTS, outcomes, table  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser("tests/fuzz", description=__doc__)
    parser.add_argument("--each", type=int, default=10_000, help="damaged files of each format")
    parser.add_argument("--first", type=int, default=0, help="number of the first one")
    parser.add_argument("--only", nargs="+", help="formats whose names begin so")
    parser.add_argument("--faults", type=Path, help="where to write each fault's seed and message")
    given = parser.parse_args()
    chosen = {
        name: target
        for name, target in targets.TARGETS.items()
        if given.only is None or name.startswith(tuple(given.only))
    }
    counts: dict[str, Counter[str]] = {}
    faults = []
    seeds = range(given.first, given.first + given.each)
    for name, target in chosen.items():
        counts[name] = Counter()
        for seed, outcome, said in outcomes(name, target, seeds):
            counts[name][outcome] += 1
            if outcome in FAULTS:
                faults.append(f"{name}\t{seed}\t{outcome}\t{' '.join(said.split())}")
        print(table({name: counts[name]}), file=sys.stderr, flush=True)
    if given.faults is not None:
        given.faults.write_text("".join(f"{line}\n" for line in faults))
    print(table(counts))
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
