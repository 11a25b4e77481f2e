"""What a page needs to score new samples by itself, as one JSON text.

The page computes what `Run.assess` computes with the default detector: the same normalisation,
views, calibration, nulls and check of the source, in double precision (``report/template``).
"""

from __future__ import annotations

import copy
import gzip
import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from tybalt_like import __version__, anomaly, pp, report
from tybalt_like.anomaly import verdict
from tybalt_like.anomaly.combination import Combination
from tybalt_like.anomaly.domain import PER_AXIS, SIZES
from tybalt_like.anomaly.parts.profiles import Profiles
from tybalt_like.core import keys
from tybalt_like.core.errors import RunError
from tybalt_like.core.files import whole_file
from tybalt_like.core.marker import add_to_marker, forget
from tybalt_like.genes import search_terms
from tybalt_like.models import Model
from tybalt_like.models.pca import PCA
from tybalt_like.models.tybalt import Tybalt
from tybalt_like.pp.transforms.base import Transform
from tybalt_like.report.run_contents import RunContents
from tybalt_like.report.words import listed
from tybalt_like.run.folder import Run
from tybalt_like.run.new_samples import OF_LATENT
from tybalt_like.tl.scorer import Scorer

FILE = "portable.json.gz"
SCHEMA = 1
STEPS, SCALERS = ("cpm", "median_of_ratios", "log2", "log1p"), ("zscore", "zero_one", "robust_z")
"""Transforms that the page can apply."""
VIEWS = "gene_residual kth_neighbour mahalanobis nearest relative top_genes top_residuals whitened"
"""Views that the page can take."""
CLOSE = 1e-4
"""Latent features that differ by as much, in standard deviations, are not those of the encoder."""


