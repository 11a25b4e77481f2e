"""Proposed names of latent features, each with the evidence for it."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tybalt_like.genes.alignment import align_table
from tybalt_like.genes.human_genes import CHROMOSOME, human
from tybalt_like.genes.sex_genes import X_GENES, Y_GENES
from tybalt_like.interpretation.associations import CLASSES, NUMBERS, SAMPLES, WHOLE, WITHIN
from tybalt_like.interpretation.enrichment import FDR, HIGH

if TYPE_CHECKING:
    import pandas as pd

SEX, COLUMN, GENE_SET, GENES = "sex", "column", "gene set", "genes"
SEE = " (see "
"""Before the feature that goes better with a column."""
N_STRONGEST, LEAST_SEX = 10, 2
"""A feature is sex if so many of its so many strongest genes are sex genes. Of 5,000 genes with the
eleven that tell the sex, ten at random hold two in 2 cases of 10,000."""
HALF, AUROC, RHO = 0.5, 0.9, 0.7
"""A column names a feature that shares half of its variance with it, eta squared of .5 or a
correlation of .7; or of which one level is told from the others with an AUROC of .9, "outstanding"
to Hosmer & Lemeshow (2000), and about half of the variance of two equal groups of normal values."""
TAIL_SHARE = FDR / 2
"""A gene set names a tail that is over-represented as is one tail of random directions in 40, one
random direction in 20."""
APART, LEAST_APART = 5.0, 3
"""A few genes name a feature if as many of a tail are so many standard deviations from the mean;
of 20,000 normal effects .01 are expected there."""
N_OTHERS = 3
"""Further columns that are told."""
MOST_SEEDS = 0.5
"""Features found in a larger share of the other seeds get a name."""
COLUMNS = ["name", "why", "kind"]
ABBREVIATIONS = frozenset(("AKT", "DNA", "ER", "JAK", "NFKB", "RNA", "TGF", "TNFA", "UV"))
_COLLECTION = re.compile(
    r"(HALLMARK|REACTOME|KEGG|KEGG_MEDICUS|BIOCARTA|PID|WP|GO|GOBP|GOCC|GOMF|HP)_"
)
_IDENTIFIER = re.compile(r"\s*(R-[A-Z]{3}-\d+|\(?GO:\d{7}\)?|WP\d+|hsa\d{5})$")


class _Evidence(NamedTuple):
    """A name, what kind it is, the numbers behind it, and whether any other comes first."""

    name: str
    kind: str
    why: str
    last: bool = False


def names(
    genes: pd.DataFrame,
    associations: pd.DataFrame,
    enrichment: pd.DataFrame,
    *,
    stability: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Name the features that something speaks for, by these rules, the first that holds:

    1. *sex*: two or more of its ten strongest genes are XIST or genes of the Y;
    2. *a sample column* that shares half of its variance (`HALF`, `AUROC`, `RHO`) at a q-value of
       5 %, if no other feature goes better with it, or with that level of it;
    3. *a gene set* that is over-represented in a tail as any is in one tail of random directions in
       40 (``p_tail``): of random directions themselves one in 20 gets a name in that way;
    4. *genes*: three or more of one tail beyond 5 SD, which are most of what the feature is;
    5. *a gene set*, no chromosome, that moves more than along random directions (``q_value`` of
       5 %);
    6. *a sample column* that another feature goes better with, which the name tells;

    and only if it was found in most other seeds. What else holds follows in ``why``.

    Parameters
    ----------
    genes
        As `tail_genes` gives them.
    associations, enrichment
        Tables of the functions so called; an empty table where there is nothing.
    stability
        Rows are features; ``found`` is the share of other seeds with the same one, NaN or no table
        if none was trained.

    Returns
    -------
    pandas.DataFrame
        A row for each feature of `genes`: ``name`` (empty if nothing speaks for one), ``why``, and
        ``kind``: ``"sex"``, ``"column"``, ``"gene set"``, ``"genes"`` or ``""``.
    """
    import pandas as pd

    known = list(genes["gene"].unique())
    sex_genes, symbols = _sex_genes(known), _symbols(known)
    by_feature = {name: _by_feature(table) for name, table in _usable(associations, enrichment)}
    found = {}
    told = {feature: _column(rows) for feature, rows in by_feature[COLUMN].items()}
    named = {one: said for one, said in told.items() if not _seen(stability, one) <= MOST_SEEDS}
    firsts = _firsts(named)
    for feature, tails in genes.groupby("feature", sort=False):
        sets = by_feature[GENE_SET].get(feature)
        evidence = [
            *_sex(tails, sex_genes),
            *([_beside(told[feature].evidence, feature, firsts)] if feature in told else []),
            *([] if sets is None else _gene_set(sets, symbols)),
            *_genes(tails, symbols),
        ]
        evidence.sort(key=lambda one: one.last + (one.last and one.kind == COLUMN))
        found[feature] = _judged(evidence, _seen(stability, feature))
    index = pd.Index(list(found), name="feature")
    return pd.DataFrame(list(found.values()), columns=COLUMNS, index=index)


