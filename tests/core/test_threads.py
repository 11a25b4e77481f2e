"""How threads wait for each other: what users have set stays."""

from tybalt_like.core.threads import brief_waits


def test_what_users_have_set_stays(monkeypatch) -> None:
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    assert brief_waits() == {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "7"}
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    assert brief_waits() == {}
