"""What a run says a cohort can show, and what it showed."""

import pandas as pd

from tybalt_like.anomaly import Calibration
from tybalt_like.run.calls import expectation, strangest


def said(m: int, *, tested: int, pooled: bool = False, **how) -> str:
    return expectation(Calibration(m, **how), tested=tested, fdr=0.05, pooled=pooled)


def test_what_a_flag_takes_is_said_before_anything_is_trained() -> None:
    assert "below 1/671 = 0.0015; of the 1,712 tested, 52 have to be" in said(670, tested=1712)
    assert "one sample that is stranger than all of them is flagged" in said(670, tested=20)
    assert "read the scores as a ranking" in said(15, tested=5, rule="conformal")
    few = said(60, tested=10)
    assert "extrapolated" in few
    assert "needs p <= 0.005" in few
    ranks = said(60, tested=10, rule="conformal")
    assert "extrapolated" not in ranks
    units = said(300, tested=10, unit_c=tuple(str(i // 3) for i in range(300)))
    assert "100 reference units: by ranks no p-value is below 1/101" in units
    everybody = said(769, tested=769, pooled=True)
    assert "compared with 768 other samples" in everybody
    assert "read the scores as a ranking" in everybody


def test_the_strangest_are_always_named() -> None:
    p = pd.Series({"a": 0.001, "b": 0.02, "c": 0.3, "d": 0.9})
    beyond = pd.Series([True, False, False, False], index=p.index)
    text = strangest(p, beyond, beyond=1, reference=60, pooled=False)
    assert text == (
        "1 sample is stranger than every one of the 60 reference samples; the strangest are "
        "a (p = 0.001, extrapolated), b (p = 0.02) and c (p = 0.3)."
    )
    text = strangest(p, beyond, beyond=0, reference=4, pooled=True)
    assert text.startswith("Of 4 samples, each compared with all others, the strangest are a")
    assert strangest(p[:0], beyond[:0], beyond=0, reference=4, pooled=False).startswith("No sample")
