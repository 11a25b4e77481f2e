"""Output of programs that count: what is a sample, what is a gene, what belongs to which gene."""

import gzip
import json
import shutil
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import tybalt_like as ty
from tybalt_like.cli import app
from tybalt_like.core.errors import DataError
from tybalt_like.core.provenance import recorded
from tybalt_like.io.lengths import at_lengths, save_lengths
from tybalt_like.io.not_genes import not_genes

pytestmark = pytest.mark.usefixtures("module_without_figures")
CASES = Path(__file__).parent / "cases"
HTSEQ = ["__no_feature", "__ambiguous", "__too_low_aQual", "__not_aligned"]
HTSEQ += ["__alignment_not_unique"]
STAR = ["N_unmapped", "N_multimapping", "N_noFeature", "N_ambiguous"]
GENES = [f"ENSG{i:011d}.{i % 9 + 1}" for i in range(40)]
SAMPLES = [f"S{i}" for i in range(6)]
COUNTS = pd.DataFrame(
    np.random.default_rng(0).poisson(60, (40, 6)), index=pd.Index(GENES), columns=SAMPLES
)


def notes(adata) -> str:
    return "\n".join(recorded(adata)["reading"]["notes"])


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def htseq(sample: str) -> str:
    rows = [f"{gene}\t{n}\n" for gene, n in COUNTS[sample].items()]
    return "".join(rows + [f"{name}\t999\n" for name in HTSEQ])


@pytest.mark.parametrize(("case", "others"), [("htseq", HTSEQ), ("star", STAR)])
def test_reads_without_a_gene_are_left_out_in_both_orientations(
    tmp_path: Path, case: str, others: list[str]
) -> None:
    path = CASES / f"{case}_merged.tsv"
    frame = pd.read_csv(path, sep="\t", index_col=0)
    genes = frame.drop(index=others).T
    frame.T.to_csv(tmp_path / "rows.csv", index_label="sample")
    for adata in (ty.read(path), ty.read(tmp_path / "rows.csv")):
        assert list(adata.var_names) == list(genes.columns)
        np.testing.assert_array_equal(adata.X, genes)
        assert f"rows that are no genes, left out: {len(others)} ({others[0]}, " in notes(adata)


def test_reads_without_a_gene_are_left_out_of_containers_and_of_what_stays_on_disk(
    tmp_path: Path,
) -> None:
    x_ng = np.hstack([COUNTS.T, np.full((6, 5), 1e6)]).astype(np.float32)
    var = pd.DataFrame(index=[*GENES, *HTSEQ])
    held = anndata.AnnData(x_ng, obs=pd.DataFrame(index=SAMPLES), var=var)
    ty.io.write_h5ad(held, tmp_path / "m.h5ad")
    adata = ty.read(tmp_path / "m.h5ad")
    assert list(adata.var_names) == GENES
    assert "left out: 5" in notes(adata)
    told = CliRunner().invoke(
        app, ["normalize", str(tmp_path / "m.h5ad"), "--out", str(tmp_path / "n.h5ad")]
    )
    assert told.exit_code == 0, told.output
    streamed = anndata.read_h5ad(tmp_path / "n.h5ad")
    assert not set(HTSEQ) & set(streamed.var_names)
    clean = ty.pp.Normaliser.fit(adata, train=np.arange(6)).transform(adata)
    np.testing.assert_allclose(streamed[:, clean.var_names].X, clean.X, rtol=1e-5, atol=1e-6)


def test_no_gene_is_taken_for_a_row_without_one(shared_data: Path) -> None:
    known = pd.read_csv(shared_data / "human_genes" / "human_genes.tsv.gz", sep="\t", dtype=str)
    names = {
        name for column in known for cell in known[column].dropna() for name in cell.split("|")
    }
    assert len(names) > 100_000
    assert not [name for name in names if not_genes([name])[0]]


def test_spike_ins_are_named_and_kept(tmp_path: Path) -> None:
    frame = COUNTS.rename(index={gene: f"ERCC-{i:05d}" for i, gene in enumerate(GENES[:4])})
    frame.to_csv(tmp_path / "m.tsv", sep="\t", index_label="gene")
    adata = ty.read(tmp_path / "m.tsv")
    assert adata.n_vars == 40
    assert "spike-ins or control probes among the genes, kept: 4 (ERCC-00000, " in notes(adata)


