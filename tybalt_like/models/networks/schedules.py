"""How the weight of the KL term rises at the start of training."""

from __future__ import annotations

import math
from typing import Literal

Warmup = Literal["linear", "overshoot", "cyclical"]


def warmup(kind: Warmup, kappa: float, epoch: int | None) -> float:
    """Weight in that epoch; None is the final value.

    Parameters
    ----------
    kind
        ``"linear"``: 0 in the first epoch, `kappa` more in each one, 1 at last, as the Tybalt
        paper describes (after Sonderby et al. 2016). ``"overshoot"``: what Tybalt's code meant to
        do; it adds `kappa` as long as the weight is at most 1, so that it ends above 1 (at 2 with
        ``kappa=1``). ``"cyclical"``: a linear rise, as many epochs at 1, and again from 0
        (Fu et al. 2019, ratio 1/2).
    kappa
        Rise per epoch, above 0.
    """
    if kind == "overshoot":
        last = math.floor(1 / kappa + 1e-9) + 1
        return kappa * (last if epoch is None else min(epoch, last))
    if epoch is None:
        return 1.0
    if kind == "cyclical":
        epoch %= 2 * math.ceil(1 / kappa)
    return min(1.0, kappa * epoch)
