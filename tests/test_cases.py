"""Small inputs of the kinds that people trip over, read from beside the real data."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tybalt_like import pp, read
from tybalt_like.core import keys
from tybalt_like.core.errors import DataError
from tybalt_like.pp.labels import labels_of

pytestmark = pytest.mark.usefixtures("module_without_figures")


@pytest.fixture(scope="module")
def cases(shared_data: Path) -> Path:
    folder = shared_data.parent / "cases"
    if not folder.is_dir():
        pytest.skip(f"no folder of cases beside the real data ({folder})")
    return folder


def notes(adata) -> str:
    return "\n".join(json.loads(adata.uns[keys.UNS])["reading"]["notes"])


@pytest.mark.parametrize(
    ("file", "shape", "scale", "said"),
    [
        ("04_htseq_merged.tsv", (40, 201), "counts", "rows that are no genes, left out: 5"),
        ("05_star_merged.tsv", (40, 200), "counts", "rows that are no genes, left out: 4"),
        ("140_htseq_folder", (6, 150), "counts", "left out: 5 (__no_feature"),
        ("147_htseq_single.counts", (1, 150), "counts", "left out: 5"),
        ("148_gdc_star_single.tsv", (1, 150), "counts", "TPM and FPKM are left aside"),
        ("141_gdc_star_folder", (6, 150), "counts", "unstranded counts"),
        ("146_rsem_merged.tsv", (6, 150), None, "kept beside the matrix: transcript_id(s)"),
        ("21_samples_rows_label_age_first.csv", (40, 300), "log2", "kept as sample columns: age"),
        ("19_title_line.txt", (40, 300), "counts", "lines above the header, left out: 1"),
        ("29_quoted_newline.csv", (40, 300), "counts", "description"),
        ("34_geo_cr_in_field.txt", (12, 150), "log2", "GSE99999"),
        ("12_csv2_decimal_comma.csv", (40, 300), "log2", "decimal commas"),
        ("15_04_missing.tsv", (40, 300), "log2", "missing values: 60 (60 #N/A)"),
        ("15_06_missing.tsv", (40, 300), "log2", "missing values: 60 (60 nan)"),
        ("51_seurat_scaled_raw.h5ad", (40, 100), "z_scored", "counts in .raw"),
        ("65_10x_v3_cite", (40, 180), "counts", "left out: 20 Antibody Capture"),
        ("31_gtex_portal_tissue.gct", (40, 200), "counts", "not by the running number"),
    ],
)
def test_read_and_said(file, shape, scale, said, cases) -> None:
    adata = read(cases / file)
    assert adata.shape == shape
    assert said in notes(adata)
    assert scale in (None, pp.inspect(adata).scale)


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("14_excel_dates.csv", "gene names that a spreadsheet made dates: 6 (2-Sep"),
        ("75_duplicate_profiles.tsv", "samples with the same profile: 10 (S001 = S021"),
        ("119_recount3_x101.tsv", "all are multiples of 101"),
    ],
)
def test_doubted(file, said, cases) -> None:
    assert said in "\n".join(pp.inspect(read(cases / file)).lines())


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("73_zero_sample.tsv", "1 sample(s) have no value but 0: S004"),
        ("77_nan_whole_sample.tsv", "1 sample(s) have no value but 0: S008"),
        ("79_mixed_units.tsv", "30 of 60 samples are on another scale than the others"),
    ],
)
@pytest.mark.parametrize("words", [("run", "--data"), ("aberrant",)], ids=["run", "aberrant"])
def test_refused_at_every_door(file, said, words, cases, command: Callable, tmp_path) -> None:
    done = command(*words, cases / file, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert said in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("file", "obs", "said"),
    [
        (
            "03_depmap_25q2.csv",
            "03b_depmap_Model.csv",
            "40 of 40 samples found in column 'ModelID'",
        ),
        ("26_r_checknames.tsv", "26b_obs.csv", "40 of 40 samples found in column 'sample'"),
        ("117_base60.tsv", "13x_index_col.csv", "sample column '_index' is called 'index' here"),
    ],
)
def test_joined_and_said(file, obs, said, cases) -> None:
    assert said in notes(read(cases / file, obs=cases / obs))


@pytest.mark.parametrize(
    ("obs", "label", "normal", "n"),
    [
        ("118_obs_rare_labels.csv", "int_miss", "0", 30),
        ("118_obs_rare_labels.csv", "comma", "Infiltrating duct carcinoma, NOS", 30),
        ("13x_split_label.csv", "split", "train", 30),
    ],
)
def test_labels(obs, label, normal, n, cases) -> None:
    adata = read(cases / "117_base60.tsv", obs=cases / obs)
    pp.split(adata, label=label, normal=[normal])
    reference_n = adata.obs[keys.SPLIT] != keys.QUERY
    assert reference_n.sum() == n
    assert set(labels_of(adata, label)[reference_n]) == {normal}


@pytest.mark.parametrize("label", ["rare12", "rare20", "rare30"])
def test_rare_labels_are_divided_as_asked(label, cases) -> None:
    adata = read(cases / "117_base60.tsv", obs=cases / "118_obs_rare_labels.csv")
    pp.split(adata, label=label)
    sizes = adata.obs[keys.SPLIT].value_counts()
    asked = {keys.TRAIN: 32.4, keys.VALIDATION: 3.6, keys.CALIBRATION: 12, keys.TEST: 12}
    assert all(abs(sizes[part] - n) <= 1 for part, n in asked.items())


def test_copies_stay_together(cases) -> None:
    adata = read(cases / "75_duplicate_profiles.tsv")
    for seed in range(3):
        pp.split(adata, seed=seed)
        split = adata.obs[keys.SPLIT]
        copies = [(f"S{i:03d}", f"S{i + 20:03d}") for i in range(1, 11)]
        assert all(split[a] == split[b] for a, b in copies)


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("112_every_gene_has_a_zero.tsv", "size factors are those of the positive counts"),
        ("100_counts.tsv", "miss"),
    ],
)
def test_aberrant_goes_on_and_says_how(file, said, cases, command: Callable, tmp_path) -> None:
    words = ["aberrant", cases / file, "--out", tmp_path / "out"]
    if said == "miss":
        words += ["--obs", cases / "100_aberrant_obs.csv", "--covariates", "miss"]
    done = command(*words)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout + done.stderr


@pytest.mark.parametrize("file", ["damaged_192.mtx", "damaged_367.mtx"])
def test_damaged_matrices_are_refused(file, cases, tmp_path) -> None:
    (tmp_path / "matrix.mtx").write_bytes((cases / file).read_bytes())
    features = "".join(f"G{i}\tG{i}\tGene Expression\n" for i in range(20))
    (tmp_path / "features.tsv").write_text(features)
    (tmp_path / "barcodes.tsv").write_text("".join(f"C{i}\n" for i in range(14)))
    with pytest.raises(DataError, match=r"matrix\.mtx"):
        read(tmp_path)


def test_a_damaged_h5ad_is_refused(cases) -> None:
    with pytest.raises(DataError, match=r"damaged_162\.h5ad.*damaged"):
        read(cases / "damaged_162.h5ad")


def test_sample_tables_are_no_matrices(cases) -> None:
    for table in ("03b_depmap_Model.csv", "117_obs.csv", "118_obs_rare_labels.csv"):
        with pytest.raises(DataError, match="sample table"):
            read(cases / table)