@pytest.mark.parametrize("source", ["htseq", "gdc_star"])
def test_a_folder_and_its_files_read_as_samples(source: str, tmp_path: Path) -> None:
    folder = CASES / source
    files = sorted(folder.iterdir())
    column = 1 if source == "htseq" else 3
    counts = {
        path.name.partition(".")[0]: pd.read_csv(
            path, sep="\t", header=None if column == 1 else 1, index_col=0
        ).iloc[:, column - 1]
        for path in files
    }
    frame = pd.DataFrame(counts).drop(index=HTSEQ if column == 1 else STAR)
    adata = ty.read(folder)
    assert list(adata.obs_names) == list(frame.columns)
    assert list(adata.var_names) == list(frame.index)
    np.testing.assert_array_equal(adata.X, frame.T)
    packed = write(tmp_path / f"{files[0].name}.gz", files[0].read_text())
    for path in (files[0], packed):
        single = ty.read(path)
        assert list(single.obs_names) == ["S001"]
        np.testing.assert_array_equal(single.X, frame.T.iloc[:1])
    if source == "gdc_star":
        assert adata.var["gene_type"].eq("protein_coding").all()
        assert "unstranded counts; TPM and FPKM are left aside" in notes(adata)


def test_a_download_of_the_gdc_is_called_by_its_sample_sheet(tmp_path: Path) -> None:
    folder = tmp_path / "download"
    sheet = ["File ID\tFile Name\tData Type\tProject ID\tCase ID\tSample ID\tSample Type"]
    cart = []
    for i, path in enumerate(sorted((CASES / "gdc_star").iterdir())):
        uuid = f"{9 - i}bc0c5a2-0000-4b4b-8b8b-00000000000{i}"
        name = path.name.replace(path.name[:4], uuid)
        (folder / uuid / "logs").mkdir(parents=True)
        shutil.copy(path, folder / uuid / name)
        write(folder / uuid / "logs" / f"{name}.parcel", "x")
        case = f"TCGA-A1-000{i // 2}"
        sheet.append(f"{uuid}\t{name}\tCounts\tTCGA-BRCA\t{case}\t{case}-01A\tPrimary Tumor")
        cart.append({"file_name": name, "associated_entities": [
            {"entity_submitter_id": f"{case}-01A-11R-{i}", "case_id": case}]})  # fmt: skip
    write(folder / "MANIFEST.txt", "id\tfilename\tmd5\tsize\tstate\n")
    ids = [path.name for path in sorted(folder.iterdir()) if path.is_dir()]
    assert list(ty.read(folder).obs_names) == ids
    write(tmp_path / "metadata.cart.2024-01-01.json", json.dumps(cart))
    called = {row["associated_entities"][0]["entity_submitter_id"] for row in cart}
    assert set(ty.read(folder).obs_names) == called
    write(tmp_path / "gdc_sample_sheet.2024-01-01.tsv", "\n".join(sheet) + "\n")
    adata = ty.read(folder)
    assert list(adata.obs_names) == ["TCGA-A1-0001-01A", "TCGA-A1-0000-01A", "TCGA-A1-0000-01A_2"]
    assert adata.obs["Project ID"].eq("TCGA-BRCA").all()
    assert "further files of a sample, numbered: 1 (TCGA-A1-0000-01A_2)" in notes(adata)


