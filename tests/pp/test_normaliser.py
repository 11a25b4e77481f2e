"""A normalisation learns from training samples only and treats every sample on its own."""

import json

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

import tybalt_like as ty
from tybalt_like import genes, pp
from tybalt_like.core.errors import DataError, RecipeError
from tybalt_like.core.provenance import recorded

SETTINGS = [
    {},
    {"scale": "zscore", "select": "median_ad", "n_genes": 30},
    {"scale": "robust_z", "library": "median_of_ratios", "quantile": True},
    {"scale": "inverse_normal", "library": "tmm", "log": "log1p", "select": "variance"},
    {"scale": "none", "missing": "knn"},
    {"centre_by": "batch", "missing": "median"},
]


def cohort(n: int = 40, g: int = 60) -> AnnData:
    """Counts with a batch column; all genes vary and are expressed everywhere."""
    rng = np.random.default_rng(1)
    x = rng.poisson(rng.gamma(2, 200, g) * rng.gamma(9, 1 / 9, (n, g))) + 1
    obs = pd.DataFrame({"batch": ["a", "b"] * (n // 2)}, index=[f"S{i}" for i in range(n)])
    adata = AnnData(x.astype(np.float32), obs=obs)
    adata.var_names = [f"gene{i}" for i in range(g)]
    return adata


def logged(adata: AnnData) -> AnnData:
    return AnnData(np.log2(adata.X + 1), obs=adata.obs, var=adata.var)


TRAIN = np.arange(40) < 25


def fitted(adata: AnnData, **settings) -> pp.Normaliser:
    return pp.Normaliser.fit(adata, pp.Normalisation(**settings), train=TRAIN)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_saved_and_applied_to_single_samples_with_shuffled_genes(settings, tmp_path):
    adata = cohort()
    normaliser = fitted(adata, **settings)
    whole = normaliser.transform(adata)
    normaliser.save(tmp_path / "n.json")
    again = pp.Normaliser.load(tmp_path / "n.json")
    shuffled = adata[:, np.random.default_rng(0).permutation(adata.n_vars)].copy()
    for row in (0, 33):
        alone = again.transform(shuffled[[row]].copy())
        assert list(alone.var_names) == list(whole.var_names) == list(normaliser.genes)
        np.testing.assert_array_equal(alone.X, whole.X[[row]])
    assert whole.X.dtype == np.float32
    assert np.isfinite(whole.X).all()


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_nothing_is_learned_outside_the_training_rows(settings, tmp_path):
    adata, other = cohort(), cohort()
    other.X[~TRAIN] = other.X[~TRAIN] * 7 + 3
    for name, source in (("a", adata), ("b", other)):
        fitted(source, **settings).save(tmp_path / name)
    assert (tmp_path / "a").read_text() == (tmp_path / "b").read_text()


@pytest.mark.parametrize("settings", SETTINGS[:4], ids=str)
def test_sparse_counts_give_the_same_as_dense_ones(settings):
    adata = cohort()
    thin = AnnData(sparse.csr_matrix(adata.X.astype(np.int64)), obs=adata.obs, var=adata.var)
    a, b = fitted(adata, **settings).transform(adata), fitted(thin, **settings).transform(thin)
    np.testing.assert_array_equal(a.X, b.X)
    counts = b.layers["counts"]
    assert sparse.issparse(counts)
    assert counts.dtype == np.int64
    np.testing.assert_array_equal(counts.toarray(), adata[:, b.var_names].X)


def test_zero_one_spans_the_training_range_and_clips():
    adata = logged(cohort())
    adata.X[30, 3], adata.X[31, 3] = 99, -99
    result = fitted(adata).transform(adata)
    train = result.X[TRAIN]
    np.testing.assert_array_equal(train.min(0), 0)
    np.testing.assert_array_equal(train.max(0), 1)
    column = result[:, "gene3"].X
    assert (column[30, 0], column[31, 0]) == (1, 0)


def test_genes_are_those_of_the_tybalt_notebook(shared_data):
    """pandas' former `.mad()`: mean absolute deviation around the mean, in falling order."""
    adata = ty.read(shared_data / "tcga_brca" / "tcga_brca.h5ad")
    frame = adata.to_df().astype(float)
    mad = (frame - frame.mean()).abs().mean().sort_values(ascending=False)
    normaliser = pp.Normaliser.fit(adata, train=np.arange(adata.n_obs))
    # neighbours in the order may differ in the last digit of the sum
    assert set(normaliser.genes[:4990]) <= set(mad.index[:5000])
    assert normaliser.genes[:20] == tuple(mad.index[:20])
    median = (frame - frame.median()).abs().median().sort_values(ascending=False)
    settings = pp.Normalisation(select="median_ad", n_genes=20)
    assert set(pp.Normaliser.fit(adata, settings, train=np.arange(769)).genes) == set(
        median.index[:20]
    )


def test_genes_that_hardly_vary_can_be_kept():
    rng = np.random.default_rng(0)
    x_ng = rng.normal(8, 1 / np.arange(1, 51), size=(30, 50))
    x_ng[:, 49] = 8.0  # not at all: nothing can be learned of it
    adata = AnnData(x_ng, var=pd.DataFrame(index=[f"G{i}" for i in range(50)]))
    settings = pp.Normalisation(units="log2", n_genes=10, keep=("G48", "G3", "G49"))
    normaliser = pp.Normaliser.fit(adata, settings, train=np.arange(30))
    assert set(normaliser.genes) == {*(f"G{i}" for i in range(10)), "G48"}


def test_raw_intensities_are_floored_and_never_missing(shared_data):
    adata = ty.read(shared_data / "lung_gordon" / "lung_gordon.h5ad")
    assert (adata.X < 0).mean() > 0.2
    settings = pp.Normalisation(scale="none")
    result = pp.Normaliser.fit(adata, settings, train=np.arange(100)).transform(adata)
    assert np.isfinite(result.X).all()
    assert result.X.min() == np.float32(np.log2(20))
    with pytest.raises(DataError, match="below the floor of 90000"):
        pp.Normaliser.fit(adata, pp.Normalisation(floor=90000), train=np.arange(100))


def test_a_second_logarithm_is_refused_unless_overruled():
    adata = logged(cohort())
    with pytest.raises(DataError, match="look log2 already"):
        fitted(adata, log="yes")
    result = fitted(adata, log="yes", units="linear", scale="none").transform(adata)
    np.testing.assert_allclose(result[:, adata.var_names].X, np.log2(adata.X + 1), rtol=1e-6)


def test_samples_on_another_scale_are_refused():
    adata = cohort()
    with pytest.raises(DataError, match=r"look log2 .* but the training samples were counts"):
        fitted(adata).transform(logged(adata))
    with pytest.raises(DataError, match=r"look counts .* but the training samples were log2"):
        fitted(logged(adata)).transform(adata)


def test_missing_genes_hold_the_training_median_and_are_listed():
    adata = cohort()
    normaliser = fitted(logged(adata), scale="none")
    lacking = logged(adata)[:, [f"gene{i}" for i in range(60) if i not in (5, 17)]].copy()
    result = normaliser.transform(lacking)
    assert sorted(recorded(result)["normalisation"]["filled"]) == ["gene17", "gene5"]
    median = np.median(np.log2(adata.X[TRAIN, 5] + 1))
    np.testing.assert_allclose(result[:, "gene5"].X, median, rtol=1e-6)
    with pytest.raises(DataError, match=r"31 of the 60 trained genes \(52%\) are missing \(gene"):
        normaliser.transform(logged(adata)[:, :29].copy())


def test_missing_genes_are_missing_among_the_counts():
    adata = cohort()
    result = fitted(adata).transform(adata[:, 1:].copy())
    assert np.isnan(result[:, "gene0"].layers["counts"]).all()
    assert np.isfinite(result.X).all()


def with_gaps() -> AnnData:
    adata = logged(cohort())
    adata.X[[2, 30], [4, 7]] = np.nan
    return adata


def test_missing_values_are_refused_by_default():
    with pytest.raises(DataError, match="first in gene gene4, sample S2"):
        fitted(with_gaps())
    with pytest.raises(DataError, match="missing value in gene gene7, sample S30"):
        fitted(logged(cohort())).transform(with_gaps()[25:].copy())


def test_genes_with_missing_training_values_can_be_dropped():
    adata = with_gaps()
    normaliser = fitted(adata, missing="drop_genes")
    assert "gene4" not in normaliser.genes
    assert "gene7" in normaliser.genes
    with pytest.raises(DataError, match="gene7, sample S30"):
        normaliser.transform(adata)


def test_missing_values_are_imputed_from_training(tmp_path):
    from sklearn.impute import KNNImputer

    adata = with_gaps()
    median = fitted(adata, missing="median", scale="none").transform(adata)
    np.testing.assert_allclose(
        median[["S2", "S30"], ["gene4", "gene7"]].X.diagonal(),
        [np.nanmedian(adata.X[TRAIN, 4]), np.nanmedian(adata.X[TRAIN, 7])],
        rtol=1e-6,
    )
    normaliser = fitted(adata, missing="knn", scale="none")
    normaliser.save(tmp_path / "n.json")
    near = pp.Normaliser.load(tmp_path / "n.json").transform(adata)
    expected = KNNImputer(n_neighbors=5).fit(adata.X[TRAIN]).transform(adata.X)
    np.testing.assert_allclose(near[:, adata.var_names].X, expected, rtol=1e-5)


def test_genes_without_any_training_value_are_left_out():
    adata = logged(cohort())
    adata.X[:, 9] = np.nan
    normaliser = fitted(adata, missing="median")
    assert "gene9" not in normaliser.genes
    assert np.isfinite(normaliser.transform(adata).X).all()


def copies(how: str) -> tuple[pp.Normaliser, AnnData]:
    """gene0 twice: its own column, and three times as much."""
    adata = cohort()
    names = [*adata.var_names, "gene0"]
    twice = AnnData(np.hstack([adata.X, 3 * adata.X[:, :1]]), obs=adata.obs)
    twice.var_names = names
    return fitted(twice, duplicates=how, library="none", log="no", scale="none"), twice


@pytest.mark.parametrize(("how", "factor"), [("max_mean", 3), ("mean", 2), ("first", 1)])
def test_copies_of_a_gene_become_one(how, factor):
    normaliser, twice = copies(how)
    assert len(normaliser.genes) == len(set(normaliser.genes)) == 60
    result = normaliser.transform(twice)
    np.testing.assert_allclose(result[:, "gene0"].X, twice.X[:, :1] * factor)
    single = AnnData(twice.X[:, :60], obs=twice.obs, var=pd.DataFrame(index=twice.var_names[:60]))
    np.testing.assert_allclose(normaliser.transform(single)[:, "gene0"].X, twice.X[:, :1])


def test_copies_can_be_refused():
    with pytest.raises(DataError, match="occur more than once: gene0"):
        copies("refuse")


def test_a_given_list_replaces_the_selection():
    adata = cohort()
    assert fitted(adata, genes=("gene7", "gene2")).genes == ("gene7", "gene2")
    with pytest.raises(DataError, match="not in the matrix"):
        fitted(adata, genes=("gene7", "nonsense"))


def test_constant_genes_are_left_out():
    adata = logged(cohort())
    adata.X[TRAIN, 5] = 0.1 + 0.2
    normaliser = fitted(adata)
    assert "gene5" not in normaliser.genes
    adata.X[:] = 4
    with pytest.raises(DataError, match="no gene varies"):
        fitted(adata)


def test_batches_get_equal_training_means():
    adata = logged(cohort())
    second = (adata.obs["batch"] == "b").to_numpy()
    adata.X[second] += 2
    result = fitted(adata, centre_by="batch", scale="none").transform(adata).X
    means = [result[TRAIN & rows].mean(0) for rows in (second, ~second)]
    np.testing.assert_allclose(*means, atol=1e-5)
    stranger = adata[:3].copy()
    stranger.obs["batch"] = "c"
    with pytest.raises(DataError, match=r"batch 'c' .* has no training samples"):
        fitted(adata, centre_by="batch").transform(stranger)
    with pytest.raises(DataError, match="no column 'site'"):
        fitted(adata, centre_by="site")


def test_other_identifiers_give_the_same_values(shared_data):
    """Fitted on symbols; the same samples come with Ensembl and Entrez ids, in another order."""
    ensembl = ty.read(shared_data / "geuvadis_counts" / "counts.tsv.gz")
    mixed = ensembl[:, np.random.default_rng(0).permutation(ensembl.n_vars)].copy()
    symbols = genes.rename(ensembl, to="symbol")
    settings = pp.Normalisation(n_genes=2000)
    normaliser = pp.Normaliser.fit(symbols, settings, train=np.arange(60))
    expected = normaliser.transform(symbols).X
    for other in (mixed, genes.rename(mixed, to="entrez")):
        result = normaliser.transform(other)
        np.testing.assert_array_equal(result.X, expected)
        about = recorded(result)["normalisation"]
        assert about["filled"] == []
        assert about["found_under_other_names"] > 1900


def test_the_input_is_left_alone_and_annotations_come_along():
    adata = cohort()
    adata.var["length"] = np.arange(60.0)
    adata.obsm["X_pca"] = np.ones((40, 2))
    before = adata.X.copy()
    result = fitted(adata, n_genes=10).transform(adata)
    np.testing.assert_array_equal(adata.X, before)
    assert not adata.uns
    assert (result.var["length"] == [float(g.removeprefix("gene")) for g in result.var_names]).all()
    assert result.obs.equals(adata.obs)
    assert "X_pca" in result.obsm
    assert recorded(result)["normalisation"]["steps"] == ["cpm", "log2", "zero_one"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"scal": "zscore"}, "did you mean 'scale'"),
        ({"scale": "minmax"}, "choose one of: none, inverse_normal, robust_z, zero_one, zscore"),
        ({"n_genes": 0}, "at least 1"),
        ({"n_genes": "many"}, "normalize.n_genes"),
        ({"max_missing": 1.0}, "below 1"),
    ],
)
def test_settings_are_checked(table, message):
    with pytest.raises(RecipeError, match=message):
        pp.Normalisation.configure(**table)


def test_too_few_samples_and_infinite_values_are_refused():
    adata = logged(cohort())
    with pytest.raises(DataError, match=r"1 training sample\(s\)"):
        pp.Normaliser.fit(adata, train=[3])
    adata.X[3, 3] = np.inf
    with pytest.raises(DataError, match=r"infinite value\(s\), first in gene gene3, sample S3"):
        fitted(adata)


def test_foreign_files_are_no_normalisers(tmp_path):
    path = tmp_path / "n.json"
    with pytest.raises(DataError, match="no such file"):
        pp.Normaliser.load(path)
    fitted(cohort()).save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": 99}))
    with pytest.raises(DataError, match="schema 99, this version reads 1"):
        pp.Normaliser.load(path)
    path.write_text('{"schema": 1, "genes": []}')
    with pytest.raises(DataError, match="is damaged"):
        pp.Normaliser.load(path)
