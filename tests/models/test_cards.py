"""What the command line says of each model."""

import sys

import pytest

from tybalt_like import cli
from tybalt_like.models import Model


@pytest.mark.parametrize("name", sorted(Model.registry))
def test_every_model_has_a_card(name: str, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["tybalt-like", "models", name])
    with pytest.raises(SystemExit) as end:
        cli.main()
    card = capsys.readouterr().out
    assert not end.value.code
    for part in ("Loss: ", "Source: ", "Use it ", "Defaults: "):
        assert part in card
