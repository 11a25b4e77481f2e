"""A sample table finds its samples, says how, and never guesses."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tybalt_like as ty
from tybalt_like.core.errors import DataError
from tybalt_like.core.provenance import recorded

N = 12
GENES = [f"ENSG{i:011d}" for i in range(30)]
IDS = [f"pat_{i:03d}" for i in range(N)]


@pytest.fixture
def joined(tmp_path: Path):
    """A matrix of such samples, with columns beside it, joined to such a table."""

    def join(names: list[str], table: pd.DataFrame | str, **beside: list[str]):
        frame = pd.DataFrame(np.arange(len(names) * 30.0).reshape(-1, 30), names, GENES)
        for column, cells in beside.items():
            frame.insert(0, column, cells)
        frame.to_csv(tmp_path / "m.csv", index_label="x")
        text = table if isinstance(table, str) else table.to_csv(index=False)
        (tmp_path / "clinical.csv").write_text(text)
        return ty.read(tmp_path / "m.csv", obs=tmp_path / "clinical.csv", genes_in="columns")

    return join


def table_of(ids: list[str], name: str = "id") -> pd.DataFrame:
    return pd.DataFrame({name: ids, "place": [f"ward {i}" for i in range(len(ids))]})


def notes(adata) -> str:
    return "\n".join(recorded(adata)["reading"]["notes"])


SPELLED = [
    ("pat_{:03d}", "PAT_{:03d}", "ignoring letter case"),
    ("/data/x/pat_{:03d}.sorted.bam", "pat_{:03d}", "ignoring paths and file endings"),
    ("star/p{}_ReadsPerGene.out.tab.gz", "p{}", "ignoring paths and file endings"),
    ("sal/p{}/quant.sf", "p{}", "ignoring paths and file endings"),
    ("p{}Aligned.sortedByCoord.out.bam", "p{}", "ignoring paths and file endings"),
    ("p{}.counts", "p{}", "ignoring paths and file endings"),
    ("X{}.01A", "{}-01A", "as R writes names"),
    ("a.{}", "a {}", "as R writes names"),
    ("p{}_v1", "P{}-V1", "as R writes names and ignoring letter case"),
    ("pat_{}", "pat  {}", "taking blanks and underscores for the same"),
    ("{:03d}", "{}", "as numbers"),
    ("{:05d}", "{}.0", "as numbers"),
    ("P{}.bam", "p{}", "ignoring paths and file endings and ignoring letter case"),
    ("TCGA-A1-{:04d}-01A", "tcga.a1.{:04d}", "by the first 12 characters of TCGA barcodes"),
]


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(("mine", "theirs", "words"), SPELLED)
def test_a_difference_of_spelling_is_overcome_and_named(
    joined, mine: str, theirs: str, words: str, turned: bool
) -> None:
    if turned:
        mine, theirs = theirs, mine
    order = np.random.default_rng(0).permutation(N)
    table = table_of([theirs.format(i) for i in order])
    adata = joined([mine.format(i) for i in range(N)], table)
    where = {f"ward {j}": i for j, i in enumerate(order)}
    assert [where[place] for place in adata.obs["place"]] == list(range(N))
    assert f"{N} of {N} samples found in column 'id' of clinical.csv, {words} (" in notes(adata)
    assert adata.obs["id"].tolist() != list(adata.obs_names)  # as the table spells it


def test_equal_ids_come_first_and_the_rest_is_counted(joined) -> None:
    adata = joined(IDS, table_of([*IDS[:10], *(name.upper() for name in IDS[10:])]))
    assert "10 by whole ids, 2 ignoring letter case (pat_010 = PAT_010" in notes(adata)
    adata = joined(["a1", "A1", *IDS], table_of(["A1", *IDS]))
    assert adata.obs.loc["A1", "place"] == "ward 0"
    assert recorded(adata)["reading"]["samples_without_row"] == ["a1"]


@pytest.mark.parametrize(
    ("names", "rows", "message"),
    [
        (["aB", "Ab"], ["AB"], "samples 'aB' and 'Ab' would share row 1 .'AB'., ignoring letter"),
        (["ab"], ["AB", "Ab"], "sample 'ab' may be any of rows 1 and 2 .'AB', 'Ab'., ignoring"),
        (["007", "7"], ["7.0"], "samples '007' and '7' would share row 1 .'7.0'., as numbers"),
    ],
)
def test_what_is_ambiguous_is_refused_and_both_are_named(joined, names, rows, message) -> None:
    with pytest.raises(DataError, match=message):
        joined(names, table_of(rows))
    adata = joined(names + IDS, table_of(rows + IDS))  # whole ids find most: these stay alone
    assert recorded(adata)["reading"]["samples_without_row"] == names
    assert "not done: " in notes(adata)


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(ids=st.lists(st.text("aAbB01._- X", min_size=1, max_size=5), min_size=2, unique=True))
def test_no_row_goes_to_two_samples(ids: list[str]) -> None:
    from tybalt_like.io.samples import SampleTable

    half = len(ids) // 2
    table = SampleTable.of(pd.DataFrame({"id": ids[half:]}))
    try:
        match = table.match(ids[:half] or ids[:1], pd.DataFrame())
    except DataError:
        return
    used = [row for row in match.rows if row >= 0]
    assert len(used) == len(set(used)) == match.hits > 0


def test_a_column_beside_the_matrix_joins_where_names_do_not(joined) -> None:
    names = [f"CDS-{i}" for i in range(N)]
    adata = joined(names, table_of(IDS), ModelID=IDS)
    assert "in column 'id' of clinical.csv through the matrix's own 'ModelID'" in notes(adata)
    assert adata.obs["place"].tolist() == [f"ward {i}" for i in range(N)]
    batches = pd.DataFrame({"batch": ["b1", "b2"], "place": ["x", "y"]})
    adata = joined(names, batches, batch=["b1", "b2"] * (N // 2))
    assert adata.obs["place"].tolist() == ["x", "y"] * (N // 2)
    assert "rows there that several samples have: 2 (b1, b2)" in notes(adata)
    with pytest.raises(DataError, match="no sample of the matrix"):  # equal by chance
        joined(names, batches.rename(columns={"batch": "arm"}), sex=["b1", "b2"] * (N // 2))


def test_names_of_samples_come_before_other_columns(joined) -> None:
    adata = joined(IDS, table_of(IDS[:8]), patient=IDS[::-1])
    assert recorded(adata)["reading"]["samples_without_row"] == IDS[8:]


def test_repeated_rows_are_one_and_contradictions_are_refused(joined) -> None:
    table = table_of(IDS)
    adata = joined(IDS, pd.concat([table, table[:3]]).reset_index().drop(columns="index"))
    assert "rows there that repeat another one, left out: 3" in notes(adata)
    other = pd.concat([table, table[:3].assign(place="elsewhere")])
    message = (
        r"'pat_000' has 2 rows in column 'id' \(1 and 13 below the header\).*'place' \(ward 0 and"
    )
    with pytest.raises(DataError, match=message):
        joined(IDS, other)
    numbered = pd.concat([table, table[:3]], ignore_index=True).to_csv()  # rows that pandas counts
    assert joined(IDS, numbered).obs["place"].notna().all()


def test_samples_of_whom_the_table_says_the_same_are_not_repeats(joined) -> None:
    """Ids in a column without a name, as R writes them; samples named by their number."""
    for names in (IDS, [str(i) for i in range(N)]):
        frame = pd.DataFrame({"sex": ["F"] * N, "age": [50] * N}, index=names)
        for text in (frame.to_csv(), frame.to_csv().removeprefix(",")):  # the latter as R does
            adata = joined(names, text)
            assert adata.obs["age"].tolist() == [50] * N
            assert "repeat" not in notes(adata)


def test_near_names_are_proposed(joined) -> None:
    with pytest.raises(DataError, match=r"are these the same: 'pat_000' and 'patient_000'") as no:
        joined(IDS, table_of([name.replace("pat", "patient") for name in IDS]))
    assert str(no.value).count(" and 'patient_") == 3


def test_few_joined_samples_are_a_warning(joined) -> None:
    reading = recorded(joined(IDS, table_of(IDS[:3])))["reading"]
    assert reading["warnings"] == [
        f"Only 3 of {N} samples have a row in clinical.csv; what it says of the others is missing."
    ]
    assert recorded(joined(IDS, table_of(IDS[:6])))["reading"]["warnings"] == []


def test_columns_in_both_are_the_tables_and_said(joined) -> None:
    adata = joined(IDS, table_of(IDS), place=["here"] * N)
    assert "columns of the matrix that the table replaces: 1 (place)" in notes(adata)
    assert adata.obs["place"].tolist() == [f"ward {i}" for i in range(N)]


def test_similar_ids_tell_the_orientation_too(tmp_path: Path) -> None:
    """R's names in the columns, genes whose names say nothing in the rows."""
    frame = pd.DataFrame(np.ones((N, N)), [f"b{i}" for i in range(N)])
    frame.columns = [f"X{i}.01A" for i in range(N)]
    frame.to_csv(tmp_path / "m.tsv", sep="\t")
    adata = ty.read(tmp_path / "m.tsv", obs=table_of([f"{i}-01A" for i in range(N)]))
    assert adata.obs_names[0] == "X0.01A"