def test_files_may_list_genes_in_another_order_but_no_other_genes(tmp_path: Path) -> None:
    for i, sample in enumerate(SAMPLES):
        shuffled = COUNTS[sample].sample(frac=1, random_state=i)
        rows = "".join(f"{gene}\t{n}\n" for gene, n in shuffled.items())
        write(tmp_path / f"GSM10{i}_{sample}_counts.txt.gz", rows)
    adata = ty.read(tmp_path)
    assert list(adata.obs_names) == [f"GSM10{i}_{s}" for i, s in enumerate(SAMPLES)]
    np.testing.assert_array_equal(adata.X, COUNTS.T[adata.var_names])
    whole = "".join(f"{gene}\t{n}\n" for gene, n in COUNTS["S5"].items())
    damaged = write(tmp_path / "GSM105_S5_counts.txt.gz", whole.replace("\n", "?\n", 5)[:-20])
    assert "other kinds, left aside: 1 (GSM105_S5_counts.txt.gz)" in notes(ty.read(tmp_path))
    write(damaged, whole.replace(".9\t", ".9\t?", 1))
    with pytest.raises(DataError, match=r"GSM105.*line 9, row 'ENSG0*8.9', .*: '\?\d+"):
        ty.read(tmp_path)
    write(damaged, whole)
    write(tmp_path / "GSM109_S9_counts.txt.gz", htseq("S0").replace("ENSG", "ENSMUSG"))
    with pytest.raises(DataError, match="count all samples with the same annotation"):
        ty.read(tmp_path)


@pytest.mark.parametrize("head", ["", "gene{0}count\n", "gene_id{0}gene_name{0}count\n"])
@pytest.mark.parametrize("sep", ["\t", ",", " "])
def test_two_columns_of_any_program(tmp_path: Path, head: str, sep: str) -> None:
    if "name" in head and sep != "\t":
        pytest.skip("names may hold commas and blanks")
    between = f"{sep}NAME{sep}" if "name" in head else sep
    for sample in SAMPLES:
        rows = "".join(f"{gene}{between}{n}\n" for gene, n in COUNTS[sample].items())
        write(tmp_path / f"{sample}.counts.csv", head.format(sep) + rows)
    adata = ty.read(tmp_path)
    assert (list(adata.obs_names), list(adata.var_names)) == (SAMPLES, GENES)
    np.testing.assert_array_equal(adata.X, COUNTS.T)


def test_several_kinds_of_files_of_the_same_samples_are_no_further_samples(tmp_path: Path) -> None:
    for sample in SAMPLES:
        write(tmp_path / f"{sample}.htseq.counts", htseq(sample))
        write(tmp_path / f"{sample}.FPKM.txt", htseq(sample).replace("\t", "\t0."))
    with pytest.raises(DataError, match=r"several files of each sample, \*.FPKM.txt and \*.htseq"):
        ty.read(tmp_path)


def test_feature_counts_of_one_sample_each(tmp_path: Path) -> None:
    for sample in SAMPLES:
        rows = [f"{g}\tchr1;chr1\t1;5\t4;9\t+;+\t8\t{n}\n" for g, n in COUNTS[sample].items()]
        head = f"Geneid\tChr\tStart\tEnd\tStrand\tLength\t/bam/{sample}.bam\n"
        write(tmp_path / f"{sample}.featureCounts.txt", "# Program\n" + head + "".join(rows))
        summary = f"Status\t/bam/{sample}.bam\nAssigned\t7\nUnassigned_NoFeatures\t8\n"
        write(tmp_path / f"{sample}.featureCounts.txt.summary", summary)
    adata = ty.read(tmp_path)
    assert list(adata.obs_names) == SAMPLES
    np.testing.assert_array_equal(adata.X, COUNTS.T)
    with pytest.raises(DataError, match="the summary of featureCounts"):
        ty.read(tmp_path / "S0.featureCounts.txt.summary")


