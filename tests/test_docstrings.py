"""Examples in docstrings of public names are carried out."""

import doctest
from importlib import import_module

import pytest

ROOMS = [
    *("tybalt_like", "tybalt_like.tl", "tybalt_like.pp", "tybalt_like.io.datasets"),
    *("tybalt_like.anomaly", "tybalt_like.evaluation", "tybalt_like.interpretation"),
]
FOUND = {
    example.name: example
    for room in ROOMS
    for name in import_module(room).__all__
    for example in doctest.DocTestFinder().find(getattr(import_module(room), name), name)
    if example.examples
}


@pytest.mark.parametrize("name", FOUND)
def test_an_example_gives_what_it_says(name: str) -> None:
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    runner.run(FOUND[name], out=said.append)
    assert not said, "".join(said)
