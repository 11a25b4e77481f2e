"""``tybalt-like models``: the card of every model."""

from __future__ import annotations

from typing import Annotated

import typer

from tybalt_like.cli import completion


def models(
    name: Annotated[
        str | None,
        typer.Argument(help="A model, for its whole card.", autocompletion=completion.models),
    ] = None,
) -> None:
    """The models that a recipe can name; with NAME its card: idea, loss, source, settings."""
    from inspect import cleandoc, getdoc

    from tybalt_like.models import Model

    if name is None:
        for known, kind in sorted(Model.registry.items()):
            first = (getdoc(kind) or "").split("\n\n")[0]
            print(f"{known:20}{' '.join(first.split())}")
        return
    kind = Model.named(name)
    print(f"{name}\n\n{cleandoc(kind.__doc__ or '')}\n")
    print("\n\n".join(_settings(kind.Config)))
    how = kind.training_defaults
    if kind.steps is not Model.steps:
        print(
            f"\nTraining: at most {how.epochs} epochs, batches of {how.batch_size}, learning rate "
            f"{how.learning_rate:g}"
        )


def _settings(config: type) -> list[str]:
    """What is said of the settings, the model's own first, then what it inherits."""
    from dataclasses import fields
    from inspect import cleandoc

    kinds = [kind for kind in config.__mro__ if kind is not object]
    defaults = ", ".join(f"{field.name} = {field.default!r}" for field in fields(config))
    return [*(cleandoc(kind.__doc__ or "") for kind in kinds), f"Defaults: {defaults}"]