@pytest.mark.parametrize("columns", [["gene_id", "gene_name"], ["gene_id", "transcript_id(s)"]])
def test_merged_tables_of_nf_core(tmp_path: Path, columns: list[str]) -> None:
    frame = COUNTS.astype(float) + 0.25
    frame.insert(0, columns[1], "a,b")
    program = "salmon" if columns[1] == "gene_name" else "rsem"
    tables = ["gene_counts", "gene_counts_length_scaled", "gene_tpm"]
    for table in tables if program == "salmon" else tables[::2]:
        text = frame.to_csv(sep="\t", index_label=columns[0])
        write(tmp_path / "results" / f"star_{program}" / f"{program}.merged.{table}.tsv", text)
    for sample in SAMPLES:
        folder = tmp_path / "results" / f"star_{program}" / sample
        write(folder / "quant.sf", "Name\tLength\tEffectiveLength\tTPM\tNumReads\nT1\t9\t8\t7\t6\n")
    chosen = "gene_counts_length_scaled" if program == "salmon" else "gene_counts"
    for folder in (tmp_path / "results", tmp_path / "results" / f"star_{program}"):
        adata = ty.read(folder)
        assert f"the merged table of nf-core was read: {program}.merged.{chosen}.tsv" in notes(
            adata
        )
        np.testing.assert_array_equal(adata.X, COUNTS.T)
        assert "estimated counts, rounded to whole numbers" in notes(adata)
    tpm = ty.read(tmp_path / "results" / f"star_{program}" / f"{program}.merged.gene_tpm.tsv")
    np.testing.assert_array_equal(tpm.X, COUNTS.T + 0.25)
    assert list(tpm.var) == columns[1:]


def test_the_merged_table_of_rsem() -> None:
    frame = pd.read_csv(CASES / "rsem_merged.tsv", sep="\t", index_col=0)
    adata = ty.read(CASES / "rsem_merged.tsv")
    assert adata.var["transcript_id(s)"].tolist() == frame.pop("transcript_id(s)").tolist()
    np.testing.assert_array_equal(adata.X, frame.T.astype(np.float32))


# Transcripts ----------------------------------------------------------------------------------

TRANSCRIPTS = [f"ENST{i:011d}.{i % 4 + 1}" for i in range(300)]
GENE_OF = {name: f"ENSG{i * 7 % 80:011d}" for i, name in enumerate(TRANSCRIPTS)}


def estimates(seed: int) -> pd.DataFrame:
    """One sample: no transcript of the first gene anywhere, none of the second in sample 2."""
    rng = np.random.default_rng(seed)
    length_t = np.random.default_rng(99).integers(300, 4000, 300)
    effective_t = np.maximum(length_t - 150 - 20 * seed, 10) + rng.random(300).round(3)
    share_t = rng.gamma(0.3, 1, 300)
    gone = {0} | ({7} if seed == 2 else set())
    share_t[[int(GENE_OF[t][4:]) in gone for t in TRANSCRIPTS]] = 0
    reads_t = (share_t / share_t.sum() * 1e6).round(3)
    tpm_t = reads_t / effective_t / (reads_t / effective_t).sum() * 1e6
    columns = {"Length": length_t, "EffectiveLength": effective_t, "TPM": tpm_t.round(6)}
    return pd.DataFrame(columns | {"NumReads": reads_t}, index=pd.Index(TRANSCRIPTS, name="Name"))


def length_scaled() -> pd.DataFrame:
    """Samples x genes, as the R code of tximport reads: lengthScaledTPM."""
    tables = {sample: estimates(i) for i, sample in enumerate(SAMPLES)}
    gene = pd.Series(GENE_OF)
    tpm = pd.DataFrame({s: t["TPM"].groupby(gene).sum() for s, t in tables.items()})
    weighted = {s: (t["TPM"] * t["EffectiveLength"]).groupby(gene).sum() for s, t in tables.items()}
    length = pd.DataFrame(weighted) / tpm
    plain = pd.DataFrame({s: t["EffectiveLength"] for s, t in tables.items()}).mean(axis=1)
    for name, row in length.iterrows():
        known = row.dropna()
        filled = np.exp(np.log(known).mean()) if len(known) else plain.groupby(gene).mean()[name]
        length.loc[name] = row.fillna(filled)
    counts = tpm.mul(length.mean(axis=1), axis=0)
    totals = pd.Series({s: t["NumReads"].sum() for s, t in tables.items()})
    return (counts * totals / counts.sum()).T


def salmon(folder: Path) -> Path:
    for i, sample in enumerate(SAMPLES):
        write(folder / sample / "quant.sf", estimates(i).to_csv(sep="\t"))
    return folder


