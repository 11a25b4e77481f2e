"""How many latent features, and of which model? Spaces of many sizes and seeds, compared as in
BioBombe (Way, Zietz, Rubinetti, Himmelstein & Greene, Genome Biology 21:109, 2020)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from tybalt_like import io
from tybalt_like.core.errors import RunError
from tybalt_like.core.folders import JOBS, growing, growing_folder
from tybalt_like.genes.gene_sets import GeneSets
from tybalt_like.run.cohort import prepared
from tybalt_like.run.progress import Progress
from tybalt_like.study.compression.plan import TABLE, Compression, Plan, SpaceJob
from tybalt_like.study.compression.space import Space, train_space
from tybalt_like.study.compression.space_tables import write
from tybalt_like.study.store import Store, missing

__all__ = ["TABLE", "Compression", "Plan", "Space", "SpaceJob", "collect", "train"]

OWNS = (f"{JOBS}/", "metrics.tsv", "stability.tsv", "coverage.tsv", "figures/")


def train(
    plan: Plan,
    jobs: Sequence[SpaceJob],
    out: Path,
    *,
    device: str = "auto",
    overwrite: bool = False,
    inputs: Iterable[Path] = (),
    progress: Progress | None = None,
) -> None:
    """Train those of `jobs` that are not in the store of `out`."""
    progress = progress or Progress(quiet=True)
    inputs = [*inputs, *plan.inputs()]
    # What cannot be read leaves no folder.
    adata = None if out.exists() or not jobs else prepared(plan.recipe(jobs[0]))
    growing_folder(out, kind=TABLE, owns=OWNS, inputs=inputs, overwrite=overwrite)
    store = Store(out / JOBS)
    left = missing(jobs, store, plan.identity, progress)
    if not left:
        return
    adata = prepared(plan.recipe(left[0])) if adata is None else adata
    sets = None
    if plan.compression.genesets is not None:
        sets = GeneSets.within(list(adata.var_names), io.read_gmt(plan.compression.genesets))
        progress.say(f"{len(sets.names)} gene sets with at least 5 of the {adata.n_vars} genes")
    else:
        progress.say("no compression.genesets: gene-set coverage is left out")
    with growing(out), progress.stage("Training"):
        for i, job in enumerate(left, 1):
            space = train_space(plan, job, adata, sets=sets, device=device)
            store.save(job, space.finished(), identity=plan.identity(job))
            shown = ", ".join(f"{key} {value:.3g}" for key, value in space.metrics.items())
            progress.done(i, len(left), f"{job.model} k {job.k} seed {job.seed}: {shown}")


def collect(plan: Plan, out: Path) -> Path:
    """Write tables and the figure of a comparison whose trainings are all there; see `write`.

    Raises
    ------
    RunError
        If some are missing; it says how many.
    """
    store, jobs = Store(out / JOBS), plan.jobs()
    left = [job for job in jobs if not store.is_done(job, plan.identity(job))]
    if left:
        raise RunError(
            f"{len(left)} of {len(jobs)} trainings are missing in {out}, such as "
            f"{left[0].name}; leave out --collect to train them"
        )
    with growing(out):
        write({job: Space.of(store.load(job)) for job in jobs}, out)
    return out
