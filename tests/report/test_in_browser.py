"""The page as a reader uses it, in a browser."""

import pytest

pytestmark = pytest.mark.slow


def test_nothing_fails_and_nothing_leaves(run_dir, opened) -> None:
    page = opened(run_dir / "report.html")
    page.check()
