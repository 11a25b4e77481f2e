"""Columns that say which samples belong together."""

import warnings

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

import tybalt_like as ty
from tybalt_like.pp.repeats import suggestion

REAL = {
    "ecoli_precise/ecoli_precise.h5ad": ("condition", "Study"),
    "tggates_hepatocyte/tggates_hepatocyte.h5ad": ("xptype", "exp_id"),
    "kang_ifnb/kang_ifnb.h5ad": ("cluster_id", "sample_id"),
    "bladder_batch/bladder_batch.h5ad": ("cancer", "batch"),
    "tcga_brca/tcga_brca.h5ad": ("pam50", None),
    "all_leukaemia/all_leukaemia.h5ad": ("lineage", None),
    "dlbcl_chop/dlbcl_chop.h5ad": ("event", None),
    "l1000_a375/LJP005_A375_24H_X1_n377x978.gct.gz": ("pert_type", None),
    "rat_liver_toxicity/rat_liver_toxicity.h5ad": ("Dose.Group", None),
    "srbct_khan/srbct_khan.h5ad": ("class", None),
}
"""File -> its label, and the column that is suggested."""


@pytest.mark.parametrize(("file", "columns"), REAL.items(), ids=[f.split("/")[0] for f in REAL])
def test_what_is_suggested_for_real_cohorts(file, columns, shared_data) -> None:
    adata = ty.read(shared_data / file)
    for label in (None, columns[0]):
        said = suggestion(adata, label=label)
        assert said is None if columns[1] is None else f'group = "{columns[1]}"' in said, said


def test_participants_count_where_several_of_their_samples_are_divided(shared_data) -> None:
    folder = shared_data / "cptac_ucec"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of columns of mixed kinds
        adata = ty.read(folder / "transcriptomics_linear.cct.gz", obs=folder / "clinical.csv.gz")
    said = suggestion(adata, label="Proteomics_Tumor_Normal")
    assert "'Proteomics_Participant_ID' repeats over samples (101 values, 115 samples)" in said
    tumour_n = (adata.obs["Proteomics_Tumor_Normal"] == "Tumor").to_numpy()
    assert suggestion(adata, reference_n=tumour_n) is None  # one sample of each


def cohort(**columns) -> AnnData:
    """60 samples of 12 families that are alike, in counts."""
    rng = np.random.default_rng(0)
    family = np.repeat(np.arange(12), 5)
    rate_ng = np.exp(rng.normal(2, 1, 200) + rng.normal(0, 0.5, (12, 200)))[family]
    depth_n1 = np.exp(rng.normal(size=(60, 1)))
    given = {"family": family.astype(str), "shuffled": rng.permutation(family).astype(str)}
    obs = pd.DataFrame(
        {name: given[of] if isinstance(of, str) else of for name, of in columns.items()}
    )
    obs.index = [f"s{i}" for i in range(60)]
    return AnnData(sparse.csr_matrix(rng.poisson(rate_ng * depth_n1).astype(np.float32)), obs=obs)


@pytest.mark.parametrize("name", ["batch", "Batch_ID", "batchid", "sequencing run", "GSE.series"])
def test_origins_count_if_their_samples_are_alike(name) -> None:
    found = suggestion(cohort(**{name: "family"}))
    assert f"column '{name}' repeats over samples (12 values, 60 samples; the nearest" in found
    assert suggestion(cohort(**{name: "shuffled"})) is None


@pytest.mark.parametrize(
    "name", ["patient", "DonorID", "orig.ident", "sample", "case_submitter_id"]
)
def test_people_count_however_alike_they_are(name) -> None:
    assert f'group = "{name}"' in suggestion(cohort(**{name: "shuffled"}))
    missing = [None] * 54 + ["a", "a", "b", "b", "c", "c"]
    assert "(3 values, 6 samples)" in suggestion(cohort(**{name: missing}))


@pytest.mark.parametrize(
    "name", ["subtype", "patient_age", "cell type", "evolved sample", "batch_corrected", "stage"]
)
def test_what_samples_are_is_not_where_they_come_from(name) -> None:
    assert suggestion(cohort(**{name: "family"})) is None


def test_a_column_that_is_the_label_or_hardly_repeats_is_not_suggested() -> None:
    assert suggestion(cohort(study="family", organ="family"), label="organ") is None
    once = [str(i) for i in range(58)] + ["57", "57"]
    assert suggestion(cohort(patient=once)) is None
    assert suggestion(cohort(patient=["a", "b"] * 30)) is None
    both = suggestion(cohort(batch=["a", "b", "c"] * 20, donor="family"))
    assert 'group = "donor"' in both  # batches are not alike
    assert "also" not in both


def test_barcodes_of_tcga_tell_patients() -> None:
    adata = cohort(sex=["f", "m"] * 30)
    adata.obs_names = [f"TCGA-A1-{i // 2:04d}-{['01A', '11A'][i % 2]}" for i in range(60)]
    assert "TCGA barcodes (30 patients, 60 samples)" in suggestion(adata)
    assert suggestion(adata, reference_n=np.arange(60) % 2 == 0) is None
