"""Small tensors throughout."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def small(one_thread: None) -> None:
    """Every test of this room runs on one thread."""
