"""Files of gene sets."""

import gzip
from pathlib import Path

import pytest

from tybalt_like import io
from tybalt_like.core.errors import DataError
from tybalt_like.io import datasets


def test_real_gene_sets_are_read(shared_data) -> None:
    sets = io.read_gmt(shared_data / "genesets" / "msigdb_h.all.v7.5.1.symbols.gmt.gz")
    assert len(sets) == 50
    early = sets["HALLMARK_ESTROGEN_RESPONSE_EARLY"]
    assert len(early) == 200
    assert {"GREB1", "PGR", "TFF1"} <= set(early)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\tb\tX\tY\n\nno genes\tb\n", "line 3: no gene set"),
        ("a,b,X\n", "line 1: no gene set"),
        ("a\tb\tX\na\tb\tY\n", "line 2: gene set 'a' occurs twice"),
        ("\n\n", "no gene sets in it"),
    ],
)
def test_what_is_no_gmt_is_refused(tmp_path, text, message) -> None:
    file = tmp_path / "sets.gmt"
    file.write_text(text)
    with pytest.raises(DataError, match=message):
        io.read_gmt(file)


def test_known_gene_sets_are_read_by_name(shared_data, monkeypatch) -> None:
    monkeypatch.setenv("TYBALT_LIKE_DATA", str(shared_data))
    sets = io.read_gmt("hallmark")
    assert sets == io.read_gmt(shared_data / "genesets" / "msigdb_h.all.v7.5.1.symbols.gmt.gz")
    assert len(io.read_gmt("reactome_2022")) == 1818
    with pytest.raises(DataError, match=r"hallmrk: no such file, .*known are hallmark, reactome"):
        io.read_gmt("hallmrk")
    with pytest.raises(DataError, match="hallmark holds gene sets, no matrix"):
        datasets.load("hallmark")


def test_known_gene_sets_are_fetched(shared_data, monkeypatch, tmp_path) -> None:
    """As MSigDB offers them, not compressed."""
    packed = shared_data / "genesets" / "msigdb_h.all.v7.5.1.symbols.gmt.gz"

    def retrieve(url: str, _: str | None, fname: str, path: Path) -> str:
        assert url.endswith("h.all.v7.5.1.symbols.gmt")
        path.mkdir(parents=True)
        (path / fname).write_bytes(gzip.decompress(packed.read_bytes()))
        return str(path / fname)

    monkeypatch.delenv("TYBALT_LIKE_DATA", raising=False)
    monkeypatch.setattr("pooch.os_cache", lambda _: tmp_path / "cache")
    monkeypatch.setattr("pooch.retrieve", retrieve)
    assert io.read_gmt("hallmark") == io.read_gmt(packed)


def test_gmt_genes_are_kept_once_and_in_order(tmp_path) -> None:
    file = tmp_path / "sets.gmt"
    file.write_bytes(b"a\t\tX\tY\tX\t\t\r\nb\thttp://x\tZ\r\n")
    assert io.read_gmt(file) == {"a": ("X", "Y"), "b": ("Z",)}
