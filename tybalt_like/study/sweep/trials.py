"""The optuna study of a sweep, shared by every process that works in the same folder.

A point is taken by locking a file of its own. The operating system gives the lock back when a
process dies, so that another one, or the same command later, can try the point again. (Optuna's own
grid sampler may give one point to several processes, and it notices dead ones in databases only.)
These files lie in the folder: also where the study is in a database, one folder belongs to it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import pandas as pd
from filelock import FileLock

from tybalt_like.core.errors import RecipeError, RunError
from tybalt_like.core.files import write_text
from tybalt_like.study.store import claimed
from tybalt_like.study.sweep.space import Plan, Range, Value

if TYPE_CHECKING:
    import optuna

POINT, WHY, RECIPE, FOLDER = "point", "why", "recipe", "folder"


@dataclass(frozen=True)
class Trial:
    """A point that this process has taken.

    Attributes
    ----------
    point
        Its number, from 0.
    settings
        Its values by dotted key.
    """

    handle: optuna.Trial
    point: int
    settings: dict[str, Value]

    def note(self, **facts: float) -> None:
        """Write down about it what becomes columns of the table of trials."""
        for key, value in facts.items():
            self.handle.set_user_attr(key, value)


class Study:
    """The trials of a plan in a folder; see the module.

    Raises
    ------
    RecipeError
        If optuna is not installed.
    RunError
        If the folder holds the study of another recipe, or a database one of another folder.
    """

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self._locks = folder / "locks"
        self._locks.mkdir(parents=True, exist_ok=True)
        self.lock = FileLock(self._locks / "study")
        with self.lock:
            self._study = _open(plan, folder)
            about = plan.identity()
            if self._study.user_attrs.get(RECIPE, about) != about:
                raise RunError(
                    f"{folder} holds a sweep with other settings; repeat those, or choose another "
                    "folder with --out"
                )
            self._study.set_user_attr(RECIPE, about)
            self._own(folder)

    def _own(self, folder: Path) -> None:
        """Refuse a study of another folder, whose processes these locks would not keep out."""
        name = self._locks / FOLDER
        if not name.exists():
            write_text(name, uuid4().hex)
        own = name.read_text(encoding="utf-8")
        if self._study.user_attrs.get(FOLDER, own) != own:
            raise RunError(
                f"the study {self.plan.name!r} in {self.plan.sweep.storage} is that of another "
                f"folder than {folder}; name that one with --out, or choose another storage or name"
            )
        self._study.set_user_attr(FOLDER, own)

    @contextmanager
    def take(self) -> Iterator[Trial | None]:
        """A point that nobody has tried or is trying, or None if there is none.

        It is free again if the block ends without `tell` or `fail`.
        """
        with ExitStack() as claims:
            with self.lock:
                trial = self._take(claims)
            yield trial

    def tell(self, trial: Trial, value: float) -> None:
        """The point is done."""
        self._study.tell(trial.handle, value)

    def fail(self, trial: Trial, why: str) -> None:
        """The point cannot be trained: it counts as tried, and as bad."""
        from optuna.trial import TrialState

        trial.handle.set_user_attr(WHY, why)
        self._study.tell(trial.handle, state=TrialState.PRUNED)

    @property
    def n_left(self) -> int:
        """Points that are not done, at some of which other processes may be working."""
        return self.plan.n_points - len(self._finished())

    def settings(self, point: int) -> dict[str, Value]:
        """Values by dotted key of a point that is done."""
        return dict(self._finished()[point].params)

    def table(self) -> pd.DataFrame:
        """Finished trials, one row each: ``trial`` (the point), settings, objective, notes.

        Trials that failed have no objective but a reason in the column ``failed``.
        """
        objective = self.plan.sweep.objective
        rows = []
        for point, trial in self._finished().items():
            notes = {key: item for key, item in trial.user_attrs.items() if key != POINT}
            why = notes.pop(WHY, "")
            result = {objective: np.nan if why else trial.value}
            rows.append({"trial": point, **trial.params, **result, **notes, "failed": why})
        table = pd.DataFrame(rows).sort_values("trial", ignore_index=True)
        last = ["failed"]
        first = ["trial", *self.plan.space, objective]
        return table[first + [n for n in table if n not in first + last] + last]

    def _take(self, claims: ExitStack) -> Trial | None:
        done = self._finished()
        for point in range(self.plan.n_points):
            if point in done:
                continue
            with ExitStack() as claim:
                free = claim.enter_context(claimed(self._locks / f"point_{point}"))
                if free and point not in self._finished():  # since we looked
                    self._close_interrupted(point)
                    trial = self._ask(point)
                    claims.enter_context(claim.pop_all())
                    return trial
        return None

    def _ask(self, point: int) -> Trial:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # parts of optuna are "experimental" for years
            self._study.sampler = _sampler(self.plan, point)
            handle = self._study.ask(_distributions(self.plan))
        handle.set_user_attr(POINT, point)
        return Trial(handle, point, dict(handle.params))

    def _close_interrupted(self, point: int) -> None:
        """Trials of this point, or of none yet, whose process died."""
        from optuna.trial import TrialState

        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if trial.user_attrs.get(POINT, point) == point:
                self._study.tell(trial.number, state=TrialState.FAIL)

    def _finished(self) -> dict[int, optuna.trial.FrozenTrial]:
        from optuna.trial import TrialState

        states = TrialState.COMPLETE, TrialState.PRUNED
        trials = self._study.get_trials(deepcopy=False, states=states)
        found = {int(trial.user_attrs[POINT]): trial for trial in trials}
        return {point: trial for point, trial in found.items() if point < self.plan.n_points}


def _open(plan: Plan, folder: Path) -> optuna.Study:
    try:
        import optuna
    except ImportError:
        raise RecipeError(
            "sweeps need optuna; install it with: pip install 'tybalt-like[sweep]'"
        ) from None
    from optuna.storages import JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    place = plan.sweep.storage
    storage: optuna.storages.BaseStorage
    if "://" in place:
        storage = RDBStorage(place)
    else:
        storage = JournalStorage(JournalFileBackend(str(folder / place)))
    return optuna.create_study(study_name=plan.name, storage=storage, load_if_exists=True)


def _sampler(plan: Plan, point: int) -> optuna.samplers.BaseSampler:
    """Seeded by the point, so that it does not matter which process draws it."""
    from optuna import samplers

    seed = int(np.random.SeedSequence([plan.seed, point]).generate_state(1)[0])
    if plan.sweep.sampler == "tpe":
        return samplers.TPESampler(seed=seed, constant_liar=True)
    drawn = samplers.RandomSampler(seed=seed)
    if plan.sweep.sampler == "random":
        return drawn
    return samplers.PartialFixedSampler(plan.grid()[point], drawn)


def _distributions(plan: Plan) -> dict[str, optuna.distributions.BaseDistribution]:
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    def distribution(choices: tuple[Value, ...] | Range) -> Any:
        if isinstance(choices, tuple):
            return CategoricalDistribution(choices)
        if choices.type == "int":
            return IntDistribution(int(choices.low), int(choices.high), log=choices.log)
        return FloatDistribution(choices.low, choices.high, log=choices.log)

    return {key: distribution(choices) for key, choices in plan.space.items()}
