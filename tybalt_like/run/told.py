"""What a run says of itself: ``run.json``."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tybalt_like.anomaly import scores as tables
from tybalt_like.core import keys
from tybalt_like.core.provenance import is_images, recorded
from tybalt_like.evaluation.comparison import summarise
from tybalt_like.report.run_contents import HOLD, title
from tybalt_like.report.words import counted, sentence
from tybalt_like.run import folder
from tybalt_like.run.about import write_about
from tybalt_like.run.calls import NAMED, strangest
from tybalt_like.run.cohort import split_sizes

if TYPE_CHECKING:
    from tybalt_like.run.results import Results


def tell(
    found: Results, work: Path, *, inputs: Mapping[str, Any], seconds: Mapping[str, float]
) -> None:
    """Write ``run.json``: what was done, with what, and what to be careful about."""
    model, recipe = found.models[found.name], found.recipe
    write_about(
        work,
        kind=folder.KIND,
        name=recipe.name,
        recipe=recipe.to_tables(),
        seed=recipe.seed,
        adata=found.adata,
        summary=_summary(found),
        warnings=_warnings(found),
        facts=_facts(found),
        seconds=seconds,
        inputs=inputs,
        discloses=_discloses(found),
        device=str(next(iter(model.state_dict().values())).device),
        threads=_threads(),
        splits=split_sizes(found.whole.obs[keys.SPLIT].to_list()),
        held=found.adata.n_obs,
        shown_too=[] if found.others is None else list(found.others.obs_names),
        model={
            "name": found.name,
            "stopped": model.history.stopped,
            "best_epoch": model.history.best_epoch,
        },
        features=list(folder.latent_table(found.adata, found.name).columns),
        score_columns=list(tables.columns(found.scores)),
        entropy_floor=_entropy_floor(found) if model.likelihood == "bernoulli" else None,
        label=recipe.data.label,
        normal=list(recipe.data.normal),
        anomalies=list(recipe.data.anomalies),
        images=is_images(found.adata),
        fdr=recipe.scores.fdr,
        scorers=list(found.scorers),
        detector=_about_detector(found),
        flagged={
            "tested": len(found.tested),
            "flagged": int(found.call("flagged").sum()),
            "beyond": len(found.beyond),
        },
        evaluation=found.evaluation
        and {
            "test": found.evaluation.n_test,
            "held_out": found.evaluation.n_held_out,
            "notes": list(found.evaluation.notes),
        },
    )


def _about_detector(found: Results) -> dict[str, Any]:
    """What the page says of the scorer that decides."""
    detector = found.detector
    return {
        "name": found.decides,
        "views": list(detector.combination.views),
        "combined": str(detector.combination),
        "reference": found.m,
        "units": detector.calibration.size,
        "group": found.recipe.split.group,
        "smallest_p": detector.calibration.smallest,
        "extrapolates": detector.calibration.extrapolates,
        "rule": detector.calibration.rule,
        "log2": found.scorers[found.decides].normaliser.is_log2,
        "domain": _domain(found),
        "left_out": list(found.detected.left_out) if found.detected else [],
        "normals": "reference" if found.normals.sum() == found.m else keys.TEST,
        "pooled": found.pooled,
    }


def _discloses(found: Results) -> str:
    """What whoever has the folder can read of the samples."""
    return (
        f"Detectors hold the profiles of {counted(found.m, 'reference sample')}, which can be "
        "read back from scorers/, and adata.h5ad those of all samples with the sample table: "
        "give the folder only to those who may see the data."
    )


def _domain(found: Results) -> dict[str, Any] | None:
    """Whether the p-values of the query hold."""
    verdict = found.detected.verdict if found.detected else None
    return None if verdict is None else asdict(verdict)


def _facts(found: Results) -> dict[str, Any]:
    model, genes = found.models[found.name], "\n".join(found.adata.var_names)
    return {
        "model": model.title,
        "parameters": f"{sum(p.numel() for p in model.parameters()):,}",
        "training": model.history.stopped,
        "seed": found.recipe.seed,
        "device": str(next(iter(model.state_dict().values())).device),
        "threads": _threads(),
        "genes (SHA-256)": hashlib.sha256(genes.encode()).hexdigest()[:16],
    }


def _summary(found: Results) -> list[str]:
    """What was found, in sentences."""
    said = [
        f"{int(found.call('flagged').sum())} of {len(found.tested)} tested samples flagged at a "
        f"false-discovery rate of {found.recipe.scores.fdr:g}",
        strangest(
            found.call("p_value")[found.tested.index],
            found.call("extrapolated")[found.tested.index],
            beyond=len(found.beyond),
            reference=found.m,
            pooled=found.pooled,
        ),
    ]
    if found.evaluation is not None:
        said += summarise(found.evaluation.table, model=found.name, title=title)[:1]
    if found.explained is not None:
        said += found.explained.said[:1]
    return said


def _entropy_floor(found: Results) -> float | None:
    """The lowest cross-entropy that any model can reach on the validation samples."""
    from scipy.special import entr

    x_ng = np.asarray(found.adata.X)[found.adata.obs[keys.SPLIT] == keys.VALIDATION]
    x_ng = x_ng.astype(np.float64)
    return float((entr(x_ng) + entr(1 - x_ng)).sum(1).mean()) if len(x_ng) else None


def _warnings(found: Results) -> list[str]:
    """What a reader of the page must know before believing it."""
    said = []
    verdict = found.detected.verdict if found.detected else None
    if verdict is not None and verdict.outcome != "fine":
        said.append(f"{HOLD} {sentence(verdict.sentence)}")
    said += [sentence(doubt) for doubt in recorded(found.adata).get("doubts", [])]
    column = found.recipe.scores.conditional_on
    obs = found.whole.obs
    unknown_n = found.call("p_value").reindex(obs.index).isna()
    if column and unknown_n.any():
        said.append(
            f"{int(unknown_n.sum())} samples have no p-value: no calibration sample shares "
            f"their value of {column!r} ({obs[column][unknown_n].iloc[0]}, ...)."
        )
    if found.detected is not None and found.detected.left_out:
        names = ", ".join(found.detected.left_out[:NAMED])
        names += ", ..." * (len(found.detected.left_out) > NAMED)
        said.append(
            f"{len(found.detected.left_out)} reference samples were too strange to be learned "
            f"from (data.contamination): {names}. They calibrate like all others, which makes "
            "p-values cautious."
        )
    if found.pooled:
        said.append(
            "No label says which samples are normal, so each is compared with all others, "
            "among which there may be some as strange. Read the scores as a ranking; flags "
            "with an error rate need a reference cohort (data.normal)."
        )
    return [*said, *(found.evaluation.alarms if found.evaluation else ())]


def _threads() -> int:
    import torch

    return torch.get_num_threads()