def kallisto(folder: Path) -> Path:
    names = {"Length": "length", "EffectiveLength": "eff_length", "NumReads": "est_counts"}
    for i, sample in enumerate(SAMPLES):
        table = estimates(i).rename(columns=names | {"TPM": "tpm"}).rename_axis("target_id")
        table = table[["length", "eff_length", "est_counts", "tpm"]]
        write(folder / sample / "abundance.tsv", table.to_csv(sep="\t"))
        write(folder / sample / "abundance.h5", "\x89HDF is not looked at")
    return folder


def bare(name: str) -> str:
    return name.partition(".")[0]


ANNOTATION = '1\thavana\t{}\t1\t9\t.\t+\t.\tgene_id "{}"; gene_version "2"; {}gene_name "{}";\n'
TABLES = {
    "with a header": "transcript_id\tgene_id\tgene_name\n"
    + "".join(f"{t}\t{g}\tNAME{g[-2:]}\n" for t, g in GENE_OF.items()),
    "without, comma, gene first, no versions": "".join(
        f"{g},{bare(t)}\n" for t, g in GENE_OF.items()
    ),
    "BioMart": "Gene stable ID\tTranscript stable ID\tTranscript stable ID version\tGene name\n"
    + "".join(f"{g}\t{bare(t)}\t{t}\tNAME\n" for t, g in GENE_OF.items()),
    "GTF": "#!genome\n"
    + "".join(
        ANNOTATION.format("gene", g, "", "N")
        + ANNOTATION.format("transcript", g, f'transcript_id "{bare(t)}"; ', f"NAME{g[-2:]}")
        for t, g in GENE_OF.items()
    ),
    "GFF3": "##gff-version 3\n"
    + "".join(
        f"1\thavana\tgene\t1\t9\t.\t+\t.\tID=gene:{g};Name=N\n"
        f"1\thavana\tmRNA\t1\t9\t.\t+\t.\tID=transcript:{bare(t)};Parent=gene:{g}\n"
        for t, g in GENE_OF.items()
    ),
}


@pytest.mark.parametrize("program", [salmon, kallisto])
def test_transcripts_become_genes_as_tximport_scales_them(tmp_path: Path, program) -> None:
    folder, expected = program(tmp_path / "run"), length_scaled()
    for kind, text in TABLES.items():
        table = write(tmp_path / f"{kind}.txt", text)
        adata = ty.read(folder, tx2gene=table)
        assert list(adata.obs_names) == SAMPLES
        assert set(adata.var_names) == set(GENE_OF.values())
        np.testing.assert_allclose(adata.X, expected[adata.var_names], atol=0.51)
        assert (np.rint(adata.X) == adata.X).all()
        assert "300 of 300 transcripts summed to 80 genes" in notes(adata)
        assert ("without the versions" in notes(adata)) == (
            kind not in ("with a header", "BioMart")
        )
        if kind in ("with a header", "GTF"):
            assert adata.var.loc["ENSG00000000021", "gene_name"] == "NAME21"


def test_names_of_gencode_and_of_the_tcga_are_told_apart(tmp_path: Path) -> None:
    table = estimates(0).rename(lambda name: f"{name}|{GENE_OF[name]}.1|OTT|-|A-201|A|1657|")
    write(tmp_path / "S0" / "quant.sf", table.to_csv(sep="\t"))
    assert list(ty.read(tmp_path).var_names) == TRANSCRIPTS
    head = "gene_id\ttranscript_id(s)\tlength\teffective_length\texpected_count\tTPM\tFPKM\n"
    rows = "".join(
        f"{gene}\tA\t9\t8\t{i}\t1\t2\n" for i, gene in enumerate(["?|1", "?|2", "A1BG|1"])
    )
    path = write(tmp_path / "S1.genes.results", head + rows)
    assert list(ty.read(path).var_names) == ["?|1", "?|2", "A1BG|1"]


def test_without_a_table_transcripts_are_taken_as_they_are(tmp_path: Path) -> None:
    folder = salmon(tmp_path / "run")
    write(folder / "tx2gene.tsv", TABLES["with a header"])
    adata = ty.read(folder)
    assert list(adata.var_names) == TRANSCRIPTS
    said = "these are transcripts, taken as they are; a tx2gene table sums them to genes, such as"
    assert f"{said} run/tx2gene.tsv" in notes(adata)


