"""The house itself is tested: imports go downward, signatures have one style."""

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import tybalt_like

PACKAGE = Path(tybalt_like.__file__).parent
PLAN = Path(__file__).parents[1] / "docs" / "architecture.md"
# From the roof to the cellar: a room imports from floors below it and from itself.
FLOORS = [
    {"cli"},
    {"perturbation"},
    {"aberrant", "benchmark", "study"},
    {"run"},
    {"explain", "images"},
    {"estimator", "report"},
    {"pl", "tl"},
    {"interpretation", "pp", "training"},
    {"anomaly", "genes", "io", "models"},
    {"core", "evaluation"},
]
LEVEL = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
MOST_ARROWS = 112
FILES = sorted(PACKAGE.rglob("*.py"))
# The public functions, written out. `tl` verbs say what they add to the AnnData.
API = {
    "models": ["Batch", "Model", "ModelSettings", "Step", "Training"],
    "pl": [
        *(
            "contrast_agreement",
            "contrast_genes",
            "embedding",
            "feature_columns",
            "feature_values",
            "gene_residuals",
            "hazard_ratios",
            "interpolation",
            "kaplan_meier",
            "latent_heatmap",
            "precision_recall",
            "qc",
            "roc",
            "save",
            "score_distribution",
            "synthetic_measures",
            "training",
            "tsne",
            "umap",
            "volcano",
        ),
    ],
    "pp": [
        *("BatchPurity", "Findings", "Normalisation", "Normaliser", "batch_purity", "check"),
        *("combat", "folds", "inspect", "open_backed", "quality", "split"),
    ],
    "tl": [
        *(
            "attributions",
            "closest_normal",
            "closest_reference",
            "contrast",
            "detect",
            "direction",
            "ensemble",
            "evaluate",
            "explain",
            "explain_gene_sets",
            "features",
            "fit",
            "gene_effects",
            "interpolate",
            "judge_synthetic",
            "latent",
            "move",
            "rotate",
            "score",
            "survival",
            "synthesise",
            "trained_again",
            "tsne",
            "umap",
        ),
    ],
    "datasets": ["DATA", "PIPELINES", "Dataset", "fetch", "load", "path", "registry"],
}
ROOT = ["ExpressionEncoder", "Recipe", "Run", "datasets", "models", "pl", "pp", "read", "tl"]


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in FILES}


def imported(path: Path, *, lazily: bool = True) -> Iterator[str]:
    """The modules of this package that a file imports; with ``lazily=False`` only those that it
    needs to be imported itself."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = ast.walk(tree) if lazily else iter(tree.body)
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in MODULES else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def rooms_of(path: Path) -> set[str]:
    parts = [name.split(".") for name in imported(path)]
    return {part[1] for part in parts if part[0] == "tybalt_like" and len(part) > 1}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def test_every_room_stands_on_the_floor_that_its_imports_give_it() -> None:
    """The floors are those that are really there: none could be lower."""
    below = {room: set() for room in LEVEL}
    for path in FILES:
        if room_of(path) not in ("__init__", "__main__"):
            below[room_of(path)] |= rooms_of(path) - {room_of(path)}
    for room, others in below.items():
        deepest = min((LEVEL[other] for other in others), default=len(FLOORS))
        assert LEVEL[room] == deepest - 1, f"{room} belongs on the floor above {others}"
    assert sum(map(len, below.values())) <= MOST_ARROWS


def test_files_do_not_import_each_other_in_circles() -> None:
    # A package's __init__ gathers what lies in its folder, which is not a circle of its making.
    graph = {
        name: {other for other in imported(path, lazily=False) if other in MODULES} - {name}
        for name, path in MODULES.items()
        if path.name != "__init__.py"
    }
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_no_two_modules_of_a_room_have_nearly_the_same_name() -> None:
    """``fit`` and ``fitting``, ``table`` and ``tables``: which is which?"""
    for folder in {path.parent for path in FILES}:
        stems = sorted(path.stem for path in folder.glob("*.py"))
        near = [(a, b) for a in stems for b in stems if a != b and b in (f"{a}s", f"{a}ting")]
        assert not near, f"{folder}: {near}"


def test_the_written_plan_is_the_real_one() -> None:
    """Every room has its line in docs/architecture.md, on its floor, and nothing else has."""
    floors = re.findall(r"^\| (\d+) \| (.+?) \|", PLAN.read_text(encoding="utf-8"), re.M)
    written = {int(level): set(re.findall(r"`(\w+)`", rooms)) for level, rooms in floors}
    assert written == {len(FLOORS) - 1 - level: rooms for level, rooms in enumerate(FLOORS)}


def test_the_public_names_are_those_that_are_written_down() -> None:
    assert sorted(tybalt_like.__all__) == sorted(ROOT)
    for room, names in API.items():
        module = getattr(tybalt_like, room)
        assert sorted(module.__all__) == sorted(names), room
        assert sorted(dir(module)) == sorted(names), room  # what completion offers


@pytest.mark.parametrize(
    ("room", "name"), [(room, name) for room, names in API.items() for name in names]
)
def test_public_functions_have_one_style(room: str, name: str) -> None:
    thing = getattr(getattr(tybalt_like, room), name)
    if inspect.isclass(thing) or inspect.isfunction(thing):
        assert thing.__doc__, f"{room}.{name} has no docstring"
    if inspect.isfunction(thing):
        parameters = list(inspect.signature(thing).parameters.values())
        positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        assert len(positional) <= 3, f"{room}.{name} takes {len(positional)} positional parameters"
        if "adata" in [p.name for p in parameters]:
            assert parameters[0].name == "adata", f"{room}.{name}: adata comes first"


def test_import_and_help_stay_light() -> None:
    heavy = "torch", "pandas", "anndata", "sklearn", "matplotlib", "scipy", "numpy"
    code = (
        "import sys, tybalt_like, tybalt_like.cli; "
        f"print([m for m in {heavy!r} if m in sys.modules])"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "[]"


def test_the_version_stands_in_one_place() -> None:
    text = (PLAN.parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    assert 'dynamic = ["version"]' in text
    assert f"## {tybalt_like.__version__}" in (PLAN.parents[1] / "CHANGELOG.md").read_text()
