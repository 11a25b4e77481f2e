"""What the page knows of every sample, packed for its scripts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like.anomaly import scores as tables
from tybalt_like.core import keys
from tybalt_like.pl.palette import clean, ordered
from tybalt_like.pl.scatter import is_continuous
from tybalt_like.report.run_contents import NORM, RunContents, detector_title

MOST_VALUES = 3_500_000
"""Latent features and genes beyond these, over all samples, stay out of the page; so do columns of
the sample table beyond as many."""
STEPS = 65_534
"""Of numbers whose last digits nobody looks at: their range in 16 bits; one code is "missing"."""
EXACT = 2**24
"""Whole numbers up to this are exact in 32 bits."""
MOST = 0.95
"""A score of a sample that is larger than in this share of the reference gets a mark."""
CALLS, SAMPLE, LATENT, GENES = "Calls", "Sample", "Latent features", "Genes"


@dataclass(frozen=True)
class Column:
    """One thing that is known of every sample.

    Attributes
    ----------
    key
        Tells columns of a page apart.
    name
        In tables that are saved.
    title, group
        Among the columns that a reader chooses from.
    values
        Numbers or text, by sample.
    first
        Values of text that come first.
    unit
        Of the numbers, where they have one.
    decimals, digits
        Digits after the point that are shown; significant ones if None.
    coarse
        Whether 16 bits are enough.
    """

    key: str
    name: str
    title: str
    group: str
    values: pd.Series
    first: tuple[str, ...] = ()
    unit: str = ""
    decimals: int | None = None
    digits: int = 3
    coarse: bool = False


@dataclass(frozen=True)
class Agreement:
    """Which scores find a sample strange.

    Attributes
    ----------
    titles
        Of the scores: the combined one of every detector, the norm, and the views of the detector
        that decides, which are the last `n_views`.
    mark_ns
        For every sample 2 where the score is larger than in all reference samples (but itself), 1
        where it is larger than in 95 % of them, else 0.
    reference
        Number of the reference samples compared with.
    usual
        Marks that 95 % of them do not exceed; a reference sample is compared with the others.
    """

    titles: tuple[str, ...]
    n_views: int
    mark_ns: NDArray[np.uint8]
    reference: int
    usual: int


def order(run: RunContents) -> pd.Index:
    """Names of samples: flagged ones first, then the other tested ones, the strangest on top."""
    table = pd.DataFrame({"flagged": run.flagged, "tested": run.tested, "score": run.score()})
    table = table.sort_values(["flagged", "tested", "score"], ascending=False, kind="stable")
    return table.index


def agreement(run: RunContents) -> Agreement:
    """Which of the scores in the tables find which sample strange."""
    wholes = {run.title(name): run.value(name, tables.COMBINED) for name in run.about["scorers"]}
    wholes[detector_title("", NORM)] = run.value("", NORM)
    views = {
        run.worded(detector_title(model, score)).removeprefix(f"{run.title(model)}: "): run.value(
            model, score
        )
        for model, score in _scored(run)
        if model == run.decides and score != tables.COMBINED
    }
    known_n, names = run.normals.to_numpy(), run.samples.index
    marks = {
        title: _marks(values.reindex(names).to_numpy(np.float64), known_n)
        for title, values in (wholes | views).items()
        if values.notna().any()
    }
    mark_ns = np.stack(list(marks.values()), axis=1)
    counts = (mark_ns[known_n] > 0).sum(1)
    usual = int(np.quantile(counts, MOST, method="higher")) if len(counts) else 0
    n_views = sum(title in views for title in marks)
    return Agreement(tuple(marks), n_views, mark_ns, int(known_n.sum()), usual)


def _scored(run: RunContents) -> list[tuple[str, str]]:
    """Model and score of every column of values."""
    names = run.about["score_columns"]
    return [(model, score) for _, model, score, what in names if what == "value"]


def _marks(value_n: NDArray[np.float64], known_n: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """As `Agreement`, of one score."""
    known = np.sort(value_n[known_n & np.isfinite(value_n)])
    others_n = len(known) - (known_n & np.isfinite(value_n))
    below_n = np.searchsorted(known, value_n, side="left")
    at_all_n = np.isfinite(value_n) & (others_n > 0)
    share_n = below_n / np.maximum(others_n, 1)
    marks: NDArray[np.uint8] = np.select([share_n >= 1, share_n >= MOST], [2, 1], 0) * at_all_n
    return marks.astype(np.uint8)


def columns(run: RunContents) -> Iterator[Column]:
    """All that a reader may look at, sort by and colour by."""
    yield from _calls(run)
    first = (*run.about["normal"], *run.about["anomalies"])
    room = MOST_VALUES // max(len(run.samples), 1)
    clinical = dict.fromkeys([*([run.label] if run.label else []), *map(str, run.samples)])
    for name in [*clinical][:room]:
        of_label, title = name == run.label, "split" if name == keys.SPLIT else name
        values, own = (run.labels, first) if of_label else (run.samples[name], ())
        yield Column(f"sample {name}", name, title, SAMPLE, values, own)
    for model, score in _scored(run):
        if (model, score) != (run.decides, tables.COMBINED):
            title, name = run.worded(detector_title(model, score)), keys.score(model, score)
            group = f"Scores of {run.title(model)}" if model else "Scores without a model"
            yield Column(f"score {model} {score}", name, title, group, run.value(model, score))
    for name in [str(name) for name in run.latent][:room]:
        yield Column(f"latent {name}", name, name, LATENT, run.latent[name], coarse=True)
    yield from _genes(run, room - run.latent.shape[1])


def _calls(run: RunContents) -> Iterator[Column]:
    flag = pd.Series(
        np.where(run.flagged, "yes", np.where(run.tested, "no", "not tested")), run.flagged.index
    )
    yield Column("flagged", "flagged", "flagged", CALLS, flag, ("yes", "no", "not tested"))
    title, name = "combined score", keys.score(run.decides, tables.COMBINED)
    yield Column("combined", name, title, CALLS, run.score(), decimals=2)
    for what, title in (("p_value", "p"), ("q_value", "q")):
        name = keys.score(run.decides, what)
        yield Column(title, name, title, CALLS, run.score(what), digits=2)
    for model in run.about["scorers"]:
        if model != run.decides:
            name, title = keys.score(model, "p_value"), f"p by {run.title(model)}"
            values = run.score("p_value", model=model)
            yield Column(f"p {model}", name, title, CALLS, values, digits=2)


def _genes(run: RunContents, room: int) -> Iterator[Column]:
    """The genes that make most samples strange."""
    shown, symbols = [str(gene) for gene in run.gene_values], run.symbols
    unit = "log2" if run.about["detector"]["log2"] else "scale of the input"
    for title, gene in sorted((symbols.get(gene, gene), gene) for gene in shown[: max(room, 0)]):
        values = run.gene_values[gene]
        yield Column(f"gene {gene}", gene, title, GENES, values, unit=unit, decimals=2, coarse=True)


def views(run: RunContents) -> list[dict[str, str]]:
    """The maps that can be shown: the start of their columns, and a name for readers."""
    sources = {"latent": "latent features", "genes": run.worded("genes")}
    methods = {"umap": "UMAP", "tsne": "t-SNE", "pca": "PCA"}
    return [
        {"key": f"{of}_{method}", "name": f"{method_name} of {of_name}"}
        for method, method_name in methods.items()
        for of, of_name in sources.items()
        if f"{of}_{method}_1" in run.maps
    ]


def packed_samples(run: RunContents, judged: Agreement) -> tuple[dict[str, Any], bytes]:
    """The samples in `order`: what they are called and what is known of them, for JSON, and the
    numbers, to which it points."""
    names, numbers = order(run), _Numbers()
    place = run.samples.index.get_indexer(names)
    known = [_described(column, names, numbers) for column in columns(run)]
    places = [
        view
        | {
            axis: numbers.coarse(run.maps[f"{view['key']}_{i}"].reindex(names).to_numpy(np.float64))
            for i, axis in ((1, "x"), (2, "y"))
        }
        for view in views(run)
    ]
    beyond_n = run.score("extrapolated").reindex(names).eq(True).to_numpy()
    told = {
        "names": [str(name) for name in names],
        "columns": known,
        "views": places,
        "extrapolated": numbers.add(beyond_n.astype(np.uint8)),
        "agreement": {
            "titles": judged.titles,
            "marks": numbers.add(judged.mark_ns[place].ravel()),
        },
        "label": f"sample {run.label}" if run.label else None,
    }
    return told, bytes(numbers.data)


def _described(column: Column, names: pd.Index, numbers: _Numbers) -> dict[str, Any]:
    values = column.values.reindex(names)
    told: dict[str, Any] = {
        "key": column.key,
        "name": column.name,
        "title": column.title,
        "group": column.group,
        "unit": column.unit,
        "decimals": column.decimals,
        "digits": column.digits,
    }
    if not is_continuous(values):
        text = clean(values)
        known = ordered(text, first=column.first)
        kind = np.uint8 if len(known) < 2**8 else np.uint16 if len(known) < 2**16 else np.uint32
        code_n = pd.Index(["", *known]).get_indexer(pd.Index(text))
        return told | {"values": known, "codes": numbers.add(code_n.astype(kind))}
    value_n = values.to_numpy(np.float64, na_value=np.nan)
    return told | {"numbers": numbers.coarse(value_n) if column.coarse else numbers.fine(value_n)}


class _Numbers:
    """Arrays one after the other; each is told by its place, type and length."""

    def __init__(self) -> None:
        self.data = bytearray()

    def add(self, array: NDArray[Any]) -> dict[str, Any]:
        """Any array."""
        self.data.extend(b"\0" * (-len(self.data) % 8))
        at, kind = len(self.data), array.dtype.newbyteorder("<")
        self.data.extend(array.astype(kind).tobytes())
        return {"at": at, "type": array.dtype.name, "n": array.size}

    def fine(self, value_n: NDArray[np.float64]) -> dict[str, Any]:
        """Numbers in 32 bits, or 64 where they would change whole numbers."""
        large = np.nanmax(np.abs(value_n), initial=0) > EXACT
        return self.add(value_n if large else value_n.astype(np.float32))

    def coarse(self, value_n: NDArray[np.float64]) -> dict[str, Any]:
        """Numbers in 16 bits: ``low + step * code``, and the last code where there is none."""
        known_n = np.isfinite(value_n)
        low, high = (value_n[known_n].min(), value_n[known_n].max()) if known_n.any() else (0, 1)
        step = float(high - low) / (STEPS - 1) or 1.0
        code_n = np.full(len(value_n), STEPS, np.uint16)
        code_n[known_n] = np.round((value_n[known_n] - low) / step).astype(np.uint16)
        return self.add(code_n) | {"low": float(low), "step": step}
