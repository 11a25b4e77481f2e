"""The code whose decoded profile is nearest to a sample, found by gradient descent on the code."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Objective = Callable[[Tensor, Tensor], Tensor]
"""Loss (b,) of codes (b, k) for the samples of these row numbers (b,)."""

BLOCK = 64
"""Rows that are computed at once, always: fewer are filled up. In a matrix product of one and the
same shape, a row's result does not depend on the other rows, to the last bit; and the search,
whose loss has kinks, would blow up any difference."""
PATIENCE = 20
"""Steps without progress after which a code goes on to the next rate."""
POOL = 1024
"""Draws from the prior among which the nearest ones are looked for."""
DECAY = 0.9, 0.999
"""Adam's, of the mean gradient and of the mean squared one."""


def in_blocks(function: Callable[[Tensor], Tensor], x_ng: Tensor) -> Tensor:
    """A function of rows, with the same bits for a row in any company."""
    n_missing = -len(x_ng) % BLOCK
    whole_ng = torch.cat([x_ng, x_ng[:1].expand(n_missing, -1)])
    return torch.cat([function(block) for block in whole_ng.split(BLOCK)])[: len(x_ng)]


def prior_starts(n: int, n_starts: int, like: Tensor) -> Tensor:
    """The same few draws from N(0, 1) for each of n samples, (n, s, k).

    `like` is any tensor (..., k) of the wanted type. More starts keep the first ones.
    """
    generator = torch.Generator().manual_seed(0)
    start_sk = torch.randn(n_starts, like.shape[-1], generator=generator).to(like)
    return start_sk.expand(n, -1, -1)


def nearest_starts(
    decode: Callable[[Tensor], Tensor], x_ng: Tensor, n_starts: int, like: Tensor
) -> Tensor:
    """Of `POOL` draws from N(0, 1) those decoded nearest to each sample, (n, s, k)."""
    pool_pk = prior_starts(1, POOL, like)[0]
    pool_pg = in_blocks(decode, pool_pk)
    half_p = pool_pg.square().sum(1) / 2

    def nearest(x_bg: Tensor) -> Tensor:
        return torch.topk(x_bg @ pool_pg.T - half_p, n_starts).indices

    return pool_pk[in_blocks(nearest, x_ng)]


