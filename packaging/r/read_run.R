# A run folder in R, with nothing but R: Rscript read_run.R FOLDER
folder <- commandArgs(trailingOnly = TRUE)[1]
table_of <- function(name) read.delim(file.path(folder, name), row.names = 1, check.names = FALSE)

scores <- table_of("scores.tsv")
tested <- scores[scores$tybalt_split %in% c("test", "query"), ]
cat(sum(tested$default_flagged == "True"), "of", nrow(tested), "tested samples are flagged\n")
strangest <- tested[order(tested$default_p_value), ][seq_len(min(5, nrow(tested))), ]
print(signif(strangest[, c("default_combined", "default_p_value", "default_q_value")], 3))

genes <- read.delim(file.path(folder, "gene_scores.tsv.gz"))
of_first <- genes[genes$sample == rownames(strangest)[1], c("gene", "observed", "expected", "z")]
print(head(of_first, 3), row.names = FALSE)

latent <- table_of("latent.tsv.gz")
features <- latent[rownames(scores), grepl("_[0-9]+$", names(latent))]
moved <- sapply(features, function(z) cor(z, scores$default_combined, method = "spearman"))
print(round(sort(moved, decreasing = TRUE)[1:3], 2))

pdf(file.path(tempdir(), "map.pdf"))
map <- table_of("embeddings.tsv.gz")
is_flagged <- scores[rownames(map), "default_flagged"] == "True"
plot(map[, 1:2], pch = 19, col = ifelse(is_flagged, "red", "grey"))
invisible(dev.off())
