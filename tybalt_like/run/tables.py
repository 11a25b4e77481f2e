"""The tables of a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from tybalt_like import io
from tybalt_like.anomaly import scores as tables
from tybalt_like.core import keys
from tybalt_like.core.files import write_text
from tybalt_like.core.provenance import is_images, recorded
from tybalt_like.evaluation import EvaluationReport
from tybalt_like.report.run_contents import BASELINE
from tybalt_like.run import folder

if TYPE_CHECKING:
    from anndata import AnnData

    from tybalt_like.run.results import Results


def write_tables(found: Results, work: Path) -> None:
    shown, label = found.shown, found.recipe.data.label
    obs = shown.obs.rename_axis("sample")
    first = [keys.SPLIT] + ([label] if label else [])
    clinical = obs[first + [column for column in obs if column not in first]]
    latent = folder.latent_table(shown, found.name)
    weights = pd.DataFrame(
        found.adata.varm[keys.weights(found.name)].T,
        index=latent.columns.rename("feature"),
        columns=found.adata.var_names,
    )
    wide = tables.wide(found.scores)
    if found.everyone is not None:
        encoded = folder.latent_table(found.everyone, found.name)
        io.write_table(io.shortened(encoded), work / "all_latent.tsv.gz")
        scored = found.everyone.obs[first].rename_axis("sample").join(io.shortened(wide))
        io.write_table(scored, work / "all_scores.tsv.gz")
    wide = wide.reindex(obs.index)
    wide, short = io.shortened(wide), io.shortened(latent)  # clinical columns stay as they are
    io.write_table(pd.concat([clinical, short], axis=1), work / "latent.tsv.gz")
    io.write_table(pd.concat([obs[first], wide], axis=1), work / "scores.tsv")
    for table, name in (
        (weights, "gene_weights.tsv.gz"),
        (_embeddings(shown), "embeddings.tsv.gz"),
        (found.metrics().set_index("model"), "metrics.tsv"),
        (found.genes.set_index("sample"), "gene_scores.tsv.gz"),
        (found.closest, "closest_normal.tsv.gz"),
        (found.nearest.set_index("sample"), "closest_reference.tsv"),
    ):
        io.write_table(io.shortened(table), work / name)
    if keys.MEASURED in shown.obsm:
        io.write_table(io.shortened(_checks(shown)), work / "sample_checks.tsv")
    if not is_images(found.adata):
        io.write_table(io.shortened(found.gene_values), work / "gene_values.tsv.gz")
    if len(found.gene_sets):
        sets = io.shortened(found.gene_sets.set_index("sample"))
        io.write_table(sets, work / "gene_set_scores.tsv.gz")
    if found.evaluation is not None:
        _write_evaluation(found.evaluation, work)
    history = io.shortened(found.models[found.name].history.frame())
    io.write_table(history.set_index(history.columns[0]), work / "history.csv")
    write_text(work / "genes.txt", "".join(f"{gene}\n" for gene in found.adata.var_names))


def _checks(shown: AnnData) -> pd.DataFrame:
    """What the matrix itself tells of every sample, and why one could doubt it."""
    measured, read = shown.obsm[keys.MEASURED], recorded(shown)
    copies = {
        name: ", ".join(other for other in together if other != name)
        for together in read.get(keys.SAME, [])
        for name in together
    }
    checks: pd.DataFrame = measured.rename_axis("sample").assign(
        **{"same profile as": [copies.get(str(name), "") for name in measured.index]}
    )
    contradicted = read.get(keys.CONTRADICTED, [])
    return checks.assign(**{"contradicts its sex": checks.index.isin(contradicted)})


def _embeddings(shown: AnnData) -> pd.DataFrame:
    columns = {
        f"{of}_{method}_{axis + 1}": shown.obsm[key + end][:, axis]
        for of, end in (("latent", ""), ("genes", keys.OF_GENES))
        for method, key in (("umap", keys.UMAP), ("tsne", keys.TSNE))
        for axis in (0, 1)
        if key + end in shown.obsm
    }
    main_nk = shown.obsm[keys.latent(BASELINE)]
    if main_nk.shape[1] > 1:
        columns |= {f"genes_pca_{axis + 1}": main_nk[:, axis] for axis in (0, 1)}
    return pd.DataFrame(columns, index=shown.obs_names.rename("sample"))


def _write_evaluation(found: EvaluationReport, work: Path) -> None:
    io.write_table(io.shortened(found.table.set_index("encoder")), work / "evaluation.tsv")
    for table, name in (
        (found.genes, "evaluation_genes.tsv.gz"),
        (found.samples, "evaluation_samples.tsv.gz"),
        (found.features, "latent_features.tsv"),
    ):
        if len(table):
            io.write_table(io.shortened(table), work / name)