def search(
    objective: Objective,
    start_nsk: Tensor,
    *,
    steps: int,
    rates: Sequence[tuple[int, float]],
    tolerance: float | None = None,
) -> Tensor:
    """Codes of the smallest loss met on the way from each start, the best of its starts, (n, k).

    Adam on the codes alone. Samples do not touch one another: `BLOCK` of them are under way, and
    when one is done the next takes its place.

    Parameters
    ----------
    objective
        Differentiable in the codes, whose rows it treats apart.
    start_nsk
        s starting points for each of n samples.
    steps
        Updates of each code, at most.
    rates
        Learning rates, each with the step from which it holds; the first from step 0.
    tolerance
        A code whose loss has not fallen by this share for `PATIENCE` steps goes on to the next
        rate, and is done after the last; None spends all steps.
    """
    n, n_starts, k = start_nsk.shape
    start_jk = start_nsk.reshape(-1, k)  # a job is one start of one sample
    found_jk, loss_j = start_jk.clone(), start_jk.new_full((len(start_jk),), torch.inf)
    rate_t, next_t = _timetable(steps, rates, start_jk)
    waiting = torch.arange(len(start_jk), device=start_jk.device)
    # What fills up a block of few jobs is the first job again, and writes what that one writes.
    fill = waiting.new_zeros(max(0, BLOCK - len(waiting)))
    job_b, waiting = torch.cat([waiting[:BLOCK], fill]), waiting[BLOCK:]
    walks, live_b = _Walks(start_jk[job_b]), torch.ones_like(job_b, dtype=torch.bool)
    while bool(live_b.any()):
        walks.look(objective, job_b // n_starts)
        if tolerance is not None:
            walks.hurry(tolerance, next_t)
        done_b = live_b & (walks.age_b >= steps)
        walks.move(rate_t)
        if bool(done_b.any()):
            found_jk[job_b[done_b]] = walks.best_bk[done_b]
            loss_j[job_b[done_b]] = walks.best_b[done_b]
            free = done_b.nonzero().squeeze(1)
            live_b[free[len(waiting) :]] = False
            free = free[: len(waiting)]
            job_b[free], waiting = waiting[: len(free)], waiting[len(free) :]
            walks.begin(free, start_jk[job_b[free]])
    best_n = loss_j.view(n, n_starts).argmin(1)
    return found_jk.view(n, n_starts, k)[torch.arange(n, device=best_n.device), best_n]


class _Walks:
    """A block of codes on their way, each with its own step, rate and moments."""

    def __init__(self, start_bk: Tensor) -> None:
        self.z_bk, self.best_bk = start_bk.clone(), start_bk.clone()
        self.slope_bk, self.mean_bk, self.square_bk = (torch.zeros_like(start_bk) for _ in "123")
        self.loss_b, self.best_b, self.mark_b = (  # the mark is what progress is measured from
            start_bk.new_full((len(start_bk),), torch.inf) for _ in "123"
        )
        self.updates_b, self.stalled_b, self.age_b = (
            torch.zeros(len(start_bk), dtype=torch.long, device=start_bk.device) for _ in "123"
        )

    def begin(self, slots: Tensor, start_bk: Tensor) -> None:
        """Put new codes into these places of the block."""
        fresh = _Walks(start_bk)
        for name, value in vars(self).items():
            value[slots] = getattr(fresh, name)

    def look(self, objective: Objective, row_b: Tensor) -> None:
        """Loss and gradient where the codes are."""
        with torch.enable_grad():
            z_bk = self.z_bk.detach().requires_grad_()
            loss_b = objective(z_bk, row_b)
            (self.slope_bk,) = torch.autograd.grad(loss_b.sum(), z_bk)
        self.loss_b = loss_b.detach()
        better_b = self.loss_b < self.best_b
        self.best_b = torch.where(better_b, self.loss_b, self.best_b)
        self.best_bk = torch.where(better_b[:, None], self.z_bk, self.best_bk)

    def hurry(self, tolerance: float, next_t: Tensor) -> None:
        """Move the age of codes without progress on to the next rate."""
        fell_b = self.loss_b < (1 - tolerance) * self.mark_b
        self.mark_b = torch.where(fell_b, self.loss_b, self.mark_b)
        self.stalled_b = torch.where(fell_b, 0, self.stalled_b + 1)
        late_b = self.stalled_b >= PATIENCE
        self.age_b = torch.where(late_b, next_t[self.age_b.clamp(max=len(next_t) - 1)], self.age_b)
        self.stalled_b = torch.where(late_b, 0, self.stalled_b)

    def move(self, rate_t: Tensor) -> None:
        """One update of Adam (Kingma & Ba 2015)."""
        (slow, slower), rate_b = DECAY, rate_t[self.age_b.clamp(max=len(rate_t) - 1)]
        self.age_b, self.updates_b = self.age_b + 1, self.updates_b + 1
        self.mean_bk.lerp_(self.slope_bk, 1 - slow)
        self.square_bk.lerp_(self.slope_bk.square(), 1 - slower)
        mean_bk = self.mean_bk / (1 - slow**self.updates_b)[:, None]
        square_bk = self.square_bk / (1 - slower**self.updates_b)[:, None]
        self.z_bk = self.z_bk - rate_b[:, None] * mean_bk / (square_bk.sqrt() + 1e-8)


def _timetable(
    steps: int, rates: Sequence[tuple[int, float]], like: Tensor
) -> tuple[Tensor, Tensor]:
    """The rate of each step, and the step at which the next rate begins."""
    step_t = torch.arange(steps + 1)
    begins = torch.tensor([step for step, _ in rates])
    stage_t = torch.searchsorted(begins, step_t, right=True)
    ends = torch.tensor([*(step for step, _ in rates[1:]), steps]).clamp(max=steps)
    rate_t = torch.tensor([rate for _, rate in rates])[stage_t - 1]
    return rate_t.to(like), ends[stage_t - 1].to(like.device)
