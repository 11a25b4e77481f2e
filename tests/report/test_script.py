"""The page's script, run by node on a page that lacks what other pages have."""

import shutil
import subprocess
from pathlib import Path

import pytest

import tybalt_like

SCRIPT = next(Path(tybalt_like.__file__).parent.rglob("report.js"))
PAGE = """
const listeners = {};
const row = (text) => ({ textContent: text, hidden: false, classList: { contains: () => false } });
const rows = [row("kept"), row("other")];
const found = { tBodies: [{ rows }], tHead: { rows: [{ cells: [] }] } };
const search = { value: "", addEventListener: (name, run) => (listeners[name] = run) };
const shown = { textContent: "" };
const byId = { "sample-table": found, search, shown };
globalThis.document = {
  getElementById: (id) => byId[id] ?? null,
  querySelectorAll: (what) => (what === "table.sortable" ? [found] : []),
};
"""
SEARCH = """
search.value = "kept";
listeners.input();
console.log(rows.map((one) => one.hidden), shown.textContent);
"""


def test_search_works_without_the_box_of_flagged_rows() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    code = PAGE + SCRIPT.read_text() + SEARCH
    done = subprocess.run([node, "-"], input=code, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[ false, true ] 1 of 2 shown"