@dataclass(frozen=True)
class Portable:
    """What was put into a page.

    Attributes
    ----------
    n_bytes
        By which the page grows.
    as_run
        Whether it scores as the run does.
    disclosed
        What it tells of the samples that were learned from, in sentences.
    """

    n_bytes: int
    as_run: bool
    disclosed: str

    @classmethod
    def of(cls, packed: bytes) -> Self:
        """From the file."""
        held = json.loads(gzip.decompress(packed))
        return cls(-(-len(packed) // 3) * 4, held["profiles"] is not None, held["disclosed"])


def make_portable(folder: Path, *, profiles: bool = True) -> Portable:
    """Let the page of a finished run score new samples, and draw it again.

    Parameters
    ----------
    profiles
        Whether it may hold the expression of the reference samples. Without, the combined score is
        made of the views that need none, calibrated by the same held-out samples: other scores than
        those of the run.

    Raises
    ------
    RunError
        If the folder is no whole run, or its default detector takes what a page cannot: then the
        sentence says what, and the folder stays as it is.
    """
    run = Run.load(folder)
    text = json.dumps(payload(run, profiles=profiles), allow_nan=False)
    with whole_file(folder / FILE) as partial:
        partial.write_bytes(gzip.compress(text.encode(), mtime=0))
    add_to_marker(folder, [FILE])
    report.build(folder)
    return Portable.of((folder / FILE).read_bytes())


def make_plain(folder: Path) -> None:
    """Take that out again, without drawing the page."""
    forget(folder, [FILE])


def _disclosed(run: Run, *, profiles: bool) -> str:
    detector = run.scorers[keys.DEFAULT].detector
    m, genes = detector.calibration.m, f"{detector.n_vars:,} genes"
    if profiles:
        return (
            f"For this it holds the expression of {genes} in {m:,} reference samples: whoever has "
            "the page has these values, and can find out whose they are among the samples that it "
            "names."
        )
    left_out = [view for view in detector.combination.views if _needs_profiles(view)]
    return (
        f"For this it holds means, spreads and principal axes of {genes} over {m:,} reference "
        "samples, and where these lie on the first axes, by which their profiles can be guessed "
        "roughly; but no expression of any of them beyond what table and map show. The views that "
        f"need it are left out ({listed(left_out)}): the scores are not those of the run."
    )


def _needs_profiles(view: str) -> bool:
    return anomaly.View.registry[view].part is Profiles


def payload(run: Run, *, profiles: bool = True) -> dict[str, Any]:
    """All that the page needs, as plain values; arrays are base64 of little-endian numbers.

    Parameters
    ----------
    profiles
        See `make_portable`.

    Raises
    ------
    RunError
        As `make_portable`.
    """
    scorer = run.scorers[keys.DEFAULT]
    _check(run, scorer)
    detector = scorer.detector
    views = detector.views
    combined = [v for v in detector.combination.views if profiles or not _needs_profiles(v)]
    if not combined:
        raise RunError(
            f"{run.folder}: every view of the combined score needs the reference profiles; leave "
            "out --without-profiles"
        )
    held_out = detector.held_out[combined]
    wanted = dict.fromkeys((*combined, *(["nearest"] * profiles)))
    return {
        "schema": SCHEMA,
        "version": __version__,
        "name": run.about["name"],
        "fdr": run.about["fdr"],
        "is_log2": scorer.normaliser.is_log2,
        "disclosed": _disclosed(run, profiles=profiles),
        "normaliser": _normaliser(scorer.normaliser),
        "model": {
            "mean_g": _stored(_buffer(scorer.model, "mean_g")),
            "components_kg": _stored(_buffer(scorer.model, "components_kg"), bits=32),
        },
        "error_g": _stored(views.error_g),
        "views": {name: _view(views.views[name]) for name in wanted},
        "profiles": _profiles(views.parts["profiles"]) if profiles else None,
        "combination": _arrays(asdict(Combination.fit(held_out, combined))),
        "held_out": _stored(held_out.to_numpy(np.float64)),
        "calibration": {
            "rule": detector.calibration.applied_rule,
            "weight_c": _stored(detector.calibration.weight_c),
        },
        "usual": _usual(detector.usual),
        "domain": None if scorer.domain is None else _domain(scorer.domain, profiles=profiles),
        "map": _map(run, profiles=profiles),
    }


def _check(run: Run, scorer: Scorer) -> None:
    """Refuse what the page cannot compute."""
    detector, normaliser = scorer.detector, scorer.normaliser
    steps = [*normaliser.sample_steps, *(s for s in (normaliser.scaler,) if s is not None)]
    foreign = [step.name for step in steps if step.name not in (*STEPS, *SCALERS)]
    views = [view for view in detector.combination.views if view not in VIEWS.split()]
    for found, what in (
        (run.about["images"], "images"),
        (detector.conditional_on, "scores that are calibrated by a column of the sample table"),
        (normaliser.batches, "values that are centred by batch"),
        (normaliser.imputer, "missing values that are imputed from neighbours"),
        (foreign, f"the transform {foreign[0] if foreign else ''}"),
        (views, f"the view {views[0] if views else ''}"),
        (not isinstance(scorer.model, PCA), f"the model {scorer.model.name}"),
    ):
        if found:
            raise RunError(
                f"{run.folder}: a page cannot score new samples with {what}; use "
                "`tybalt-like score --report`"
            )


def _normaliser(normaliser: pp.Normaliser) -> dict[str, Any]:
    place = {gene: i for i, gene in enumerate(normaliser.read_genes)}
    settings = normaliser.settings
    return {
        "scale": normaliser.scale,
        "any_scale": settings.units != "auto",
        "refuses_missing": settings.missing in ("refuse", "drop_genes"),
        "max_missing": settings.max_missing,
        "duplicates": settings.duplicates,
        "choices": {gene: asdict(choice) for gene, choice in normaliser.choices.items()},
        "read": search_terms(normaliser.read_genes, normaliser.ids),
        "picked": [place[gene] for gene in normaliser.genes],
        "steps": [_transform(step) for step in normaliser.sample_steps],
        "median_g": _stored(normaliser.median_g),
        "scaler": None if normaliser.scaler is None else _transform(normaliser.scaler),
    }


def _transform(step: Transform) -> dict[str, Any]:
    return {"transform": step.name} | _arrays(vars(step))


def _view(view: anomaly.View) -> dict[str, Any]:
    arrays = dict(vars(view))
    if "axes_ka" in arrays:
        arrays["axes_ak"] = arrays.pop("axes_ka").T
    return _arrays(arrays)


def _profiles(part: object) -> dict[str, Any]:
    """Training profiles, and these on the principal axes: sums of profiles, which need not be
    there themselves."""
    assert isinstance(part, Profiles)
    along_ma = part.train_mg.astype(np.float64) @ part.axes_ga
    return {
        "mean_g": _stored(part.mean_g),
        "weight_g": _stored(part.weight_g),
        "train_mg": _stored(part.train_mg, bits=32),
        "spacing_m": _stored(part.spacing_m),
        "along_ma": _stored(along_ma, bits=32),
        "squared_a": _stored(np.square(along_ma).sum(0)),
        "precision_a": _stored(part.precision_a),
        "precision": float(part.precision),
    }


def _usual(usual: anomaly.UsualGenes) -> dict[str, Any]:
    null = usual.residuals
    return {
        "low_g": _stored(usual.low_g),
        "high_g": _stored(usual.high_g),
        "mean_g": _stored(null.mean_g),
        "scale_g": _stored(null.scale_g),
        "n_g": _stored(null.n_g),
        "widening": float(null.widening),
        "up": _arrays(vars(null.up)),
        "down": _arrays(vars(null.down)),
    }


def _domain(domain: anomaly.Domain, *, profiles: bool) -> dict[str, Any]:
    found = _arrays({k: v for k, v in domain.arrays().items() if k != "reference_g"})
    if not profiles:
        found["held_out_mg"] = None
        found |= _spread(domain.held_out_mg.astype(np.float64))
    limits = ("SMALL", "UNEXPLAINED", "FEW_GENES", "MODERATE", "LEVEL", "LEVEL_OF_ONE", "FAR")
    said = {name: getattr(verdict, name) for name in (*limits, "SEVERAL")}
    said |= {
        "condition": verdict.CONDITION,
        "all_are_fine": verdict.ALL_ARE_FINE[1],
        "one_is_fine": verdict.ONE_IS_FINE[1],
        "one_is_off": verdict.ONE_IS_OFF[1],
    }
    return found | {"sizes": SIZES, "says": said}


def _spread(held_mg: NDArray[np.float64]) -> dict[str, Any]:
    """In place of samples, their mean and how far they spread in any direction: along the main
    axes, one for every third sample, and alike in all others."""
    m, g = held_mg.shape
    _, size_a, axes_ag = np.linalg.svd(held_mg - held_mg.mean(0), full_matrices=False)
    kept = max(1, m // PER_AXIS)
    variance_a = np.square(size_a) / m
    return {
        "middle_g": _stored(held_mg.mean(0)),
        "spread_axes_ag": _stored(axes_ag[:kept], bits=32),
        "spread_a": _stored(variance_a[:kept]),
        "spread_rest": float(variance_a[kept:].sum() / max(1, g - kept)),
    }


def _map(run: Run, *, profiles: bool) -> dict[str, Any] | None:
    """How a sample gets its place: encoded by the run's model, between the samples of the run that
    are nearest to it. ``unplaced`` says why it gets none; None if there are no maps.

    An encoder turns latent features, which the page shows, back into much of a profile: without
    profiles there is none.
    """
    cohort = RunContents(run.folder, run.about)
    maps = sorted({str(c)[:-2] for c in cohort.maps if str(c).startswith(OF_LATENT)})
    if not maps:
        return None
    if not profiles:
        return {"unplaced": "a page without reference profiles holds no encoder"}
    latent_mk = cohort.latent.to_numpy(np.float64)
    encoder = _encoder(run, latent_mk)
    if encoder is None:
        return {"unplaced": f"{run.model.title} does not encode by one product of matrices"}
    return {
        "normaliser": _normaliser(run.normaliser),
        **encoder,
        "latent_mk": _stored(latent_mk, bits=32),
        "spread_k": _stored(latent_mk.std(0)),
        "places": {
            name: _stored(cohort.maps[[f"{name}_1", f"{name}_2"]].to_numpy(np.float64), bits=32)
            for name in maps
        },
    }


def _encoder(run: Run, latent_mk: NDArray[np.float64]) -> dict[str, Any] | None:
    """Weights and biases that give the latent features of the run's samples, if there are any."""
    import anndata

    normaliser = run.normaliser
    steps = [*normaliser.sample_steps, *(s for s in (normaliser.scaler,) if s is not None)]
    if any(step.name not in (*STEPS, *SCALERS) for step in steps):
        return None
    if normaliser.batches is not None or normaliser.imputer is not None:
        return None
    weight_gk, bias_k, rectified = _matrix(run.model)
    x_mg = np.asarray(anndata.read_h5ad(run.folder / "adata.h5ad").X, dtype=np.float64)
    found_mk = x_mg @ weight_gk + bias_k
    found_mk = np.maximum(found_mk, 0) if rectified else found_mk
    if not np.allclose(found_mk, latent_mk, rtol=CLOSE, atol=CLOSE * latent_mk.std()):
        return None
    return {
        "weight_kg": _stored(weight_gk.T, bits=32),
        "bias_k": _stored(bias_k),
        "rectified": rectified,
    }


def _matrix(model: Model) -> tuple[NDArray[np.float64], NDArray[np.float64], bool]:
    """Weights (g, k) and biases of a linear encoder, and whether its codes are rectified."""
    exact = copy.deepcopy(model).double().eval()
    with torch.no_grad():
        if isinstance(exact, Tybalt):
            k = exact.config.latent_dim
            norm = exact.norm
            assert norm.running_mean is not None
            assert norm.running_var is not None
            scale = norm.weight / (norm.running_var + norm.eps).sqrt()
            shift = (exact.encoder.bias - norm.running_mean) * scale + norm.bias
            if exact.config.hidden_dim is None:
                weight = exact.encoder.weight * scale[:, None]
                return weight[:k].T.numpy(), shift[:k].numpy(), True
        origin = exact.embed(torch.zeros(1, exact.n_vars, dtype=torch.float64))
        weight = exact.embed(torch.eye(exact.n_vars, dtype=torch.float64)) - origin
    return weight.numpy(), origin[0].numpy(), False


def _arrays(named: Mapping[str, Any]) -> dict[str, Any]:
    """Arrays stored as they are, other values as plain ones."""
    return {
        name: _stored(value, bits=value.dtype.itemsize * 8 if value.dtype == np.float32 else 64)
        if isinstance(value, np.ndarray)
        else value
        for name, value in named.items()
    }


def _stored(array: NDArray[Any], *, bits: int = 64) -> dict[str, Any]:
    plain = np.ascontiguousarray(array, dtype=f"<f{bits // 8}")
    return {
        "bits": bits,
        "shape": list(plain.shape),
        "base64": b64encode(plain.tobytes()).decode(),
    }


def _buffer(model: Model, name: str) -> NDArray[np.float64]:
    return model.get_buffer(name).detach().cpu().double().numpy()
