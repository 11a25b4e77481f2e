"""Fills in and carries out the commands of the Galaxy tools, with the inputs of their tests.

Galaxy itself is not started: macros and templates are expanded by its own libraries, and what the
tests of a tool ask of the outputs is looked at here.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from Cheetah.Template import Template
from galaxy.util.xml_macros import load

TOOLS = Path("packaging/galaxy").resolve()
DATA = Path("packaging/test-data").resolve()


class File(str):
    """A data set as a template sees it: its path, and its datatype."""

    ext: str


def names(tool: Element, test: Element, work: Path, kept: Path) -> dict[str, Any]:
    """The inputs of a test, defaults where it says nothing, and outputs that a command names."""
    found: dict[str, Any] = {}
    for param in tool.iterfind("inputs//param"):
        name = param.get("name") or str(param.get("argument")).lstrip("-").replace("-", "_")
        given = test.find(f"param[@name='{name}']")
        value = param.get("value", "") if given is None else given.get("value", "")
        if param.get("type") == "data" and given is not None:
            at = File(kept / value if value.endswith(".tar") else DATA / value)
            at.ext = given.get("ftype", "")
            found[name] = at
        elif param.get("type") == "select":
            found[name] = next(o.get("value") for o in param if o.get("selected"))
        elif param.get("type") == "boolean":
            found[name] = param.get("truevalue") if value == "true" else param.get("falsevalue")
        else:
            found[name] = value
    outputs = tool.iterfind("outputs/data")
    return found | {one.get("name"): work / f"{one.get('name')}.out" for one in outputs}


def complaints(test: Element, tool: Element, work: Path) -> list[str]:
    """What a test asks of its outputs and does not find."""
    found = []
    for output in tool.iterfind("outputs/data"):
        name = output.get("name")
        path = work / output.get("from_work_dir", f"{name}.out")
        if not path.exists():
            found.append(f"no {name}")
            continue
        asked = test.find(f"output[@name='{name}']/assert_contents")
        for one in () if asked is None else asked:
            text = path.read_bytes().decode("utf-8", errors="ignore")
            is_so = {
                "has_text": lambda: one.get("text") in text,  # noqa: B023 - called at once
                "has_n_lines": lambda: text.count("\n") == int(one.get("n")),  # noqa: B023
                "has_line_matching": lambda: re.search(one.get("expression"), text, re.M),  # noqa: B023
                "has_archive_member": lambda: one.get("path").replace("\\", "") in text,  # noqa: B023
            }
            if not is_so[one.tag]():
                found.append(f"{name}: {one.tag} {one.attrib}")
    return found


def carried_out(path: Path, kept: Path) -> list[str]:
    """The complaints of the tests of a tool; its run folder is kept for the one that scores."""
    tool, found = load(str(path)).getroot(), []
    for test in tool.iterfind("tests/test"):
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            command = str(
                Template(tool.findtext("command"), searchList=names(tool, test, work, kept))
            )
            line = " ".join(command.replace("\\$", "$").split())
            done = subprocess.run(
                line, shell=True, cwd=work, check=False, capture_output=True, text=True
            )
            found += [done.stderr] if done.returncode else complaints(test, tool, work)
            if path.stem == "run" and not found:
                (work / "folder.out").rename(kept / "run.tar")
    return [f"{path.name}: {one}" for one in found]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        tools = [TOOLS / f"{name}.xml" for name in ("run", "score", "aberrant")]
        found = [one for tool in tools for one in carried_out(tool, Path(place))]
    sys.exit("\n".join(found) or 0)
