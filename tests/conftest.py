"""Fixtures that several rooms share."""

import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import hypothesis
import pytest

from tybalt_like.core.threads import brief_waits

os.environ.update(brief_waits())
os.environ.setdefault("MPLBACKEND", "Agg")
if "PYTEST_XDIST_WORKER" in os.environ:  # each of several processes keeps to one core
    os.environ.setdefault("OMP_NUM_THREADS", "1")
THREADS = os.environ.setdefault("NUMBA_NUM_THREADS", "1")
if numba := sys.modules.get("numba"):  # a plugin was first
    THREADS = os.environ["NUMBA_NUM_THREADS"] = str(numba.config.NUMBA_NUM_THREADS)

hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

CHECKOUT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets: TYBALT_LIKE_DATA, or shared/data beside the checkout."""
    folder = Path(os.environ.get("TYBALT_LIKE_DATA", CHECKOUT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} is not a folder; set TYBALT_LIKE_DATA")
    return folder


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Small tensors: a second thread costs more than it brings, most of all on a busy machine."""
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        yield
    torch.set_num_threads(before)


def undrawn() -> Iterator[None]:
    """Pages made in this process have blank figures: to draw them takes longer than all else of a
    small run, and what uses this looks at none."""
    from tybalt_like.report.figure import Figure

    def blank(self: Figure, *given: Any, **named: Any) -> None:
        import matplotlib.pyplot as plt

        made(self, *given, **named)
        object.__setattr__(self, "draw", lambda: plt.figure(figsize=(1, 1)))

    made = Figure.__init__
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(Figure, "__init__", blank)
        yield


without_figures = pytest.fixture(undrawn)
module_without_figures = pytest.fixture(undrawn, scope="module")


@pytest.fixture(autouse=True)
def same_threads() -> Iterator[None]:
    """numba refuses another number than it began with: what a command in this process has set."""
    yield
    os.environ["NUMBA_NUM_THREADS"] = THREADS


@pytest.fixture(autouse=True)
def closed_figures() -> Iterator[None]:
    """Figures that a test has left open."""
    yield
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with many slow tests come first, so that no process is left alone with them."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


class Done(NamedTuple):
    """What a command ended with."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Done]]:
    """The command line in this process, which is seconds faster than in one of its own."""
    import torch

    from tybalt_like import cli

    def call(*words: object, cwd: Path | None = None) -> Done:
        capsys.readouterr()
        with monkeypatch.context() as changed:
            changed.setattr(sys, "argv", ["tybalt-like", *map(str, words)])
            if cwd is not None:
                changed.chdir(cwd)
            with pytest.raises(SystemExit) as end:
                cli.main()
        return Done(int(end.value.code or 0), *capsys.readouterr())

    threads = torch.get_num_threads()
    yield call
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def checked() -> Callable[[str, str | Path], Any]:
    """JSON text, or a file of it, that has been held to one of the schemas, read."""
    from jsonschema import Draft202012Validator

    from tybalt_like.report.schemas import schema

    def refuse(number: str) -> None:
        pytest.fail(f"{number} is no JSON")

    def call(name: str, found: str | Path) -> Any:
        text = found.read_text(encoding="utf-8") if isinstance(found, Path) else found
        document = json.loads(text, parse_constant=refuse)
        Draft202012Validator(schema(name)).validate(document)
        return document

    return call


@dataclass
class Opened:
    """A page in a browser, and all that it should not have done."""

    page: Any
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def check(self) -> None:
        """No error was logged, nothing was asked of any other place, and axe finds nothing that
        shuts out readers."""
        from axe_playwright_python.sync_playwright import Axe

        assert self.errors == []
        assert [url for url in self.requests if not url.startswith(("data:", "blob:"))] == []
        found = Axe().run(self.page).response["violations"]
        assert {one["id"]: one["nodes"][0]["html"] for one in found} == {}


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The Chromium of this machine, or that which TYBALT_LIKE_CHROMIUM names."""
    driven = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = os.environ.get("TYBALT_LIKE_CHROMIUM") or shutil.which("chromium")
    if path is None:
        pytest.skip("no Chromium: install it, or name one by TYBALT_LIKE_CHROMIUM")
    with driven.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium: Any) -> Iterator[Callable[..., Opened]]:
    """Open the file of a page as a reader does; options as of playwright's ``new_context``."""
    contexts = []

    def call(path: Path, **options: Any) -> Opened:
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}} | options)
        contexts.append(context)
        found = Opened(context.new_page())
        address = path.resolve().as_uri()
        found.page.on("pageerror", lambda error: found.errors.append(str(error)))
        found.page.on(
            "console",
            lambda said: found.errors.append(said.text) if said.type == "error" else None,
        )
        found.page.on(
            "request",
            lambda request: (
                found.requests.append(request.url) if request.url.split("#")[0] != address else None
            ),
        )
        found.page.goto(address)
        return found

    yield call
    for context in contexts:
        context.close()
