"""The house keeps its shape: imports point one way, and every module stays readable."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "pipeline"

# Lower may not import higher. A folder is one rank, but those whose modules have their own: what
# a run is made of lies below `flow.py`, and the verbs that start one above it.
RANKS = {
    "errors": 0,
    "events": 1,
    "intake": 2,
    "mapping": 3,
    "packing": 4,
    "sending": 5,
    "settling": 6,
    "taking": 7,
    "verifying": 7,
    "watching": 8,
    "config": 9,
    "starter": 10,
    "running/stop": 10,
    "running/plan": 10,
    "running/sharing": 10,
    "running/sifting": 11,
    "running/stages": 11,
    "running/legs": 11,
    "running/outlook": 11,
    "running/wiring": 12,
    "running/ending": 12,
    "flow": 13,
    "worker/reloading": 14,
    "running/steering": 11,
    "worker/watched": 14,
    "worker/folder": 15,
    "worker/company": 15,
    "worker/showing": 16,
    "verbs/durations": 1,
    "verbs/enqueued": 13,
    "verbs/cutting": 13,
    "verbs/trial": 13,
    "verbs/enqueue": 14,
    "verbs/listing": 14,
    "verbs/preflight": 14,
    "verbs/verification": 14,
    "verbs/rehearsal": 14,
    "verbs/demo": 16,
    "verbs/terminal": 17,
    "verbs/actions": 18,
    "verbs/aftermath": 19,
    "verbs/helm": 20,
    "verbs/feeding": 20,
    "cli": 21,
    "__main__": 22,
}
RANKED_SINGLY = {path.split("/")[0] for path in RANKS if "/" in path}
SIMULATOR_MAY_IMPORT = {"errors", "simulator"}
CHILD_MAY_NOT_IMPORT = {"aiohttp", "anyio", "pydantic", "rich", "typer"}
DRAWERS = {"util", "utils", "helper", "helpers", "common", "manager", "base", "misc"}
TASK_GROUPS_AND_STREAMS = {"create_task_group", "create_memory_object_stream", "TaskGroup"}

MODULES = sorted(PACKAGE.rglob("*.py"))
NAMES = [str(path.relative_to(PACKAGE)) for path in MODULES]


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def stage_of(path: Path) -> str:
    return ranked(path.relative_to(PACKAGE).with_suffix("").parts)


def ranked(module: tuple[str, ...]) -> str:
    """What has the rank of a module: its folder, or the module itself."""
    return "/".join(module[: 2 if module[0] in RANKED_SINGLY else 1])


def stages_imported(path: Path) -> set[str]:
    """The stages a module imports, at its top or inside a function or a type-checking block."""
    folders = path.relative_to(PACKAGE).parts[:-1]
    found = set()
    for node in ast.walk(tree(path)):
        if not isinstance(node, ast.ImportFrom):
            continue

        if node.level == 0:
            assert not (node.module or "").startswith("pipeline"), f"{path}: import relatively"
            continue

        base = folders[: len(folders) - node.level + 1]
        module = (*base, *(node.module or "").split(".")) if node.module else base
        if module == () or (module[0] in RANKED_SINGLY and len(module) == 1):
            found |= {ranked((*module, alias.name)) for alias in node.names}
        else:
            found.add(ranked(module))

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
    elif path.stem != "__init__" or stage in RANKS:
        too_high = {
            other
            for other in imported - {"simulator"}
            if RANKS[other] > RANKS[stage] or (RANKS[other] == RANKS[stage] and other != stage)
        }
        assert not too_high
        assert "simulator" not in imported or RANKS[stage] >= RANKS["verbs/demo"]


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
