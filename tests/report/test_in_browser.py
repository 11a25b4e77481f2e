"""The page as a reader uses it, in a browser."""

import re

import pytest
from made_runs import HOSTILE

pytestmark = pytest.mark.slow


def test_nothing_fails_and_nothing_leaves(run_dir, opened) -> None:
    page = opened(run_dir / "report.html")
    page.check()


def test_an_address_opens_the_sheet_of_its_sample(run_dir, opened) -> None:
    found = opened(run_dir / "report.html")
    page, title = found.page, found.page.locator(".sheet h3")
    assert title.count() == 1
    first = title.inner_text()
    page.evaluate("location.hash = '#sheet-9'")  # it was packed
    page.wait_for_function("document.querySelector('#sheet-9')")
    ninth = title.inner_text()
    assert ninth != first
    assert f"9. {ninth.split()[0]}" in page.locator("#sheet-chosen option").nth(8).inner_text()
    page.get_by_role("link", name="next", exact=True).click()
    page.wait_for_function("document.querySelector('#sheet-10')")
    page.locator("#sheet-chosen").select_option("9")
    page.wait_for_function("document.querySelector('#sheet-9')")
    assert title.inner_text() == ninth
    found.check()


def test_a_sheet_says_what_is_known_of_its_sample(run_dir, opened) -> None:
    page = opened(run_dir / "report.html").page
    options = page.locator("#sheet-chosen option").all_inner_texts()
    n = next(i for i, text in enumerate(options) if HOSTILE in text) + 1
    page.evaluate(f"location.hash = '#sheet-{n}'")
    page.wait_for_function(f"document.querySelector('#sheet-{n}')")
    text = re.sub(r"\s+", " ", page.locator(".sheet").inner_text())
    assert text.startswith(HOSTILE)
    assert "It has the same profile as 007." in text
    assert "Its log10 library size is unusually low." in text
    assert "p = 0.014; q = 0.04: flagged" in text
    assert "050 001 1.2" in text  # the closest reference sample with its label
    assert "7 7.33 to 7.96" in text  # library size, and the usual one of samples 30 to 99
    assert "<b>ESR1</b> ● 5.10 9.90 -4.80 7.5 to 10.5 -6.5 0.001" in text


def test_a_sheet_prints_on_one_page(run_dir, opened) -> None:
    page = opened(run_dir / "report.html").page
    page.evaluate("window.print = () => {}")
    page.get_by_role("button", name="Print this sheet").click()
    printed = page.pdf(format="A4", margin=dict.fromkeys(("top", "bottom"), "12mm"))
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert len(re.findall(rb"/Type\s*/Page\b", page.pdf(format="A4"))) > 3
