"""The same small matrix in every format reads the same; real files read as their notes say."""

import bz2
import gzip
import lzma
import warnings
from collections.abc import Callable
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import sparse
from scipy.io import mmwrite

import tybalt_like as ty
from tybalt_like.core.errors import DataError
from tybalt_like.core.provenance import recorded

GENES = ["TP53", "GAPDH", "MYC", "KRAS", "BRCA1", "EGFR", "ACTB"]
SAMPLES = ["S001", "S002", "S003", "S004"]
X_NG = np.random.default_rng(0).integers(0, 50, (4, 7)).astype(np.float32)
X_NG[X_NG < 15] = 0
FRAME = pd.DataFrame(X_NG, index=SAMPLES, columns=GENES)
TSV = FRAME.T.to_csv(sep="\t", index_label="gene")


def reading(adata) -> dict:
    return recorded(adata)["reading"]


def dense(adata) -> np.ndarray:
    return adata.X if isinstance(adata.X, np.ndarray) else adata.X.toarray()


def packed(name: str, pack: Callable[[bytes], bytes]) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / name).write_bytes(pack(TSV.encode()))
        return folder / name

    return write


def bgzip(data: bytes) -> bytes:
    """Several gzip members, the last one empty, as bgzip writes."""
    return gzip.compress(data[:50]) + gzip.compress(data[50:]) + gzip.compress(b"")


def zstd(data: bytes) -> bytes:
    return pa.Codec("zstd").compress(data, asbytes=True)


def parquet(folder: Path) -> Path:
    ty.io.write_table(FRAME.T.rename_axis("gene"), folder / "m.parquet")
    return folder / "m.parquet"


def plain_parquet(folder: Path) -> Path:
    path = folder / "m.parquet"
    FRAME.rename_axis("sample").reset_index().astype({"TP53": "int64"}).to_parquet(
        path, index=False
    )
    return path


def h5ad(folder: Path) -> Path:
    ty.io.write_h5ad(anndata.AnnData(FRAME.astype("int32")), folder / "m.h5ad")
    return folder / "m.h5ad"


def zarr(folder: Path) -> Path:
    x = sparse.csc_matrix(X_NG)
    obs, var = pd.DataFrame(index=SAMPLES), pd.DataFrame(index=GENES)
    with warnings.catch_warnings(action="ignore"):  # anndata announces another default
        anndata.AnnData(x, obs=obs, var=var).write_zarr(folder / "m.zarr")
    return folder / "m.zarr"


def h5mu(folder: Path) -> Path:
    """As mudata writes it, with proteins beside the genes."""
    obs, var = pd.DataFrame(index=SAMPLES), pd.DataFrame(index=GENES)
    proteins = anndata.AnnData(np.ones((4, 1)), obs=obs, var=pd.DataFrame(index=["CD3"]))
    with h5py.File(folder / "m.h5mu", "w", userblock_size=512) as file:
        for name, one in {"rna": anndata.AnnData(X_NG, obs=obs, var=var), "prot": proteins}.items():
            anndata.io.write_elem(file.require_group("mod"), name, one)
        anndata.io.write_elem(file, "obs", obs.assign(**{"rna:x": 1.0, "donor": list("abab")}))
    with (folder / "m.h5mu").open("r+b") as raw:
        raw.write(b"MuData (format-version=0.1.0)")
    return folder / "m.h5mu"


def gct12(folder: Path) -> Path:
    frame = FRAME.T
    frame.insert(0, "Description", "a gene")
    path = folder / "m.gct"
    path.write_text("#1.2\n7\t4\n" + frame.to_csv(sep="\t", index_label="NAME"))
    return path


