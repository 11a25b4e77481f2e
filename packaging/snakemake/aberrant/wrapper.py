"""`tybalt-like aberrant`: genes with aberrant counts in single samples."""

from shlex import quote

from snakemake.shell import shell

log = snakemake.log_fmt_shell(stdout=True, stderr=True)
extra = snakemake.params.get("extra", "")
files = {name: snakemake.input.get(name) for name in ("obs", "using")}
given = " ".join(f"--{name} {quote(path)}" for name, path in files.items() if path)

shell(
    "tybalt-like aberrant {snakemake.input.counts:q} {given} --out {snakemake.output[0]:q}"
    " --threads {snakemake.threads} --quiet {extra} {log}"
)
