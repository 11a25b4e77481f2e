"""What is seen in a matrix before anything is done to it."""

import numpy as np
import pytest
from anndata import AnnData
from scipy import sparse

import tybalt_like as ty
from tybalt_like import pp
from tybalt_like.core.errors import DataError

REAL = {
    "airway_counts/airway_counts.h5ad": "counts",
    "all_leukaemia/all_leukaemia.h5ad": "log2",
    "bladder_batch/bladder_batch.h5ad": "log2",
    "celltypist_demo/celltypist_demo.h5ad": "counts",
    "cptac_ucec/transcriptomics_linear.cct.gz": "log2",
    "dlbcl_chop/dlbcl_chop.h5ad": "log2",
    "ecoli_precise/ecoli_precise.h5ad": "log2",
    "geuvadis_counts/counts.tsv.gz": "counts",
    "kang_ifnb/kang_ifnb.h5ad": "counts",
    "kremer_counts/KremerNBaderSmall.tsv.gz": "counts",
    "l1000_a375/LJP005_A375_24H_X1_n377x978.gct.gz": "log2",
    "lung_gordon/lung_gordon.h5ad": "raw_intensity",
    "nci60/nci60.h5ad": "log_ratio",
    "pbmc68k_reduced/10x_pbmc68k_reduced.h5ad": "z_scored",
    "rat_liver_toxicity/rat_liver_toxicity.h5ad": "log_ratio",
    "srbct_khan/srbct_khan.h5ad": "log_ratio",
    "tcga_brca/tcga_brca.h5ad": "log2",
    "tggates_hepatocyte/tggates_hepatocyte.h5ad": "log2",
    "tissue_dslabs/tissue_gene_expression.csv.gz": "log2",
}


@pytest.mark.parametrize(("file", "scale"), REAL.items(), ids=[f.split("/")[0] for f in REAL])
def test_scale_of_real_files(file, scale, shared_data):
    assert pp.inspect(ty.read(shared_data / file)).scale == scale


def simulated(kind: str, n: int = 40, g: int = 500) -> np.ndarray:
    rng = np.random.default_rng(0)
    counts = rng.poisson(rng.gamma(0.4, 100, g) * rng.gamma(5, 0.2, (n, 1))).astype(float)
    tpm = counts / counts.sum(1, keepdims=True) * 1e6
    expected = counts + (rng.random((n, g)) < 0.4) * rng.random((n, g)) * (counts > 0)
    log = np.log2(tpm + 0.001)  # as UCSC's Toil: two fifths of the values are negative
    z = (log - log.mean(0)) / log.std(0)
    return {
        "whole counts": counts,
        "expected counts": expected,
        "one sample of counts": counts[:1],
        "TPM": tpm,
        "FPKM of quiet genes": tpm / tpm.max() * 40,
        "log2 TPM + 0.001": log,
        "log1p": np.log1p(tpm / 100),
        "z-scores": z,
        "zero to one": (log - log.min(0)) / np.ptp(log, 0).clip(1e-9),
        "log ratios": rng.normal(0, 0.6, (n, g)),
        "intensities below background": rng.normal(30, 40, (n, g)) + counts,
    }[kind]


@pytest.mark.parametrize(
    ("kind", "scale"),
    [
        ("whole counts", "counts"),
        ("expected counts", "counts"),
        ("one sample of counts", "counts"),
        ("TPM", "linear"),
        ("FPKM of quiet genes", "linear"),
        ("log2 TPM + 0.001", "log2"),
        ("log1p", "log2"),
        ("z-scores", "z_scored"),
        ("zero to one", "zero_one"),
        ("log ratios", "log_ratio"),
        ("intensities below background", "raw_intensity"),
    ],
)
def test_scale_of_simulated_values(kind, scale):
    found = pp.inspect(AnnData(simulated(kind).astype(np.float32)))
    assert found.scale == scale, found.evidence


def awkward() -> AnnData:
    x = np.array([[1, 5, np.nan, 0, 2.5], [2, 5, np.nan, 0, np.nan], [3, 5, np.nan, 4, 1.5]])
    adata = AnnData(x.astype(np.float32))
    adata.var_names = ["TP53", "FLAT", "EMPTY", "TP53", "GAPS"]
    adata.obs_names = ["a", "b", "b"]
    return adata


def test_findings_count_and_name_what_is_awkward():
    found = pp.inspect(awkward())
    assert (found.n_missing, found.n_zero) == (4, 2)
    assert found.all_missing == ("EMPTY",)
    assert found.constant == ("FLAT",)
    assert found.duplicated_genes == ("TP53",)
    assert found.duplicated_samples == ("b",)
    text = "\n".join(found.lines())
    for word in ("3 samples x 5 genes", "EMPTY", "FLAT", "TP53", "26.7%"):
        assert word in text


