"""Samples that belong together although nobody said so: of a patient, an experiment, a batch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like.pp.matrix import Floats, row_chunks, spread_rows

if TYPE_CHECKING:
    from anndata import AnnData

PEOPLE = frozenset(
    (
        *("animal", "case", "donor", "ident", "individual", "mouse", "participant", "patient"),
        *("person", "proband", "sample", "subject"),
    )
)
"""Last words of columns whose samples belong together if they repeat; Seurat has ``orig.ident``."""
ORIGINS = frozenset(
    (
        *("accession", "batch", "cage", "cell", "center", "centre", "chip", "clone", "exp"),
        *("experiment", "flowcell", "hospital", "institution", "lane", "library", "litter"),
        *("passage", "plate", "pool", "project", "replicate", "run", "series", "study"),
    )
)
"""Last words of columns whose samples belong together if they are also alike."""
ALONE = frozenset(("sample", "cell"))
"""Of these, words that mean something else after others, as in ``evolved sample``."""
IDENTIFIER = frozenset(
    ("barcode", "code", "id", "ids", "key", "line", "name", "no", "nr", "number", "submitter")
)
"""Words that may follow."""
MIN_GROUPS = 3
"""Training, calibration and test take one at least."""
MIN_SHARE = 0.1
"""Of the samples, so many share their value with another at least."""
TIMES, MORE = 2.0, 0.15
"""By so much the share of nearest samples with the same value exceeds that by chance."""
MAX_SAMPLES, MAX_OF_ONE, MAX_GENES = 2000, 50, 2000
"""Nearest samples are looked for among so many, of each value so many, by so many genes."""
BARCODE = re.compile(r"(TCGA-\w\w-\w{4})(-|$)")


@dataclass(frozen=True)
class Repeat:
    """A column whose values repeat, and what makes them more than names."""

    column: str
    code_n: NDArray[np.intp]
    evidence: str

    @property
    def n_values(self) -> int:
        return int(self.code_n.max()) + 1


def suggestion(
    adata: AnnData, *, label: str | None = None, reference_n: NDArray[np.bool_] | None = None
) -> str | None:
    """A sentence on samples that a division should keep together, or None.

    It names what `repeats` finds. Without any such column, names of samples are looked at: TCGA's
    barcodes begin with the patient.
    """
    if found := repeats(adata, label=label, reference_n=reference_n):
        return _sentence(found)
    return _of_barcodes(adata.obs_names if reference_n is None else adata.obs_names[reference_n])


def repeats(
    adata: AnnData, *, label: str | None = None, reference_n: NDArray[np.bool_] | None = None
) -> list[Repeat]:
    """Columns whose samples belong together, the one with most values first: it leaves most to
    divide.

    Looked through are the columns that are named like people (patient, donor, ...), and those
    named like origins of the data (experiment, project, batch, plate, ...) whose value the
    nearest samples share at least twice as often as by chance and in .15 of the cases more. By
    chance means among the samples of the neighbour's label, unless that occurs with one value
    only.

    Parameters
    ----------
    label
        Column of the labels, which is none of them.
    reference_n
        The samples to be divided; all if None.
    """
    reference = np.arange(adata.n_obs) if reference_n is None else np.flatnonzero(reference_n)
    obs = adata.obs.iloc[reference]
    strata_n = np.zeros(len(obs), np.intp) if label is None else pd.factorize(obs[label])[0]
    seen, found = [strata_n], list[Repeat]()
    for column in map(str, obs.columns):
        word, text = _last_word(column), obs[column].astype(str)
        known_n = (obs[column].notna() & (text != "")).to_numpy()
        code_n = pd.factorize(text[known_n])[0]
        if word not in PEOPLE | ORIGINS or not _repeats(text[known_n]):
            continue
        if any(np.array_equal(code_n, other_n) for other_n in seen):
            continue
        seen.append(code_n)
        if word in PEOPLE:
            found.append(Repeat(column, code_n, ""))
        elif alike := _alike(adata, reference[known_n], code_n, strata_n[known_n]):
            found.append(Repeat(column, code_n, alike))
    return sorted(found, key=lambda repeat: -repeat.n_values)


def origins(adata: AnnData) -> list[str]:
    """Columns that are named like an origin of the data (batch, plate, centre, ...) and repeat."""
    obs = adata.obs.rename(columns=str)
    counts = {name: obs[name].value_counts() for name in obs if _last_word(name) in ORIGINS}
    return [name for name, n in counts.items() if len(n) > 1 and n.iloc[1] > 1]


def _last_word(column: str) -> str:
    """What a column names: ``Proteomics_ParticipantID`` a participant, ``patient_age`` an age."""
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", column)]
    words = [word.removesuffix("id") for word in words]
    words = [word for word in words if word and word not in IDENTIFIER]
    if words[1:] and words[-1] in ALONE:
        return ""
    return words[-1] if words else ""


def _repeats(text: pd.Series) -> bool:
    counts = text.value_counts()
    return len(counts) >= MIN_GROUPS and counts[counts > 1].sum() >= MIN_SHARE * len(text)


def _sentence(found: list[Repeat]) -> str:
    first, *others = found
    also = ", ".join(f"{other.column!r} ({other.n_values:,} values)" for other in others)
    return (
        f"column {first.column!r} repeats over samples ({first.n_values:,} values, "
        f"{len(first.code_n):,} samples{first.evidence}); add [split] group = "
        f'"{first.column}" if new samples will come from new ones'
        f"{'; also ' if also else ''}{also}"
    )


def _of_barcodes(names: pd.Index) -> str | None:
    found = [BARCODE.match(name) for name in names.astype(str)]
    patients = pd.Series([match[1] for match in found if match], dtype=object)
    if len(patients) < len(names) or not _repeats(patients):
        return None
    return (
        f"sample names are TCGA barcodes ({patients.nunique():,} patients, {len(names):,} "
        "samples); add a column with their first 12 characters and name it as [split] group if "
        "new samples will come from new patients"
    )


def _alike(
    adata: AnnData, rows: NDArray[np.intp], code_n: NDArray[np.intp], strata_n: NDArray[np.intp]
) -> str:
    """Evidence that samples of the same value are alike; empty if there is none."""
    chosen = np.fromiter(_some(code_n), dtype=np.intp)
    chosen = chosen[np.argsort(rows[chosen])]
    code_n, strata_n = code_n[chosen], strata_n[chosen]
    profile_ng = _ranks(adata, rows[chosen])
    near_nn = profile_ng @ profile_ng.T
    np.fill_diagonal(near_nn, -np.inf)
    nearest = near_nn.argmax(1)
    found = float((code_n == code_n[nearest]).mean())
    chance = float(_chance(code_n, strata_n, nearest).mean())
    if found < max(TIMES * chance, MORE + chance):
        return ""
    return f"; the nearest sample has the same in {found:.0%}, by chance in {chance:.0%}"


def _chance(
    code_n: NDArray[np.intp], strata_n: NDArray[np.intp], nearest: NDArray[np.intp]
) -> Floats:
    """Share of a sample's own value among the others of the nearest one's stratum."""
    n_values = pd.Series(code_n).groupby(strata_n).transform("nunique").to_numpy()
    one_n = n_values[nearest] == 1
    stratum_n = np.where(one_n, -1, strata_n[nearest])  # -1: all samples
    own_n = one_n | (strata_n == stratum_n)
    counts = pd.crosstab(code_n, strata_n)
    counts[-1] = counts.sum(axis=1)
    column_n = counts.columns.get_indexer(pd.Index(stratum_n))
    same_n = counts.to_numpy()[counts.index.get_indexer(pd.Index(code_n)), column_n]
    all_n = counts.sum().to_numpy()[column_n]
    return np.asarray((same_n - own_n) / np.maximum(1, all_n - own_n), dtype=np.float64)


def _some(code_n: NDArray[np.intp]) -> Iterator[int]:
    """Samples of random values, as many as may be looked at."""
    order, left = np.random.default_rng(0).permutation(len(code_n)), MAX_SAMPLES
    for _, rows in pd.Series(order).groupby(code_n[order], sort=False):
        yield from rows[: min(MAX_OF_ONE, left)]
        left -= min(MAX_OF_ONE, len(rows), left)


def _ranks(adata: AnnData, rows: NDArray[np.intp]) -> Floats:
    """Profiles as ranks of the genes that vary most, centred by gene, each of length 1."""
    from scipy.stats import rankdata

    sd_g = np.nan_to_num(spread_rows(adata, rows)).std(0)
    genes = np.argsort(-sd_g)[:MAX_GENES]
    x_ng = np.vstack([np.nan_to_num(chunk[:, genes]) for chunk in row_chunks(adata, rows)])
    rank_ng = rankdata(x_ng, axis=1)
    rank_ng -= rank_ng.mean(0)
    length_n1 = np.linalg.norm(rank_ng, axis=1, keepdims=True)
    return np.asarray(rank_ng / np.maximum(length_n1, 1e-12))
