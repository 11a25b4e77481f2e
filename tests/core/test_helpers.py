"""Work that other processes share is the same work."""

import os
import time
from collections.abc import Iterator
from functools import partial
from operator import matmul, truediv
from pathlib import Path

import numpy as np
import pytest

from tybalt_like.core.errors import DataError
from tybalt_like.core.helpers import Helpers


@pytest.fixture(scope="module")
def helpers() -> Iterator[Helpers]:
    with Helpers(1) as begun:
        yield begun


def refuse() -> None:
    raise DataError("one clear sentence")


def sign(path: Path) -> int:
    path.touch()
    return os.getpid()


def end_the_helper(own: int) -> int:
    if os.getpid() != own:
        os._exit(9)
    return os.getpid()


def test_results_come_in_order_and_do_not_depend_on_who_did_the_work(helpers: Helpers) -> None:
    rng = np.random.default_rng(0)
    pairs = [rng.normal(size=(2, 200, 200)) for _ in range(30)]
    done: list[tuple[int, int]] = []
    works = [partial(matmul, *pair) for pair in pairs]
    shared = helpers.share(works, on_done=lambda n, of: done.append((n, of)))
    alone = Helpers().share(works)
    for one, other in zip(shared, alone, strict=True):
        np.testing.assert_array_equal(one, other)
    assert done == [(n, 30) for n in range(1, 31)]


def test_a_helper_works_in_another_process_meanwhile(helpers: Helpers, tmp_path: Path) -> None:
    asked = helpers.begin(partial(sign, tmp_path / "signed"))
    deadline = time.monotonic() + 60
    while not (tmp_path / "signed").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert asked() != os.getpid()


def test_what_goes_wrong_there_is_raised_here(helpers: Helpers) -> None:
    with pytest.raises(ZeroDivisionError):
        helpers.begin(partial(truediv, 1, 0))()
    with pytest.raises(DataError, match="one clear sentence"):
        helpers.begin(refuse)()


def test_work_of_a_helper_that_dies_is_done_here() -> None:
    with Helpers(1) as mortal:
        works = [partial(end_the_helper, os.getpid()) for _ in range(4)]
        assert mortal.share(works) == [os.getpid()] * 4