def series_matrix(folder: Path) -> Path:
    body = FRAME.T.to_csv(sep="\t", index_label="ID_REF", quoting=2)
    text = '!Series_title\t"A study"\n!Series_geo_accession\t"GSE1"\n\n'
    text += "!Sample_title" + "".join(f'\t"tumour {i}"' for i in range(4)) + "\n"
    text += '!Sample_characteristics_ch1\t"sex: F"\t"sex: M"\t"age: 61"\t"sex: F"\n'
    text += '!Sample_characteristics_ch1\t"age: 50"\t"age: 55.5"\t""\t"age: 70"\n'
    text += f"!series_matrix_table_begin\n{body}!series_matrix_table_end\n"
    path = folder / "GSE1_series_matrix.txt.gz"
    path.write_bytes(gzip.compress(text.encode()))
    return path


def tenx_h5(folder: Path) -> Path:
    """Version 3, with an antibody among the features."""
    x = sparse.csr_matrix(np.hstack([X_NG, np.ones((4, 1))]))
    with h5py.File(folder / "m.h5", "w") as file:
        group = file.create_group("matrix")
        for key, value in {"data": x.data, "indices": x.indices, "indptr": x.indptr}.items():
            group[key] = value
        group["shape"], group["barcodes"] = [8, 4], np.array(SAMPLES, "S")
        features = group.create_group("features")
        features["id"] = np.array([f"ENSG{i}" for i in range(8)], "S")
        features["name"] = np.array([*GENES, "CD3"], "S")
        features["feature_type"] = np.array(["Gene Expression"] * 7 + ["Antibody Capture"], "S")
    return folder / "m.h5"


def old_tenx_h5(folder: Path) -> Path:
    x = sparse.csr_matrix(X_NG)
    with h5py.File(folder / "m.h5", "w") as file:
        group = file.create_group("GRCh38")
        for key, value in {"data": x.data, "indices": x.indices, "indptr": x.indptr}.items():
            group[key] = value
        group["shape"], group["barcodes"] = [7, 4], np.array(SAMPLES, "S")
        group["genes"] = np.array([f"ENSG{i}" for i in range(7)], "S")
        group["gene_names"] = np.array(GENES, "S")
    return folder / "m.h5"


def mtx_folder(folder: Path) -> Path:
    mmwrite(folder / "matrix.mtx", sparse.coo_matrix(X_NG.T))
    (folder / "matrix.mtx.gz").write_bytes(gzip.compress((folder / "matrix.mtx").read_bytes()))
    (folder / "matrix.mtx").unlink()
    features = "".join(f"ENSG{i}\t{gene}\tGene Expression\n" for i, gene in enumerate(GENES))
    (folder / "features.tsv.gz").write_bytes(gzip.compress(features.encode()))
    (folder / "barcodes.tsv").write_text("\n".join(SAMPLES) + "\n")
    return folder


def loom(folder: Path) -> Path:
    with h5py.File(folder / "m.loom", "w") as file:
        file["matrix"] = X_NG.T
        file["row_attrs/Gene"] = np.array(GENES, "S")
        file["col_attrs/CellID"] = np.array(SAMPLES, "S")
        file["col_attrs/age"] = np.arange(4)
    return folder / "m.loom"


def feature_counts(folder: Path) -> Path:
    lines = ["# Program:featureCounts v2.0.3; Command:featureCounts -a genes.gtf"]
    bams = "\t".join(f"/data/{sample}Aligned.sortedByCoord.out.bam" for sample in SAMPLES)
    lines.append(f"Geneid\tChr\tStart\tEnd\tStrand\tLength\t{bams}")
    for i, gene in enumerate(GENES):
        counts = "\t".join(str(int(x)) for x in X_NG[:, i])
        lines.append(f"{gene}\tchr1;chr1\t1;5\t4;9\t+;+\t{i}\t{counts}")
    (folder / "counts.txt").write_text("\n".join(lines))
    return folder / "counts.txt"


def star(folder: Path) -> Path:
    for sample, x in zip(SAMPLES, X_NG, strict=True):
        rows = [
            f"N_{kind}\t9\t9\t9" for kind in ("unmapped", "multimapping", "noFeature", "ambiguous")
        ]
        rows += [f"{gene}\t{int(v) + 1}\t0\t{int(v)}" for gene, v in zip(GENES, x, strict=True)]
        (folder / f"{sample}_ReadsPerGene.out.tab").write_text("\n".join(rows))
    return folder


