"""The few errors a user can meet. Each message says what is wrong, where, and what to do."""

from collections.abc import Sequence


class TybaltLikeError(Exception):
    """Base of every error that the user can mend; the command line prints it and exits.

    Attributes
    ----------
    exit_code
        Of the command line: 2, but for errors that have nothing to do with the input.
    """

    exit_code = 2


class DataError(TybaltLikeError):
    """An input matrix, sample table or gene list that cannot be used as it is."""


class RecipeError(TybaltLikeError):
    """A recipe or an option with an unknown key or an impossible value."""


class RunError(TybaltLikeError):
    """A run folder that is missing, not whole, or in the way."""


class WriteError(TybaltLikeError):
    """A file or folder that cannot be written."""


class DiskFullError(WriteError):
    """No room is left for what is written."""

    exit_code = 1


class NonFiniteLossError(TybaltLikeError):
    """The loss became NaN or infinite during training.

    Parameters
    ----------
    epoch, step
        Where it happened, both counted from 0; `step` counts mini-batches within the epoch.
    part
        The loss part that was not finite, for example ``"kl"``.
    samples
        The samples of the mini-batch in which it happened: row numbers within the training data,
        or names where they are known.
    """

    def __init__(self, *, epoch: int, step: int, part: str, samples: Sequence[int | str]) -> None:
        self.epoch, self.step, self.part, self.samples = epoch, step, part, list(samples)
        shown = ", ".join(map(str, samples[:10])) + (", ..." if len(samples) > 10 else "")
        super().__init__(
            f"training diverged: {part} is not finite at epoch {epoch}, step {step} (training "
            f"samples {shown}); lower the learning rate, set training.max_grad_norm, or check "
            "these samples"
        )

    def named(self, names: Sequence[str]) -> "NonFiniteLossError":
        """The same with the names of the samples, from those of all training rows."""
        samples = [names[int(row)] for row in self.samples]
        return NonFiniteLossError(epoch=self.epoch, step=self.step, part=self.part, samples=samples)


def notes_of(error: BaseException) -> list[str]:
    """What is to be said beside an error, such as how to resume."""
    cause = error.__cause__ if isinstance(error, TybaltLikeError) else None
    own = getattr(error, "__notes__", [])
    return [*own, *(getattr(cause, "__notes__", []) if cause else [])]