def test_sparse_and_dense_are_found_alike():
    x = simulated("whole counts").astype(np.float32)
    assert pp.inspect(AnnData(sparse.csc_matrix(x))) == pp.inspect(AnnData(x))


def test_check_names_genes_that_cannot_be_used():
    adata = awkward()
    with pytest.raises(DataError, match=r"1 gene\(s\) have no value in any sample: EMPTY"):
        pp.check(pp.inspect(adata))
    adata.X[1, 0] = np.inf
    with pytest.raises(DataError, match="gene TP53, sample b"):
        pp.check(pp.inspect(adata), missing="drop_genes")


def test_check_refuses_repeated_and_too_few_samples():
    adata = AnnData(np.arange(6, dtype=np.float32).reshape(3, 2))
    adata.obs_names = ["a", "b", "b"]
    with pytest.raises(DataError, match="occur more than once: b"):
        pp.check(pp.inspect(adata))
    adata.obs_names = ["a", "b", "c"]
    with pytest.raises(DataError, match=r"3 sample\(s\), but at least 5"):
        pp.check(pp.inspect(adata), at_least=5)
    with pytest.raises(DataError, match="empty"):
        pp.inspect(adata[:, :0])


@pytest.mark.parametrize(
    ("file", "same"),
    [
        ("srbct_khan/srbct_khan.h5ad", [("sample_19", "sample_78")]),  # rounded differently
        (
            "tissue_dslabs/tissue_gene_expression.csv.gz",
            [(f"liver_{a}", f"liver_{b}") for a, b in ((15, 19), (16, 22), (17, 20), (18, 21))],
        ),
        (
            "ecoli_precise/ecoli_precise.h5ad",
            [tuple(f"pal__lyx_ale{i}__{r}" for i in (2, 4)) for r in (1, 2)],
        ),
        ("airway_counts/airway_counts.h5ad", []),  # four pairs of one donor
        ("tggates_hepatocyte/tggates_hepatocyte.h5ad", []),  # 292 groups of replicates, 196 genes
        ("kang_ifnb/kang_ifnb.h5ad", []),
    ],
    ids=lambda value: value.split("/")[0] if isinstance(value, str) else "",
)
def test_samples_that_public_cohorts_hold_twice(file, same, shared_data):
    assert list(pp.inspect(ty.read(shared_data / file)).same) == same


def test_a_copy_is_found_whatever_was_done_to_it():
    x = simulated("log1p")
    copies = np.stack([x[0], np.round(x[1], 2), x[3] + 0.05 * np.sin(np.arange(500))])
    adata = AnnData(np.concatenate([x, copies]).astype(np.float32))
    assert pp.inspect(adata).same == (("0", "40"), ("1", "41"))
    assert "samples with the same profile: 2 (0 = 40, 1 = 41)" in pp.inspect(adata).lines()


@pytest.mark.parametrize("values", ["TPM", "whole counts"])
def test_mixed_units_and_empty_samples_are_refused(values):
    logged, linear = simulated("log1p"), simulated(values)
    mixed = AnnData(np.concatenate([logged[:9], linear[9:]]).astype(np.float32))
    found = pp.inspect(mixed)
    assert found.other_units == tuple(map(str, range(9)))
    with pytest.raises(DataError, match="9 of 40 samples are on another scale"):
        pp.check(found)
    empty = AnnData(linear.astype(np.float32))
    empty.X[[3, 7]] = [[0], [np.nan]]
    with pytest.raises(DataError, match=r"2 sample\(s\) have no value but 0: 3, 7"):
        pp.check(pp.inspect(empty), missing="drop_genes")


def test_cells_of_different_depth_are_on_one_scale(shared_data):
    for file in ("kang_ifnb/kang_ifnb.h5ad", "celltypist_demo/celltypist_demo.h5ad"):
        adata = ty.read(shared_data / file)
        assert not pp.inspect(adata).other_units
        linear = adata.X.toarray() / adata.X.sum(1) * 1e4
        assert not pp.inspect(AnnData(np.asarray(linear, np.float32))).other_units


def test_what_are_hardly_counts_is_said() -> None:
    counts = simulated("whole counts").astype(np.float32)
    assert not pp.inspect(AnnData(counts)).doubts
    (said,) = pp.inspect(AnnData(counts * 101)).doubts
    assert "all are multiples of 101" in said
    uneven = np.rint(counts * np.random.default_rng(0).uniform(1e5, 2e5, counts.shape))
    (said,) = pp.inspect(AnnData(uneven.astype(np.float32))).doubts
    assert "half of the samples have more than" in said


def test_genes_that_became_dates_are_named() -> None:
    adata = AnnData(simulated("log1p", g=6).astype(np.float32))
    adata.var_names = ["TP53", "2-Sep", "1-Mar", "Oct-04", "2001-03-01 00:00:00", "HLA-A"]
    assert pp.inspect(adata).dates == ("2-Sep", "1-Mar", "Oct-04", "2001-03-01 00:00:00")
