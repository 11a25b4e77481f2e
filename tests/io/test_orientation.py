"""Genes are found in the rows or in the columns by what their names look like."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tybalt_like as ty
from tybalt_like.core.errors import DataError
from tybalt_like.core.provenance import recorded

N_GENES, N_SAMPLES = 120, 30
SYMBOLS = """
    A1BG A2M AADAC ABCA1 ABL1 ACE ACTN4 ADAM10 AFP AGR2 AHR AKAP12 ALDH1A1 ANXA1 APC AQP1 ARG1 ASCL1
    AXIN2 BAX BMP4 BRAF BTK CALR CASP3 CAV1 CCL5 CD19 CD274 CEBPA CFTR CHEK2 CLDN4 COL1A1 CRP CSF1
    CTSB CXCR4 CYP1A1 DDR1 DICER1 DKK1 DUSP1 E2F1 EDN1 EGR1 ELN ENG ETS1 EZH2 FABP4 FAS FGF2 FLT1
    FOXP3 FYN GAD1 GFAP GLI1 GRB7 HBB HES1 HGF HMOX1 HSPA5 ICAM1 IDH1 IGF1 IL1B IRF4 ITGA5 KDR KIT
    KLF4 LCK LEP LDHA LIN28A LOX MCL1 MDM2 MET MLH1 MMP9 MPO MUC1 NANOG NCAM1 NES NF1 NGF NOS2 NPM1
    OCLN OLIG2 PAX6 PDGFRA PGR PLAU POU5F1 PPARG PRDM1 PROM1 RELA RET RUNX1 ROCK1 S100A4 SDC1
    SERPINE1 SHH SIRT1 SMAD4 SNAI1 SOD2 SPP1 SRC SYK TAGLN TEK TGM2 THY1 TLR4
"""
SYMBOLS = SYMBOLS.split()[:N_GENES]
LINES = "MCF7 A549 HELA K562 U2OS PC3 HCT116 SW480 T47D BT20 HL60 U937 RAJI JURKAT CACO2 HEPG2"
LINES += " LNCAP DU145 SKBR3 A431 U87 SHSY5Y THP1 NB4 KG1 HT29 LOVO COLO205 OVCAR3 ACHN"
rng = np.random.default_rng(0)

GENES = {
    "symbols": SYMBOLS,
    "mouse symbols": [symbol.capitalize() for symbol in SYMBOLS],
    "Ensembl": [f"ENSMUSG{i:011d}.3" for i in range(N_GENES)],
    "symbol|entrez": [f"{symbol}|{i}" for i, symbol in enumerate(SYMBOLS, 1)],
    "Affymetrix": [f"{200000 + i}_{'s_' if i % 2 else ''}at" for i in range(N_GENES)],
    "Illumina": [f"ILMN_{1650000 + i}" for i in range(N_GENES)],
    "Agilent": [f"A_23_P{100000 + i}" for i in range(N_GENES)],
    "RefSeq": [f"NM_{i:06d}" for i in range(N_GENES)],
    "microRNA": [f"hsa-mir-{i}" for i in range(N_GENES)],
    "E. coli": [f"b{i:04d}" for i in range(N_GENES)],
    "Arabidopsis": [f"AT1G{10000 + i}" for i in range(N_GENES)],
    "yeast": [f"YAL{i:03d}W" for i in range(N_GENES)],
    "fly": [f"FBgn{i:07d}" for i in range(N_GENES)],
    "Entrez": [str(i) for i in rng.permutation(99999)[:N_GENES]],
}
SAMPLES = {
    "TCGA": [f"TCGA-3C-A{i:03d}-01A" for i in range(N_SAMPLES)],
    "GEO": [f"GSM{71019 + i}.CEL" for i in range(N_SAMPLES)],
    "runs": [f"SRR{1039508 + i}" for i in range(N_SAMPLES)],
    "numbered": [f"S{i:03d}" for i in range(N_SAMPLES)],
    "patients": [f"{65000 + i}" if i % 2 else f"MUC{i:04d}" for i in range(N_SAMPLES)],
    "conditions": [f"{'KO' if i % 2 else 'WT'}_rep{i}" for i in range(N_SAMPLES)],
    "cell lines": LINES.split(),
    "cells": ["".join(rng.choice(list("ACGT"), 16)) + "-1" for _ in range(N_SAMPLES)],
    "letter and digits": [f"B{1000 + i}" for i in range(N_SAMPLES)],
}


@pytest.mark.parametrize("samples", SAMPLES)
@pytest.mark.parametrize("genes", GENES)
@pytest.mark.parametrize("transposed", [False, True])
def test_names_tell_the_orientation(
    tmp_path: Path, genes: str, samples: str, transposed: bool
) -> None:
    frame = pd.DataFrame(np.ones((N_SAMPLES, N_GENES)), SAMPLES[samples], GENES[genes])
    (frame.T if transposed else frame).to_csv(tmp_path / "m.tsv", sep="\t")
    if (genes, samples) == ("Entrez", "cell lines"):
        with pytest.raises(DataError, match="not clear"):
            ty.read(tmp_path / "m.tsv")
        return
    adata = ty.read(tmp_path / "m.tsv")
    assert list(adata.var_names) == GENES[genes]
    reading = recorded(adata)["reading"]
    assert reading["genes_in"] == ("rows" if transposed else "columns")
    assert any("genes are in the" in note for note in reading["notes"])


@pytest.mark.parametrize("transposed", [False, True])
def test_few_genes_of_many_samples(tmp_path: Path, transposed: bool) -> None:
    """A panel: fewer genes than samples, so that the shape speaks against the truth."""
    names = [f"patient_{i}" for i in range(400)]
    frame = pd.DataFrame(np.ones((400, 40)), index=names, columns=SYMBOLS[:40])
    (frame.T if transposed else frame).to_csv(tmp_path / "m.tsv", sep="\t")
    assert list(ty.read(tmp_path / "m.tsv").var_names) == SYMBOLS[:40]