def gdc_star(folder: Path) -> Path:
    head = "gene_id\tgene_name\tgene_type\tunstranded\tstranded_first\tstranded_second\ttpm\n"
    for sample, x in zip(SAMPLES, X_NG, strict=True):
        rows = ["N_unmapped\t\t\t9\t9\t9\t\n"]
        rows += [f"{gene}\tA\tB\t{int(v)}\t0\t1\t0.5\n" for gene, v in zip(GENES, x, strict=True)]
        path = folder / f"{sample}.rna_seq.augmented_star_gene_counts.tsv"
        path.write_text("# gene-model: GENCODE v36\n" + head + "".join(rows))
    return folder


def htseq(folder: Path) -> Path:
    for sample, x in zip(SAMPLES, X_NG, strict=True):
        rows = [f"{gene}\t{int(v)}\n" for gene, v in zip(GENES, x, strict=True)]
        (folder / f"{sample}_counts.txt").write_text("".join([*rows, "__no_feature\t9\n"]))
    return folder


def gctx(folder: Path) -> Path:
    with h5py.File(folder / "m.gctx", "w") as file:
        file["0/DATA/0/matrix"] = X_NG
        file["0/META/COL/id"], file["0/META/ROW/id"] = np.array(SAMPLES, "S"), np.array(GENES, "S")
        file["0/META/COL/dose"] = np.arange(4.0)
    return folder / "m.gctx"


def rsem(folder: Path) -> Path:
    head = "gene_id\ttranscript_id(s)\tlength\teffective_length\texpected_count\tTPM\tFPKM\n"
    for sample, x in zip(SAMPLES, X_NG, strict=True):
        rows = (f"{gene}\tA,B\t9\t8.5\t{v}\t1\t2\n" for gene, v in zip(GENES, x, strict=True))
        (folder / f"{sample}.genes.results").write_text(head + "".join(rows))
    return folder


def salmon(folder: Path) -> Path:
    for sample, x in zip(SAMPLES, X_NG, strict=True):
        rows = (f"{gene}\t100\t90.5\t7.5\t{v}\n" for gene, v in zip(GENES, x, strict=True))
        (folder / sample).mkdir()
        text = "Name\tLength\tEffectiveLength\tTPM\tNumReads\n" + "".join(rows)
        (folder / sample / "quant.sf.gz").write_bytes(gzip.compress(text.encode()))
    return folder


def kallisto(folder: Path) -> Path:
    for sample, x in zip(SAMPLES, X_NG, strict=True):
        rows = (f"{gene}\t100\t90.5\t{v}\t7.5\n" for gene, v in zip(GENES, x, strict=True))
        (folder / sample).mkdir()
        text = "target_id\tlength\teff_length\test_counts\ttpm\n" + "".join(rows)
        (folder / sample / "abundance.tsv").write_text(text)
    return folder


WRITERS = {
    "delimited text": packed("m.tsv", bytes),
    "delimited text, gzip": packed("no_extension", gzip.compress),
    "delimited text, bgzip": packed("m.tsv.bgz", bgzip),
    "delimited text, bzip2": packed("m.txt.bz2", bz2.compress),
    "delimited text, xz": packed("m.xz", lzma.compress),
    "delimited text, zstd": packed("m.tsv.zst", zstd),
    "parquet": parquet,
    "parquet, without index": plain_parquet,
    "h5ad": h5ad,
    "zarr": zarr,
    "h5mu": h5mu,
    "GCT": gct12,
    "GCTX": gctx,
    "GEO series matrix": series_matrix,
    "10x": tenx_h5,
    "10x, version 2": old_tenx_h5,
    "10x, folder": mtx_folder,
    "loom": loom,
    "featureCounts": feature_counts,
    "read counts, STAR": star,
    "read counts, STAR at the GDC": gdc_star,
    "read counts, htseq-count": htseq,
    "read counts, RSEM": rsem,
    "read counts, salmon": salmon,
    "read counts, kallisto": kallisto,
}


