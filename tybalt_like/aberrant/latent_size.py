"""How many hidden factors there are, judged by injected outliers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tybalt_like.aberrant.ensemble import in_cohort
from tybalt_like.aberrant.injection import inject
from tybalt_like.aberrant.samples import Samples

SIZES = 8
"""Numbers of factors that are tried."""


def by_injection(samples: Samples, *, seed: int, say: Callable[[str], None]) -> int:
    """The number at which injected outliers are found best, judged by AUPRC.

    One count in a hundred is shifted by about 3 standard deviations. Numbers from 2 to a third of
    the samples are tried, evenly spaced on a logarithmic scale.
    """
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(seed)
    x_ng, truth_ng = inject(samples.x_ng, samples.size_n, frequency=1e-2, z=3, varied=True, rng=rng)
    changed, found = samples._replace(x_ng=x_ng), {}
    for k in np.unique(np.geomspace(2, max(2, len(x_ng) // 3), SIZES).round().astype(int)):
        p_ng = in_cohort(changed.log_ng, changed.design_nc, rank=int(k)).p_ng
        found[int(k)] = float(average_precision_score(truth_ng.ravel(), -p_ng.ravel()))
        say(f"{k} hidden factors: AUPRC of injected outliers {found[int(k)]:.3f}")
    return max(found, key=lambda k: found[k])
