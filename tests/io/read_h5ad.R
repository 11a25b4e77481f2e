# Prints what an h5ad file holds, read as R's converters read it: from HDF5 alone, by the encodings
# that anndata documents. A line for each matrix with its sum, and for each column with its cells.
# Arguments: the file, and the package to read it with (rhdf5, as zellkonverter does; or hdf5r, as
# Seurat's converters do).
given <- commandArgs(trailingOnly = TRUE)
path <- given[1]
if (given[2] == "rhdf5") {
  get <- function(name) rhdf5::h5read(path, name, bit64conversion = "double")
  attribute <- function(name, key) suppressWarnings(rhdf5::h5readAttributes(path, name)[[key]])
  names_in <- function(folder) {
    found <- rhdf5::h5ls(path)
    found$name[found$group == paste0("/", folder)]
  }
} else {
  file <- hdf5r::H5File$new(path, "r")
  get <- function(name) file[[name]]$read()
  attribute <- function(name, key) hdf5r::h5attr(file[[name]], key)
  names_in <- function(folder) names(file[[folder]])
}

kind_of <- function(name) attribute(name, "encoding-type")

sum_of <- function(name) {
  if (kind_of(name) == "array") return(sum(get(name), na.rm = TRUE))
  stopifnot(kind_of(name) %in% c("csr_matrix", "csc_matrix"))
  x <- get(paste0(name, "/data"))
  stopifnot(max(get(paste0(name, "/indptr"))) == length(x))
  sum(x, na.rm = TRUE)
}

column_of <- function(name) {
  if (kind_of(name) == "categorical") {
    levels <- as.character(get(paste0(name, "/categories")))
    codes <- as.integer(get(paste0(name, "/codes")))
    return(levels[ifelse(codes < 0, NA, codes + 1)])
  }
  stopifnot(kind_of(name) %in% c("array", "string-array"))
  as.vector(get(name))
}

say <- function(...) cat(paste(c(...), collapse = "\t"), "\n", sep = "")
for (axis in c("obs", "var")) {
  stopifnot(kind_of(axis) == "dataframe", attribute(axis, "_index") %in% names_in(axis))
  for (column in names_in(axis)) {
    say(axis, column, as.character(column_of(paste0(axis, "/", column))))
  }
}
say("X", "X", sum_of("X"))
for (layer in names_in("layers")) say("layers", layer, sum_of(paste0("layers/", layer)))
