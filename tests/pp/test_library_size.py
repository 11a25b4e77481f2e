"""Counts of differently deep samples are made comparable as DESeq2 and edgeR do it."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import gmean

import tybalt_like as ty
from tybalt_like import pp
from tybalt_like.core.errors import DataError


def factors(adata: AnnData, library: str, *, train=None) -> np.ndarray:
    """What the counts of each sample were divided by."""
    settings = pp.Normalisation(units="counts", library=library, log="no", scale="none")
    train = np.ones(adata.n_obs, bool) if train is None else train
    normaliser = pp.Normaliser.fit(adata, settings, train=train)
    result = normaliser.transform(adata)
    counts, values = result.layers["counts"].astype(float), result.X.astype(float)
    return np.array([np.median(c[c > 0] / v[c > 0]) for c, v in zip(counts, values, strict=True)])


def deseq2(counts_ng: np.ndarray) -> np.ndarray:
    """Equation 5 of Anders & Huber (2010), the median taken of logarithms as DESeq2 does."""
    everywhere = counts_ng[:, (counts_ng > 0).all(axis=0)]
    return np.exp(np.median(np.log(everywhere / gmean(everywhere, axis=0)), axis=1))


@pytest.mark.parametrize(
    "file", ["geuvadis_counts/counts.tsv.gz", "kremer_counts/KremerNBaderSmall.tsv.gz"]
)
def test_median_of_ratios_is_that_of_deseq2(file, shared_data):
    adata = ty.read(shared_data / file)
    found = factors(adata, "median_of_ratios")
    np.testing.assert_allclose(found, deseq2(adata.X.astype(float)), rtol=1e-6)


@pytest.mark.parametrize(
    ("library", "column"), [("median_of_ratios", "sizeFactor"), ("tmm", "norm.factors")]
)
def test_factors_are_those_of_the_r_packages(library, column, shared_data):
    adata = ty.read(shared_data / "geuvadis_counts" / "counts.tsv.gz")
    r = pd.read_csv(shared_data / "geuvadis_counts" / "samples.csv", index_col=0)
    r = r.loc[adata.obs_names]
    found = factors(adata, library)
    if library == "tmm":  # edgeR's factor scales the library size
        found = found * 1e6 / r["lib.size"]
    np.testing.assert_allclose(found, r[column], rtol=1e-6)


def test_new_samples_are_compared_with_training(shared_data):
    adata = ty.read(shared_data / "geuvadis_counts" / "counts.tsv.gz")
    train = np.arange(50)
    counts = adata.X.astype(float)
    used = (counts[train] > 0).all(axis=0)
    ratio = counts[:, used] / gmean(counts[train][:, used], axis=0)
    ratio[counts[:, used] == 0] = np.nan
    expected = np.exp(np.nanmedian(np.log(ratio), axis=1))
    found = factors(adata, "median_of_ratios", train=train)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


count_matrices = arrays(np.int64, (6, 30), elements=st.integers(1, 5000))


@given(counts=count_matrices, depth=st.integers(2, 50), row=st.integers(0, 5))
def test_deeper_sequencing_changes_nothing_but_the_factor(counts, depth, row):
    """Multiplying a sample by a number leaves its normalised values where they were."""
    deeper = counts.copy()
    deeper[row] *= depth
    cohort = np.vstack([counts, deeper[row]]).astype(np.float32)
    cohort[:, 0] += np.arange(len(cohort))  # so that at least one gene varies
    adata = AnnData(cohort)
    cohort[-1, 0] = cohort[row, 0] * depth
    for library in ("cpm", "median_of_ratios", "tmm"):
        settings = pp.Normalisation(units="counts", library=library, log="no", scale="none")
        result = pp.Normaliser.fit(adata, settings, train=range(6)).transform(adata).X
        np.testing.assert_allclose(result[-1], result[row], rtol=0.1 if library == "tmm" else 1e-5)


def test_cpm_adds_up_to_a_million_and_empty_samples_stay_empty():
    counts = np.array([[5, 15, 0], [100, 0, 300], [0, 0, 0], [1, 2, 3]], np.float32)
    settings = pp.Normalisation(units="counts", library="cpm", log="no", scale="none")
    result = pp.Normaliser.fit(AnnData(counts), settings, train=[0, 1, 3]).transform(
        AnnData(counts)
    )
    np.testing.assert_allclose(result.X.sum(1), [1e6, 1e6, 0, 1e6], rtol=1e-6)


def test_median_of_ratios_needs_a_gene_that_all_samples_express():
    settings = pp.Normalisation(library="median_of_ratios")
    with pytest.raises(DataError, match=r"set normalize\.library to 'cpm'"):
        pp.Normaliser.fit(AnnData(100 * np.eye(4, dtype=np.float32)), settings, train=range(4))


def test_library_sizes_of_logged_values_are_refused():
    x = np.random.default_rng(0).normal(8, 2, (5, 20)).astype(np.float32)
    with pytest.raises(DataError, match="values look log2"):
        pp.Normaliser.fit(AnnData(x), pp.Normalisation(library="tmm"), train=range(5))
