"""Files that settings name: found from the recipe's folder, whatever was imported before."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tybalt_like.core.toml import tables_of
from tybalt_like.run.recipe import Recipe

RECIPE = """
data = { path = "m.tsv", obs = "/abs/c.tsv" }
scores.gene_sets = "sets.gmt"
compression.genesets = "sets.gmt"
perturbation.responses = "y.csv"
"""


@pytest.mark.slow
def test_every_file_of_a_recipe_is_beside_it(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(RECIPE)
    code = (
        "import json, sys; from pathlib import Path; from tybalt_like.core.toml import tables_of; "
        "print(json.dumps(tables_of(Path(sys.argv[1]))))"
    )
    command = [sys.executable, "-c", code, tmp_path / "mine.toml"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    tables = json.loads(done.stdout)
    assert tables["data"] == {"path": str(tmp_path / "m.tsv"), "obs": "/abs/c.tsv"}
    assert tables["scores"]["gene_sets"] == str(tmp_path / "sets.gmt")
    assert tables["compression"]["genesets"] == str(tmp_path / "sets.gmt")
    assert tables["perturbation"]["responses"] == str(tmp_path / "y.csv")


def test_known_gene_sets_are_no_file_of_the_recipe(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text('data.dataset = "tcga_brca"\nscores.gene_sets = "hallmark"\n')
    tables = tables_of(recipe)
    assert tables["scores"]["gene_sets"] == "hallmark"
    assert Recipe.from_tables(tables).inputs() == []
    (tmp_path / "hallmark").write_text("a\t\tX\n")  # a file of that name is meant
    assert tables_of(recipe)["scores"]["gene_sets"] == str(tmp_path / "hallmark")
