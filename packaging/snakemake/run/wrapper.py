"""`tybalt-like run`: from an expression matrix or a recipe to a folder with scores and a report."""

from shlex import quote

from snakemake.shell import shell

log = snakemake.log_fmt_shell(stdout=True, stderr=True)
extra = snakemake.params.get("extra", "")
files = {name: snakemake.input.get(name) for name in ("data", "obs")}
given = " ".join(f"--{name} {quote(path)}" for name, path in files.items() if path)
recipe = quote(snakemake.input.get("recipe", "")) if snakemake.input.get("recipe") else ""

shell(
    "tybalt-like run {recipe} {given} --out {snakemake.output[0]:q} --threads {snakemake.threads}"
    " --quiet {extra} {log}"
)