def test_a_merged_matrix_of_transcripts_is_summed(tmp_path: Path) -> None:
    frame = pd.DataFrame({s: estimates(i)["NumReads"] for i, s in enumerate(SAMPLES)})
    matrix = write(tmp_path / "tx.tsv", frame.to_csv(sep="\t", index_label="tx"))
    rows = list(GENE_OF.items())[:-2]
    table = write(tmp_path / "t.tsv", "".join(f"{t}\t{g}\n" for t, g in rows))
    assert "these are transcripts, taken as they are" in notes(ty.read(matrix))
    adata = ty.read(matrix, tx2gene=table)
    expected = frame[:-2].groupby(pd.Series(dict(rows))).sum().T[adata.var_names]
    np.testing.assert_allclose(adata.X, expected, rtol=1e-5)
    assert "transcripts without a gene there, left out: 2" in notes(adata)
    write(tmp_path / "tx.tsv", (frame - 1).to_csv(sep="\t", index_label="tx"))
    with pytest.raises(DataError, match="negative values cannot be summed"):
        ty.read(matrix, tx2gene=table)


def test_a_table_of_other_transcripts_is_refused_by_its_names(tmp_path: Path) -> None:
    folder = salmon(tmp_path / "run")
    table = write(tmp_path / "mouse.tsv", "ENSMUST1\tENSMUSG1\nENSMUST2\tENSMUSG1\n")
    with pytest.raises(
        DataError, match=r"none of the 300 names is a transcript there \(ENST0.*; there ENSMUST2"
    ):
        ty.read(folder, tx2gene=table)
    with pytest.raises(DataError, match="no such file"):
        ty.read(folder, tx2gene=tmp_path / "nothing.gtf")


@pytest.mark.parametrize("command", ["aberrant", "normalize", "data inspect"])
def test_commands_sum_transcripts(tmp_path: Path, command: str) -> None:
    folder = salmon(tmp_path / "run")
    for i in range(6, 12):
        write(folder / f"S{i}" / "quant.sf", estimates(i).to_csv(sep="\t"))
    table = write(tmp_path / "t.tsv", TABLES["with a header"])
    out = {"aberrant": "out", "normalize": "n.h5ad"}.get(command)
    given = [*command.split(), str(folder), "--tx2gene", str(table)]
    told = CliRunner().invoke(app, given + (["--out", str(tmp_path / out)] if out else []))
    assert told.exit_code == 0, told.output
    if command == "aberrant":
        about = json.loads((tmp_path / "out" / "run.json").read_text())
        assert "summed to 80 genes" in json.dumps(about)
    if command == "data inspect":
        assert "transcripts summed to 80 genes" in told.output


def test_new_samples_follow_the_lengths_of_the_cohort(tmp_path: Path) -> None:
    """Read apart from a cohort, samples count as if they had been read with it."""
    whole, apart = salmon(tmp_path / "whole"), tmp_path / "apart"
    shutil.copytree(whole / "S5", apart / "S5")
    table = write(tmp_path / "t.tsv", TABLES["with a header"])
    cohort, alone = ty.read(whole, tx2gene=table), ty.read(apart, tx2gene=table)
    save_lengths(cohort, tmp_path)
    moved = at_lengths(alone, tmp_path)
    with_cohort, by_itself = cohort["S5"].X[0], alone.X[0]
    scale = moved.X.sum() / with_cohort.sum()
    np.testing.assert_allclose(moved.X[0], scale * with_cohort, rtol=1e-4, atol=2)
    assert np.abs(by_itself - with_cohort).max() > 100
    assert "counts are brought to the effective lengths of the cohort" in notes(moved)
    plain = ty.read(CASES / "htseq")
    assert at_lengths(plain, tmp_path) is plain
    assert at_lengths(alone, apart) is alone


def test_a_header_of_one_numbered_sample_is_no_gene(tmp_path: Path) -> None:
    path = write(tmp_path / "m.tsv", "gene\t1001\nTP53\t5\nMYC\t7\nKRAS\t3\n")
    adata = ty.read(path)
    assert (list(adata.obs_names), adata.n_vars) == (["1001"], 3)
