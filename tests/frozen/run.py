"""Runs whose numbers must survive a rebuild of the house.

    python tests/frozen/run.py BEFORE     # with the code as it was
    python tests/frozen/run.py AFTER      # with the code as it is
    python tests/frozen/compare.py BEFORE AFTER

Everything goes through the command line, on one thread: the embedded cohort with labels and
without (cross-fitted), new samples, digits, treated samples, counts, sizes, a sweep, a
normalisation.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

BRCA = """
[data]
dataset = "tcga_brca"
label = "pam50"
{labels}
[normalize]
n_genes = 300
[model]
{model}
latent_dim = 12
{more}
"""
LABELS = """
normal = ["Luminal A", "Luminal B"]
anomalies = ["Basal-like", "HER2-enriched"]
"""
TYBALT = 'name = "tybalt"\nkappa = 0.2'
TRAINED = "[training]\nepochs = 12\nmin_epochs = 2\nbatch_size = 32\n"
RECIPES = {
    "demo": BRCA.format(labels=LABELS, model=TYBALT, more=TRAINED),
    "cross_fitted": BRCA.format(
        labels="",
        model=TYBALT,
        more=TRAINED + "[scores]\nfolds = 2\n[evaluation]\nseeds = 1\n[pictures]\nmaps = []\n",
    ),
    "trimmed": BRCA.format(
        labels=LABELS + "contamination = 0.05",
        model='name = "pca"',
        more='[pictures]\nmaps = []\n[scores]\nviews = ["relative", "knn"]\nfdr = 0.2\n',
    ),
    "gan": BRCA.format(
        labels=LABELS,
        model='name = "f_anogan"',
        more=TRAINED + "[evaluation]\nseeds = 1\n[pictures]\nmaps = []\n",
    ),
    "mnist": """
[data]
dataset = "mnist_test"
label = "label"
[split]
train = 0.6
calibration = 0.1
[normalize]
units = "zero_one"
select = "all"
scale = "none"
[model]
name = "beta_vae"
likelihood = "bernoulli"
latent_dim = 8
hidden_dims = [32]
channels = 2
[training]
epochs = 2
batch_size = 256
min_epochs = 0
[scores]
folds = 0
n_train = 500
[evaluation]
seeds = 1
baselines = ["pca"]
[pictures]
maps = []
[images]
concepts = [["4", "9"], ["others", "4"]]
[images.beside."two features"]
name = "beta_vae"
likelihood = "bernoulli"
latent_dim = 2
hidden_dims = [16]
training = { epochs = 1, batch_size = 256 }
[images.beside."linear"]
name = "linear_autoencoder"
latent_dim = 8
training = { epochs = 1, batch_size = 256 }
""",
    "drvae": """
[simulation]
groups = 80
single = 0.2
unknown = 0.1
n_genes = 40
latent_dim = 4
effect = 3.0
[perturbation]
group = "cell_line"
response = "response"
labelled = 0.6
folds = 2
[model]
name = "dr_vae"
latent_dim = 4
top_dim = 4
encoder_dims = []
decoder_dims = [20]
[training]
epochs = 6
min_epochs = 1
batch_size = 50
""",
    "compress": BRCA.replace("[model]\n{model}\nlatent_dim = 12\n", "").format(
        labels="",
        more=TRAINED + '[compression]\nk = [2, 4]\nseeds = 2\nlabels = ["pam50"]\n'
        "[compression.models.pca]\n[compression.models.nmf]\n[compression.models.tybalt]\n"
        '[compression.models.permuted]\nname = "pca"\npermuted = true\n',
    ),
    "sweep": BRCA.format(
        labels="",
        model=TYBALT,
        more=TRAINED + '[sweep.space]\n"training.epochs" = [2, 3]\n"model.kappa" = [0.1, 0.5]\n',
    ),
}


def counts() -> pd.DataFrame:
    """Negative binomial counts of 60 samples with two hidden factors, and some outliers."""
    rng = np.random.default_rng(0)
    n, g = 60, 120
    log_ng = rng.normal(5, 1, g) + rng.normal(size=(n, 2)) @ rng.normal(0, 0.4, (2, g))
    mean_ng = rng.uniform(0.5, 2, (n, 1)) * np.exp(log_ng)
    x_ng = rng.negative_binomial(10, 10 / (10 + mean_ng))
    for row in range(0, n, 6):
        x_ng[row, row] *= 12
    genes = pd.Index([f"gene_{i}" for i in range(g)], name="gene")
    return pd.DataFrame(x_ng.T, index=genes, columns=[f"sample_{i}" for i in range(n)])


def main(out: Path) -> None:
    from tybalt_like import datasets

    (out / "recipes").mkdir(parents=True)
    for name, text in RECIPES.items():
        (out / "recipes" / f"{name}.toml").write_text(text)
    counts().to_csv(out / "counts.tsv", sep="\t")
    new = datasets.load("tcga_brca")[500:530].to_df().T.rename_axis("gene")
    (new * 0.98 + 0.1).to_csv(out / "new.tsv", sep="\t")
    commands = [
        [verb, f"recipes/{name}.toml", "--out", name]
        for name in RECIPES
        for verb in [name if name in ("compress", "sweep") else "run"]
    ]
    commands += [
        ["score", "--run", "demo", "new.tsv", "--out", "score.tsv"],
        ["latent", "--run", "demo", "new.tsv", "--out", "latent.tsv"],
        ["aberrant", "counts.tsv", "--out", "aberrant"],
        ["aberrant", "counts.tsv", "--using", "aberrant", "--out", "aberrant_new"],
        ["normalize", "counts.tsv", "--out", "normal.h5ad", "--set", "scale=robust_z"],
    ]
    for command in commands:
        print(*command, flush=True)
        options = [] if command[0] in ("score", "latent") else ["--quiet"]
        options += ["--threads", "1"] if options and command[0] != "normalize" else []
        whole = [sys.executable, "-m", "tybalt_like", *command, *options]
        subprocess.run(whole, cwd=out, check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
