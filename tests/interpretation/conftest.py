"""Cohorts and features that several tests explain."""

from pathlib import Path

import anndata
import numpy as np
import pytest
from principal import Features, components

from tybalt_like import io
from tybalt_like.genes.gene_sets import GeneSets


@pytest.fixture(scope="session")
def brca(shared_data: Path) -> Features:
    """Fifty components of 769 breast cancers."""
    adata = anndata.read_h5ad(shared_data / "tcga_brca" / "tcga_brca.h5ad")
    genes = adata.var["symbol"].astype(str).tolist()
    return components(np.asarray(adata.X, float), genes, adata.obs, k=50)


@pytest.fixture(scope="session")
def hallmark(shared_data: Path, brca: Features) -> GeneSets:
    gmt = shared_data / "genesets" / "msigdb_h.all.v7.5.1.symbols.gmt.gz"
    return GeneSets.within(brca.genes, io.read_gmt(gmt))
