"""The page of a run by number of samples: its size, and how long a browser takes."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd

from tybalt_like import report
from tybalt_like.run.progress import Progress

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))
from made_runs import write_large_run

SIZES = ("1000", "10000")
"""Samples."""
_READY = """
new MutationObserver((_, observer) => {
  if (!document.querySelector("#samples[data-ready]")) return;
  globalThis.readyAt = performance.now();
  observer.disconnect();
}).observe(document, { subtree: true, childList: true, attributes: true });
"""
_DRAWN = """
async (act) => {
  const painted = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  await painted();
  const start = performance.now();
  new Function("samples", act)(tybalt.samples);
  await painted();
  return performance.now() - start;
}
"""
"""Milliseconds until what was changed is painted."""
_SELECT = """
const n = samples.names.length;
samples.select(Array.from({ length: n / 10 }, () => Math.floor(Math.random() * n)));
"""
_COLOUR = """
const choice = document.getElementById("color-by");
choice.selectedIndex = Math.floor(Math.random() * choice.options.length);
choice.dispatchEvent(new Event("change"));
"""
_SORT = "document.querySelectorAll('#samples-table thead button')[3].click()"
_SCROLL = """
const box = document.getElementById("samples-table").parentElement;
box.scrollTop = Math.random() * box.scrollHeight;
"""
_ACTS = {"select": _SELECT, "colour": _COLOUR, "sort": _SORT, "scroll": _SCROLL}


def page(*, sizes: list[str] | None = None, seeds: int = 5, progress: Progress) -> pd.DataFrame:
    """Pages with 100 latent features, 200 genes, 33 labels and 20 clinical columns.

    Returns
    -------
    pandas.DataFrame
        By number of samples: ``megabytes``, ``drawing`` (seconds), and of Chromium the medians of
        `seeds` openings, in milliseconds: ``first_paint``, ``linked`` (map, plot and table are
        there), and from an act to the next painted frame ``select``, ``colour``, ``sort``,
        ``scroll``.
    """
    rows = []
    with TemporaryDirectory() as work, _chromium() as browser:
        for n in map(int, sizes or SIZES):
            progress.say(f"{n:,} samples")
            folder = write_large_run(
                *(Path(work) / str(n), n), latents=100, genes=200, labels=33, clinical=20
            )
            start = perf_counter()
            path = report.build(folder)
            seconds = perf_counter() - start
            times = pd.DataFrame([_opened(browser, path) for _ in range(seeds)]).median()
            size = path.stat().st_size / 1e6
            rows.append({"samples": n, "megabytes": size, "drawing": seconds} | times.to_dict())
    return pd.DataFrame(rows)


def print_page(rows: pd.DataFrame) -> None:
    """As a table."""
    print(rows.round(1).to_string(index=False))


@contextmanager
def _chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        path = shutil.which("chromium")
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def _opened(browser: Any, path: Path) -> dict[str, float]:
    # The page's own policy forbids what is not its script; what measures is let through.
    context = browser.new_context(viewport={"width": 1280, "height": 900}, bypass_csp=True)
    one = context.new_page()
    one.add_init_script(_READY)
    one.goto(path.resolve().as_uri())
    one.wait_for_function("globalThis.readyAt !== undefined")
    paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
    times = {"first_paint": one.evaluate(paint), "linked": one.evaluate("readyAt")}
    one.locator("#samples").scroll_into_view_if_needed()
    for name, act in _ACTS.items():
        times[name] = float(np.median([one.evaluate(_DRAWN, act) for _ in range(5)]))
    context.close()
    return times
