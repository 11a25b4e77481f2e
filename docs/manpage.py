"""Write the man page of the command line: ``python docs/manpage.py > tybalt-like.1``.

All of it is what ``--help`` says, command by command. The date is that of ``SOURCE_DATE_EPOCH``.
"""

from __future__ import annotations

import inspect
import os
import re
import textwrap
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import typer.main

from tybalt_like import __version__
from tybalt_like.cli import app

EXIT = {
    "0": "Done.",
    "1": "verify: the run comes out otherwise; or the disk is full.",
    "2": "Something that can be mended: one sentence on standard error says what.",
    "143": "Ended by SIGTERM; what training has reached is kept, and --resume goes on.",
}
ENVIRONMENT = {
    "TYBALT_LIKE_DATA": "Folder that named data sets are looked for in before they are downloaded.",
    "XDG_CACHE_HOME": "Where downloads are kept; ~/.cache if it is not set.",
}


def page() -> str:
    """The page, in the macros of man(7)."""
    root = typer.main.get_command(app)
    at = int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))
    day = datetime.fromtimestamp(at, UTC).date().isoformat()
    lines = [
        f'.TH TYBALT\\-LIKE 1 {day} "tybalt\\-like {__version__}" "User Commands"',
        *(".SH NAME", "tybalt\\-like \\-", _first(root.help)),
        *(".SH SYNOPSIS", ".B tybalt\\-like", ".I COMMAND", "[\\fIOPTION\\fR ...]"),
        *(".SH DESCRIPTION", _paragraphs(root.help)),
        *(".SH OPTIONS", *_parameters(root)),
        *(".SH COMMANDS", *_commands(root, "")),
        *(".SH EXIT STATUS", *_listed(EXIT)),
        *(".SH ENVIRONMENT", *_listed(ENVIRONMENT)),
    ]
    return "\n".join(lines) + "\n"


def _commands(group: Any, prefix: str) -> Iterator[str]:
    for name, command in group.commands.items():
        whole = f"{prefix}{name}"
        if hasattr(command, "commands"):
            yield from _commands(command, f"{whole} ")
            continue
        arguments = command.collect_usage_pieces(typer.Context(command))
        heading = _escaped(" ".join([whole, *arguments])).replace("\n", " ")
        yield f'.SS "{heading}"'
        yield _paragraphs(command.help)
        yield from _parameters(command)


def _parameters(command: Any) -> Iterator[str]:
    records = [one.get_help_record(typer.Context(command)) for one in command.params]
    yield from _listed(dict(record for record in records if record is not None))


def _listed(entries: Mapping[str, str]) -> Iterator[str]:
    for name, text in entries.items():
        yield from (".TP", f"\\fB{_escaped(name)}\\fR", _escaped(text))


def _first(text: str | None) -> str:
    return _escaped((text or "").strip().removesuffix("."))


def _paragraphs(text: str | None) -> str:
    return "\n.PP\n".join(map(_escaped, inspect.cleandoc(text or "").split("\n\n")))


def _escaped(text: str) -> str:
    """Lines in which nothing is roff, and what stands between backticks is bold."""
    plain = " ".join(text.split()).replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq")
    lines = textwrap.wrap(re.sub(r"`([^`]+)`", r"\\fB\1\\fR", plain), 78, break_on_hyphens=False)
    return "\n".join(f"\\&{line}" if line.startswith((".", "'")) else line for line in lines)


if __name__ == "__main__":
    print(page(), end="")
