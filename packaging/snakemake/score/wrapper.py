"""`tybalt-like score`: new samples by a finished run."""

from shlex import quote

from snakemake.shell import shell

log = snakemake.log_fmt_shell(stdout=True, stderr=True)
extra = snakemake.params.get("extra", "")
files = {name: snakemake.input.get(name) for name in ("obs", "controls")}
files["genes"] = snakemake.output.get("genes")
given = " ".join(f"--{name} {quote(path)}" for name, path in files.items() if path)

shell(
    "tybalt-like score {snakemake.input.matrix:q} --run {snakemake.input.run:q} {given}"
    " --out {snakemake.output.scores:q} --threads {snakemake.threads} {extra} {log}"
)
