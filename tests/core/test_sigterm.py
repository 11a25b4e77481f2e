"""Signals that come at an awkward moment."""

import signal
import time
import weakref

import pytest

from tybalt_like.core.sigterm import Terminated, heeded


class Thing:
    """What a weak reference can point to."""


@pytest.mark.parametrize(
    ("number", "raised"), [(signal.SIGTERM, Terminated), (signal.SIGINT, KeyboardInterrupt)]
)
def test_a_signal_while_python_cleans_up_is_not_lost(number, raised) -> None:
    def clean_up(_: object) -> None:
        signal.raise_signal(number)
        time.sleep(0)  # where the exception is raised, and ignored

    def interrupted() -> None:
        thing = Thing()
        reference = weakref.ref(thing, clean_up)
        del thing
        assert reference() is None
        time.sleep(60)

    with heeded(), pytest.raises(raised):
        interrupted()


def test_other_ignored_exceptions_are_reported_as_ever(monkeypatch) -> None:
    reported = []
    monkeypatch.setattr("sys.unraisablehook", lambda what: reported.append(what.exc_type))
    with heeded():
        thing = Thing()
        reference = weakref.ref(thing, lambda _: 1 / 0)
        del thing
    assert reported == [ZeroDivisionError]
    assert reference() is None
