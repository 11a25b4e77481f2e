"""Lists of genes as people keep them."""

import pytest

from tybalt_like.core.errors import DataError
from tybalt_like.io import read_gene_list


@pytest.mark.parametrize(
    "text",
    [
        "ERBB2\nGRB7\n",
        "# 17q12\nERBB2\n\nGRB7\nERBB2\n",
        "gene_symbol\nERBB2\nGRB7\n",
        "ncbi_id\tgene symbol\n2064\tERBB2\n2886\tGRB7\n",  # as hpo.jax.org exports them
        '"Gene","score"\r\n"ERBB2",1\r\n"GRB7",2\r\n',
        "\ufeffgene\nERBB2\nGRB7",
    ],
)
def test_genes_are_found_in_their_column(text: str, tmp_path) -> None:
    (tmp_path / "panel.txt").write_text(text, encoding="utf-8")
    assert read_gene_list(tmp_path / "panel.txt") == ("ERBB2", "GRB7")


def test_a_list_without_genes_is_refused(tmp_path) -> None:
    (tmp_path / "panel.txt").write_text("# nothing\ngene\n")
    with pytest.raises(DataError, match=r"panel\.txt: no genes in it"):
        read_gene_list(tmp_path / "panel.txt")
