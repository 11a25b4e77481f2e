"""What to cite."""

from __future__ import annotations

MODELS = {
    "adage": "ADAGE: Tan J, Hammond JH, Hogan DA, Greene CS. ADAGE-based integration of publicly "
    "available Pseudomonas aeruginosa gene expression data with denoising autoencoders illuminates "
    "microbe-host interactions. mSystems 1:e00025-15 (2016).",
    "beta_tc_vae": "beta-TC-VAE: Chen RTQ, Li X, Grosse R, Duvenaud D. Isolating sources of "
    "disentanglement in variational autoencoders. NeurIPS (2018).",
    "beta_vae": "beta-VAE: Higgins I, Matthey L, Pal A, et al. beta-VAE: learning basic visual "
    "concepts with a constrained variational framework. ICLR (2017); variational autoencoder: "
    "Kingma DP, Welling M. Auto-encoding variational Bayes. ICLR (2014).",
    "conditional_tybalt": "Conditional variational autoencoder: Sohn K, Lee H, Yan X. Learning "
    "structured output representation using deep conditional generative models. NeurIPS (2015).",
    "count_vae": "Count variational autoencoder: Lopez R, Regier J, Cole MB, Jordan MI, Yosef N. "
    "Deep generative modeling for single-cell transcriptomics. Nature Methods 15:1053-1058 (2018).",
    "deep_autoencoder": "Autoencoder: Hinton GE, Salakhutdinov RR. Reducing the dimensionality of "
    "data with neural networks. Science 313:504-507 (2006).",
    "dip_vae": "DIP-VAE: Kumar A, Sattigeri P, Balakrishnan A. Variational inference of "
    "disentangled latent concepts from unlabeled observations. ICLR (2018).",
    "ica": "ICA: Hyvärinen A, Oja E. Independent component analysis: algorithms and applications. "
    "Neural Networks 13:411-430 (2000).",
    "linear_autoencoder": "Linear autoencoder: Baldi P, Hornik K. Neural networks and principal "
    "component analysis: learning from examples without local minima. Neural Networks 2:53-58 "
    "(1989).",
    "mmd_vae": "MMD-VAE: Zhao S, Song J, Ermon S. InfoVAE: balancing learning and inference in "
    "variational autoencoders. AAAI 33:5885-5892 (2019).",
    "nmf": "NMF: Lee DD, Seung HS. Learning the parts of objects by non-negative matrix "
    "factorization. Nature 401:788-791 (1999).",
    "pca": "PCA: Pearson K. On lines and planes of closest fit to systems of points in space. "
    "Philosophical Magazine 2:559-572 (1901).",
    "tybalt": "Tybalt: Way GP, Greene CS. Extracting a biologically relevant latent space from "
    "cancer transcriptomes with variational autoencoders. Pacific Symposium on Biocomputing "
    "23:80-91 (2018).",
}
MODELS |= {
    "wgan_gp": "WGAN-GP: Gulrajani I, Ahmed F, Arjovsky M, Dumoulin V, Courville A. Improved "
    "training of Wasserstein GANs. NeurIPS (2017).",
    "dcgan": "DCGAN: Radford A, Metz L, Chintala S. Unsupervised representation learning with "
    "deep convolutional generative adversarial networks. ICLR (2016).",
    "anogan": "AnoGAN: Schlegl T, Seeböck P, Waldstein SM, Schmidt-Erfurth U, Langs G. "
    "Unsupervised anomaly detection with generative adversarial networks to guide marker "
    "discovery. IPMI (2017).",
    "f_anogan": "f-AnoGAN: Schlegl T, Seeböck P, Waldstein SM, Langs G, Schmidt-Erfurth U. "
    "f-AnoGAN: fast unsupervised anomaly detection with generative adversarial networks. Medical "
    "Image Analysis 54:30-44 (2019).",
    "nb_autoencoder": "OUTRIDER: Brechtmann F, Mertes C, Matusevičiūtė A, et al. OUTRIDER: a "
    "statistical method for detecting aberrantly expressed genes in RNA sequencing data. "
    "American Journal of Human Genetics 103:907-917 (2018).",
    "dr_vae": "Dr.VAE: Rampášek L, Hidru D, Smirnov P, Haibe-Kains B, Goldenberg A. Dr.VAE: "
    "improving drug response prediction via modeling of drug perturbation effects. Bioinformatics "
    "35:3743-3751 (2019).",
    "ss_vae": "Semi-supervised VAE: Kingma DP, Rezende DJ, Mohamed S, Welling M. Semi-supervised "
    "learning with deep generative models. NeurIPS (2014); fair: Louizos C, Swersky K, Li Y, "
    "Welling M, Zemel R. The variational fair autoencoder. ICLR (2016).",
}
MODELS["pert_vae"] = MODELS["dr_vae"]
MODELS["adage_tied"] = MODELS["adage"]
MODELS["conditional_tybalt"] += f" {MODELS['tybalt']}"
"""What each registered model is built on."""
ENCODING = [
    "Active units: Burda Y, Grosse R, Salakhutdinov R. Importance weighted autoencoders. ICLR "
    "(2016).",
    "CKA: Kornblith S, Norouzi M, Lee H, Hinton G. Similarity of neural network representations "
    "revisited. ICML (2019); unbiased estimate: Song L, Smola A, Gretton A, Bedo J, Borgwardt K. "
    "Feature selection via dependence maximization. Journal of Machine Learning Research "
    "13:1393-1434 (2012).",
    "SVCCA: Raghu M, Gilmer J, Yosinski J, Sohl-Dickstein J. SVCCA: singular vector canonical "
    "correlation analysis for deep learning dynamics and interpretability. NeurIPS (2017).",
    "Comparison of encodings by size and algorithm: Way GP, Zietz M, Rubinetti V, Himmelstein DS, "
    "Greene CS. Compressing gene expression data using multiple latent space dimensionalities "
    "learns complementary biological representations. Genome Biology 21:109 (2020).",
]
METHODS = [
    "Calibrated p-values: Bates S, Candès E, Lei L, Romano Y, Sesia M. Testing for outliers with "
    "conformal p-values. Annals of Statistics 51:149-178 (2023).",
    "False-discovery rate: Benjamini Y, Hochberg Y. Controlling the false discovery rate. Journal "
    "of the Royal Statistical Society B 57:289-300 (1995).",
    "UMAP: McInnes L, Healy J, Melville J. UMAP: uniform manifold approximation and projection "
    "for dimension reduction. arXiv:1802.03426 (2018).",
    "t-SNE: van der Maaten L, Hinton G. Visualizing data using t-SNE. Journal of Machine Learning "
    "Research 9:2579-2605 (2008); openTSNE: Poličar PG, Stražar M, Zupan B. Journal of "
    "Statistical Software 109:3 (2024).",
]


def citations(model: str, version: str, *, judged: bool = False) -> list[str]:
    """The software, the model's paper, and the methods of the run; `judged`: with report card."""
    software = f"tybalt_like {version}, BSD-3-Clause."
    own = [MODELS[model]] if model in MODELS else []
    return [software, *own, *METHODS, *(ENCODING if judged else [])]