@pytest.mark.parametrize("case", WRITERS)
def test_every_format_reads_the_same(case: str, tmp_path: Path) -> None:
    adata = ty.read(WRITERS[case](tmp_path))
    assert reading(adata)["format"] == case.partition(",")[0]
    assert list(adata.obs_names) == SAMPLES
    assert list(adata.var_names) == GENES
    assert adata.X.dtype == np.float32
    np.testing.assert_array_equal(dense(adata), X_NG)


def test_every_format_module_is_tested() -> None:
    assert {case.partition(",")[0] for case in WRITERS} == {
        format.name for format in (*ty.io.FORMATS, ty.io.TEXT) if "images" not in format.name
    }  # those of images have test_images.py


def test_series_matrix_samples_keep_what_is_known_of_them(tmp_path: Path) -> None:
    adata = ty.read(series_matrix(tmp_path))
    assert adata.obs["sex"].tolist()[:2] == ["F", "M"]
    assert adata.obs["sex"].isna().tolist() == [False, False, True, False]
    assert adata.obs["age"].tolist() == [50, 55.5, 61, 70]
    assert adata.obs["title"].iloc[3] == "tumour 3"
    assert "GEO series GSE1: A study" in reading(adata)["notes"]


def test_series_matrix_without_values_points_to_the_supplement(tmp_path: Path) -> None:
    path = tmp_path / "GSE2_series_matrix.txt"
    path.write_text(
        '!Series_title\t"x"\n!series_matrix_table_begin\n"ID_REF"\t"GSM1"\n'
        "!series_matrix_table_end\n"
    )
    with pytest.raises(DataError, match="supplementary files"):
        ty.read(path)