def set_title(name: str) -> str:
    """What a gene set is about: ``HALLMARK_ESTROGEN_RESPONSE_EARLY`` is ``estrogen response
    early``, ``Mitotic Prophase R-HSA-68875`` is ``Mitotic Prophase``.

    Examples
    --------
    >>> from tybalt_like import interpretation
    >>> interpretation.set_title("HALLMARK_ESTROGEN_RESPONSE_EARLY")
    'estrogen response early'
    """
    bare = _IDENTIFIER.sub("", _COLLECTION.sub("", name, count=1))
    if bare.upper() != bare:
        return bare.replace("_", " ")
    symbols, plain = human().rows["symbol"], {"DN": "down", "UP": "up"}

    def word(text: str) -> str:
        kept = any(c.isdigit() for c in text) or text in ABBREVIATIONS or text in symbols
        return plain.get(text, text if kept else text.lower())

    return " ".join(map(word, bare.split("_")))


def _usable(associations: pd.DataFrame, enrichment: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The rows that can name something."""
    if len(associations):
        strong = np.where(
            associations["kind"] == NUMBERS,
            associations["value"].abs() >= RHO,
            (associations["auroc"] >= AUROC)
            | ((associations["kind"] == CLASSES) & (associations["value"] >= HALF)),
        )
        associations = associations[strong & (associations["q_value"] <= FDR)]
    if len(enrichment):
        moved, listed = enrichment["q_value"] <= FDR, enrichment["p_tail"] <= TAIL_SHARE
        # Genes of a chromosome move together a little for their base composition alone, too.
        of_genes = ~enrichment["set"].str.startswith(CHROMOSOME)
        enrichment = enrichment[(moved & of_genes) | listed]
    return [(COLUMN, associations), (GENE_SET, enrichment)]


def _by_feature(table: pd.DataFrame) -> dict[object, pd.DataFrame]:
    return dict(iter(table.groupby("feature", sort=False))) if len(table) else {}


def _sex_genes(known: Sequence[str]) -> dict[str, str]:
    """What the table calls the sex genes, and their symbols."""
    import pandas as pd

    wanted = (*X_GENES, *Y_GENES)
    places = align_table(pd.DataFrame(index=list(known)), wanted).columns
    return {known[row]: gene for gene, rows in zip(wanted, places, strict=True) for row in rows}


def _symbols(known: Sequence[str]) -> dict[str, str]:
    """Symbols by Ensembl or Entrez id, if the table names genes by these."""
    table, kind = human(), human().kind(known)
    if kind is None or kind == "symbol":
        return {}
    return {gene: table.names["symbol"][row] for gene, row in table.rows[kind].items()}


def _sex(tails: pd.DataFrame, sex_genes: dict[str, str]) -> list[_Evidence]:
    strongest = tails.loc[tails["z"].abs().sort_values(ascending=False).index].head(N_STRONGEST)
    symbols = [sex_genes[gene] for gene in strongest["gene"] if gene in sex_genes]
    if len(symbols) < LEAST_SEX:
        return []
    first = [gene for gene in X_GENES if gene in symbols]
    shown = [*first, *(gene for gene in symbols if gene not in first)][:2]
    high = tails[tails["high"]]["gene"]
    among = sum(gene in sex_genes for gene in high)
    why = (
        f"{len(symbols)} of the {len(strongest)} strongest genes are XIST or of the Y, "
        f"{among} of {len(high)} with a high weight"
    )
    return [_Evidence(f"sex ({', '.join(shown)})", SEX, why)]


class _Column(NamedTuple):
    """What a sample column says of a feature, and how surely."""

    evidence: _Evidence
    strength: float


def _firsts(told: Mapping[object, _Column]) -> dict[str, object]:
    """For each name that columns propose, the feature that goes best with it."""
    order = sorted(told, key=lambda feature: -told[feature].strength)
    return {told[feature].evidence.name: feature for feature in reversed(order)}


def _beside(evidence: _Evidence, feature: object, firsts: Mapping[str, object]) -> _Evidence:
    """As it is for the feature that goes best with the column; a late resort for others."""
    first = firsts.get(evidence.name, feature)  # none, if no training but this one has any
    if feature == first:
        return evidence
    return evidence._replace(name=f"{evidence.name}{SEE}{first})", last=True)


def _column(rows: pd.DataFrame) -> _Column:
    """Of the column with the smallest p-value, the strongest where several are 0; others that go
    with the feature as well are told, because columns go together."""
    strength = rows["auroc"].fillna(rows["value"].abs())
    ordered = rows.loc[strength.sort_values(ascending=False).index]
    best, *others = ordered.sort_values("p_value", kind="stable").to_dict("records")
    name, said = _called(best), f"{best['measure']} {best['value']:.2f}"
    if best["kind"] == CLASSES and best["auroc"] < AUROC:
        said += f"; {best['level']} is {best['direction']}est"
    elif best["kind"] == CLASSES:
        said = f"AUROC {best['auroc']:.2f}, {best['direction']}"
    units = {SAMPLES: "samples", WHOLE: "groups", WITHIN: "samples within groups"}[best["unit"]]
    why = f"{best['column']}: {said}, q {best['q_value']:.1g}, {best['n']} {units}"
    if others:
        why += f"; also {', '.join(_called(row) for row in others[:N_OTHERS])}"
    if others[N_OTHERS:]:
        why += f" and {len(others) - N_OTHERS} more"
    return _Column(_Evidence(name, COLUMN, why), float(strength.loc[rows.index].max()))


def _called(row: Mapping[Hashable, Any]) -> str:
    """A column, and the level that is told from the others."""
    column, level = str(row["column"]), str(row["level"])
    grouped = row["kind"] != NUMBERS and row["auroc"] >= AUROC
    if not grouped or level.lower() in ("true", "yes"):
        return column
    return f"{column} {level}" if level.replace(".", "").isdigit() else f"{column}: {level}"


def _gene_set(rows: pd.DataFrame, symbols: Mapping[str, str]) -> list[_Evidence]:
    """Of the sets that are in a tail, those first that move as well, or else of those that only
    move, the one with the smallest p-value."""
    moved, listed = rows["q_value"] <= FDR, rows["p_tail"] <= TAIL_SHARE
    kinds = ((moved & listed, "p_over"), (listed, "p_over"), (moved, "p_value"))
    which, order = next((which, order) for which, order in kinds if which.any())
    best = rows[which].sort_values(order, kind="stable").iloc[0]
    title, why = set_title(str(best["set"])), []
    if best["p_tail"] <= TAIL_SHARE:
        why.append(
            f"{best['overlap']} of its {best['n_genes']} genes are in the {best['tail']} tail, as "
            f"of any set in {best['p_tail']:.1%} of random tails"
        )
    if best["q_value"] <= FDR:
        side = "up" if best["tail"] == HIGH else "down"
        why.append(
            f"its genes move {side}, {best['z']:.1f} times as far as along random directions, q "
            f"{best['q_value']:.1g}"
        )
    name = title
    if title.startswith(CHROMOSOME):  # which part of it, its genes tell
        first = str(best["leading_edge"]).split()[:LEAST_APART]
        name += f" ({', '.join(symbols.get(gene, gene) for gene in first)})"
    return [_Evidence(name, GENE_SET, f"{title}: {'; '.join(why)}", last=not listed.any())]


def _genes(tails: pd.DataFrame, symbols: Mapping[str, str]) -> list[_Evidence]:
    for tail, rows in tails.groupby("tail", sort=False):
        far = rows[rows["z"].abs() >= APART].sort_values("z", key=abs, ascending=False)
        if len(far) >= LEAST_APART:
            shown = [symbols.get(gene, gene) for gene in far["gene"].head(LEAST_APART)]
            why = f"{len(far)} genes of the {tail} tail are beyond {APART:.0f} SD"
            return [_Evidence(", ".join(shown), GENES, why)]
    return []


def _seen(stability: pd.DataFrame | None, feature: object) -> float:
    """Share of other seeds with the feature; NaN if there were none."""
    if stability is None or feature not in stability.index:
        return float("nan")
    return float(stability["found"].to_dict()[feature])


def _judged(evidence: Sequence[_Evidence], found: float) -> tuple[str, str, str]:
    """Name, reasons and kind."""
    why = [one.why for one in evidence]
    if not evidence:
        return "", "", ""
    if np.isnan(found):
        return evidence[0].name, ". ".join([*why, "not checked over seeds"]), evidence[0].kind
    seeds = f"found in {found:.0%} of other seeds"
    if found <= MOST_SEEDS:
        return "", ". ".join([f"{seeds}, so without a name", *why]), ""
    return evidence[0].name, ". ".join([*why, seeds]), evidence[0].kind
