"""The house keeps its shape: imports point one way, and every module stays readable."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "pipeline"

# Lower may not import higher. A folder is one rank; the files beside the folders have their own.
RANKS = {
    "outlook_events": -1,
    "pace_events": -1,
    "reading_events": -1,
    "worker_events": -1,
    "queue_events": -1,
    "errors": 0,
    "events": 0,
    "emitter": 1,
    "durations": 1,
    "intake": 1,
    "mapping": 2,
    "packing": 3,
    "sending": 4,
    "settling": 5,
    "taking": 6,
    "verifying": 6,
    "watching": 7,
    "findings": 7,
    "config": 8,
    "starter": 9,
    "stop": 9,
    "plan": 9,
    "reloading": 9,
    "sharing": 9,
    "sifting": 10,
    "stages": 10,
    "steering": 10,
    "legs": 10,
    "outlook": 10,
    "wiring": 11,
    "ending": 11,
    "flow": 12,
    "watched": 12,
    "folder": 13,
    "preflight": 13,
    "verification": 13,
    "rehearsal": 13,
    "enqueued": 12,
    "cutting": 12,
    "enqueue": 13,
    "listing": 13,
    "company": 13,
    "showing": 14,
    "demo": 14,
    "terminal": 15,
    "aftermath": 16,
    "helm": 17,
    "feeding": 17,
    "cli": 18,
    "__main__": 19,
}
SIMULATOR_MAY_IMPORT = {"errors", "simulator"}
CHILD_MAY_NOT_IMPORT = {"aiohttp", "anyio", "pydantic", "rich", "typer"}
DRAWERS = {"util", "utils", "helper", "helpers", "common", "manager", "base", "misc"}
TASK_GROUPS_AND_STREAMS = {"create_task_group", "create_memory_object_stream", "TaskGroup"}

MODULES = sorted(PACKAGE.rglob("*.py"))
NAMES = [str(path.relative_to(PACKAGE)) for path in MODULES]


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def stage_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def stages_imported(path: Path) -> set[str]:
    """The stages a module imports, at its top or inside a function or a type-checking block."""
    depth = len(path.relative_to(PACKAGE).parts)
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and node.level == depth:
            parts = (node.module or "").split(".")
            found |= {parts[0]} if parts[0] else {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            assert not (node.module or "").startswith("pipeline"), f"{path}: import relatively"

    return found - {"__version__"}


def foreign_imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add((node.module or "").split(".")[0])

    return found


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [
        node
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_imports_point_one_way(path: Path) -> None:
    """A stage imports only what comes before it; the simulator stands apart."""
    stage = stage_of(path)
    imported = stages_imported(path)
    if stage == "simulator":
        assert imported <= SIMULATOR_MAY_IMPORT
    elif stage != "__init__":
        too_high = {
            other
            for other in imported - {"simulator"}
            if RANKS[other] > RANKS[stage] or (RANKS[other] == RANKS[stage] and other != stage)
        } - ({"errors"} if stage == "events" else set())
        assert not too_high
        assert "simulator" not in imported or RANKS[stage] >= RANKS["demo"]


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if stage_of(path) in {"intake", "mapping"}],
    ids=[name for name in NAMES if name.startswith(("intake", "mapping"))],
)
def test_the_encoders_child_stays_small(path: Path) -> None:
    """What the child process imports must not draw in the event loop or the command line."""
    allowed = {"anyio"} if path.name == "encoder.py" else set()  # the parent's side
    assert not foreign_imports(path) & (CHILD_MAY_NOT_IMPORT - allowed)


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_task_groups_and_streams_live_in_the_flow(path: Path) -> None:
    """Whoever reads flow.py knows every task and every stream of a run."""
    used = {
        node.attr if isinstance(node, ast.Attribute) else node.id
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute | ast.Name)
    }
    assert stage_of(path) == "flow" or not used & TASK_GROUPS_AND_STREAMS


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_no_module_is_a_drawer_or_too_long(path: Path) -> None:
    """A file has a noun for a name and under three hundred lines."""
    assert path.stem not in DRAWERS
    assert len(path.read_text(encoding="utf-8").splitlines()) < 300


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_functions_are_short_and_narrow(path: Path) -> None:
    """Bodies under forty lines; at most seven parameters, keyword-only after the third."""
    for node in functions(path):
        assert body_lines(node) < 40, node.name
        arguments = node.args
        positional = [
            argument.arg
            for argument in arguments.posonlyargs + arguments.args
            if argument.arg not in {"self", "cls"}
        ]
        is_command = any(isinstance(each, ast.Call) for each in node.decorator_list)
        if is_command or node.name in {"__aexit__", "__exit__", "simulate"}:
            continue  # a command's signature is its options; an exit's is the language's

        assert len(positional) + len(arguments.kwonlyargs) <= 7, node.name
        assert len(positional) <= 3, f"{node.name}: keyword-only after the third"


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_every_module_says_what_it_is_and_what_it_offers(path: Path) -> None:
    """A docstring, and `__all__` as a sorted tuple of names that exist."""
    module = tree(path)
    assert ast.get_docstring(module)
    if path.name == "__init__.py" and path.parent != PACKAGE:
        return

    offered = [
        node.value
        for node in module.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id == "__all__"
    ]
    assert len(offered) == 1
    assert isinstance(offered[0], ast.Tuple)
    names = ast.literal_eval(offered[0])
    defined = {
        name.id
        for node in module.body
        for name in ast.walk(node)
        if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
    }
    defined |= {getattr(node, "name", "") for node in module.body}
    defined |= {
        alias.asname or alias.name
        for node in module.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert set(names) <= defined


def test_the_top_of_the_repository_is_six_things() -> None:
    """Nothing but these, dot files, LICENSE and CHANGELOG.md lies at the top."""
    found = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    allowed = {
        "pyproject.toml",
        "README.md",
        "pipeline",
        "tests",
        "benchmarks",
        "config",
        "LICENSE",
        "CHANGELOG.md",
    }
    generated = {"runs", "build", "dist"}  # git-ignored
    assert found - generated <= allowed


def test_tests_mirror_the_package() -> None:
    """Every folder of tests is a folder of the package, or one of the few that serve them all."""
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir()}
    stages = {path.name for path in PACKAGE.iterdir() if path.is_dir()}
    assert folders - {"__pycache__"} <= stages | {"benchmarks", "contracts", "fakes"}