def test_gct_13_keeps_metadata_and_blanks_minus_666(tmp_path: Path) -> None:
    path = tmp_path / "m.gct"
    path.write_text(
        "#1.3\n2\t3\t1\t2\nid\tpr_gene_symbol\ta\tb\tc\n"
        "dose\tna\t10\t-666\t0.5\ncell\tna\tA375\tA375\tMCF7\n"
        "1_at\tTP53\t1\t-666\t3\n2_at\t-666\t4\t5\t6\n"
    )
    adata = ty.read(path)
    np.testing.assert_array_equal(adata.X, np.float32([[1, 4], [np.nan, 5], [3, 6]]))
    np.testing.assert_array_equal(adata.obs["dose"], [10, np.nan, 0.5])
    assert adata.obs["cell"].tolist() == ["A375", "A375", "MCF7"]
    assert adata.var["pr_gene_symbol"].isna().tolist() == [False, True]
    assert "missing values written as -666: 1" in reading(adata)["notes"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("#1.2\n3\t1\nNAME\tDescription\ta\ng\td\t1\n", "promises 3 rows and there are 1"),
        ("#1.2\n1\t2\nNAME\tDescription\ta\ng\td\t1\n", r"promises 1 \+ 2 columns"),
        ("#1.3\n1\t2\nNAME\tDescription\ta\ng\td\t1\n", "do not make the head of a GCT"),
    ],
)
def test_gct_that_is_not_whole(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "m.gct"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        ty.read(path)


def test_counters_with_different_annotation_are_refused(tmp_path: Path) -> None:
    folder = kallisto(tmp_path)
    with (folder / "S003" / "abundance.tsv").open("a") as file:
        file.write("NEW\t1\t1\t1\t1\n")
    with pytest.raises(DataError, match=r"S003.*its 8 names are not the 7 of .*S001"):
        ty.read(folder)


def test_matrix_market_without_its_barcodes_is_refused(tmp_path: Path) -> None:
    (mtx_folder(tmp_path) / "barcodes.tsv").unlink()
    with pytest.raises(DataError, match=r"no barcodes.tsv beside it"):
        ty.read(tmp_path)


SHARED = {
    "airway_counts/airway_counts.h5ad": (8, 64102, 0, 513766),
    "all_leukaemia/all_leukaemia.h5ad": (128, 12625, 1.98, 14.13),
    "bladder_batch/bladder_batch.h5ad": (57, 22283, 2.77, 14.03),
    "celltypist_demo/celltypist_demo.h5ad": (559, 32786, 0, 1448),
    "cptac_ucec/transcriptomics_linear.cct.gz": (115, 28057, 0, 22.61),
    "dlbcl_chop/dlbcl_chop.h5ad": (414, 3833, 0, 16.93),
    "ecoli_precise/ecoli_precise.h5ad": (278, 3923, 0, 16.4),
    "geuvadis_counts/counts.tsv.gz": (85, 10101, 0, 285004),
    "kang_ifnb/kang_ifnb.h5ad": (1556, 1267, 0, 1891),
    "kremer_counts/KremerNBaderSmall.tsv.gz": (119, 999, 0, 79434),
    "l1000_a375/LJP005_A375_24H_X1_n377x978.gct.gz": (377, 978, 3.23, 15.0),
    "lung_gordon/lung_gordon.h5ad": (181, 12533, -3134, 92377.3),
    "nci60/nci60.h5ad": (64, 6830, -6.94, 8.66),
    "pbmc68k_reduced/10x_pbmc68k_reduced.h5ad": (700, 765, -2.03, 28.41),
    "rat_liver_toxicity/rat_liver_toxicity.h5ad": (64, 3116, -1.67, 2.0),
    "srbct_khan/srbct_khan.h5ad": (83, 2308, -5.99, 3.49),
    "tcga_brca/tcga_brca.h5ad": (769, 6000, -8.38, 20.98),
    "tggates_hepatocyte/tggates_hepatocyte.h5ad": (2382, 196, 2.81, 14.23),
    "tissue_dslabs/tissue_gene_expression.csv.gz": (189, 500, 4.22, 14.13),
}


@pytest.mark.parametrize("file", SHARED)
def test_real_files_read_as_their_notes_say(shared_data: Path, file: str) -> None:
    adata = ty.read(shared_data / file)
    n_obs, n_vars, low, high = SHARED[file]
    assert adata.shape == (n_obs, n_vars)
    assert adata.X.min() == pytest.approx(low, abs=0.01)
    assert adata.X.max() == pytest.approx(high, abs=0.05)
    values = adata.X if isinstance(adata.X, np.ndarray) else adata.X.data
    assert not np.isnan(values).any()


def test_l1000_keeps_its_metadata(shared_data: Path) -> None:
    adata = ty.read(shared_data / "l1000_a375" / "LJP005_A375_24H_X1_n377x978.gct.gz")
    kinds = adata.obs["pert_type"].value_counts().to_dict()
    assert kinds == {"ctl_vehicle": 26, "trt_poscon": 23, "trt_cp": 328}
    assert adata.var["pr_gene_symbol"].notna().all()
    assert (len(adata.obs.columns), len(adata.var.columns)) == (35, 11)


def test_tissue_labels_lie_beside_the_genes(shared_data: Path) -> None:
    adata = ty.read(shared_data / "tissue_dslabs" / "tissue_gene_expression.csv.gz")
    assert adata.obs["tissue"].value_counts()["kidney"] == 39


def test_cptac_meets_its_clinical_table(shared_data: Path) -> None:
    folder = shared_data / "cptac_ucec"
    adata = ty.read(folder / "transcriptomics_linear.cct.gz", obs=folder / "clinical.csv.gz")
    assert adata.obs["Proteomics_Tumor_Normal"].notna().all()
    assert reading(adata)["samples_without_row"] == []


def test_infinite_values_are_named_in_sparse_matrices_too(tmp_path: Path) -> None:
    x = sparse.csr_matrix(X_NG)
    x[2, 5] = np.inf
    obs, var = pd.DataFrame(index=SAMPLES), pd.DataFrame(index=GENES)
    anndata.AnnData(x, obs=obs, var=var).write_h5ad(tmp_path / "m.h5ad")
    with pytest.raises(DataError, match="sample 'S003', gene 'EGFR': the value is infinite"):
        ty.read(tmp_path / "m.h5ad")
    assert ty.read(h5ad(tmp_path), genes_in="rows").shape == (7, 4)
