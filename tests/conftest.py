"""What every test gets: both event loops, deterministic property tests in CI, no silent skips."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from tests.fakes.figures import FIGURES, figures_told
from tests.fakes.program import Program
from tests.fakes.simulator_process import SimulatorProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

settings.register_profile("quick", max_examples=60, deadline=None)
settings.register_profile("ci", max_examples=100, deadline=None, derandomize=True)
settings.register_profile("long", max_examples=2_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if "CI" in os.environ else "quick"))


# Else each of the thousands of processes that tests start would compile the program anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_addoption(parser: pytest.Parser) -> None:
    """How long to try to break it (tests/test_crashes.py)."""
    parser.addoption("--crashes", type=int, default=5, help="How many seeds of crashes.")
    parser.addoption("--queues", type=int, default=0, help="Contacts of a long story per queue.")
    parser.addoption("--crash-seed", type=int, help="One seed of crashes, once more.")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each seed is a test of its own: a failing one is named by its id."""
    only, crashes = (metafunc.config.getoption(name) for name in ("crash_seed", "crashes"))
    for name, seeds in (("crash_seed", crashes), ("kinder_seed", crashes // 3)):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, [only] if only else range(1, seeds + 1))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The long story of the queues is told when it is asked for."""
    if not config.getoption("queues"):
        items[:] = [item for item in items if "test_story[" not in item.name]


@pytest.fixture(
    params=[
        pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"),
        pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop"),
    ]
)
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    """Async tests run on the standard loop and on uvloop: users have either."""
    return request.param


@pytest.fixture(scope="module")
def one_simulator() -> Iterator[SimulatorProcess]:
    """A simulator for a module's tests, in a process of its own; they ask for `simulator`."""
    with SimulatorProcess() as simulator:
        yield simulator


@pytest.fixture
def simulator(one_simulator: SimulatorProcess) -> SimulatorProcess:
    """The module's simulator with an empty book and no faults."""
    one_simulator.reset()
    one_simulator.set_faults()
    return one_simulator


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    """The command, run in the test's own directory."""
    with Program(tmp_path) as program:
        yield program


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was tried to break it."""
    if told := figures_told():
        failed = len(terminalreporter.stats.get("failed", []))
        verdict = "see the failures" if failed else "lost 0, doubled 0, misreported 0"
        terminalreporter.write_line(f"audited: {told}; {verdict}")


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """What one of several processes tried counts with the others'."""
    FIGURES.update(getattr(node, "workeroutput", {}).get("figures", {}))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """In CI a skipped test is a failure: what cannot run there is not tested at all."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["figures"] = dict(FIGURES)
        return

    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = len(reporter.stats.get("skipped", [])) if reporter else 0
    if "CI" in os.environ and skipped and exitstatus == 0:
        print(f"\n{skipped} skipped tests count as failures in CI")  # noqa: T201  # for the log
        session.exitstatus = 1
