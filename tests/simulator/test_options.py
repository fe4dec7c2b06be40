"""What can be asked of a simulator, and how mistakes are named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pipeline.errors import ConfigError
from pipeline.simulator.options import SimulatorOptions

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "example.com", "::"])
def test_it_listens_on_loopback_alone(host: str) -> None:
    """A simulator takes any contact: it must not be reached from elsewhere."""
    with pytest.raises(ConfigError, match="loopback"):
        SimulatorOptions(host=host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_every_name_of_loopback_will_do(host: str) -> None:
    """And by default 127.0.0.1."""
    assert SimulatorOptions(host=host).host == host


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"faults": ("bang",)}, "no kind of fault"),
        ({"latency": "soon"}, "latency 'soon'"),
        ({"fields": ("Name",)}, "field 'Name'"),
        ({"answer_form": "xml"}, "answer_form must be one of object, string, double"),
        ({"package": "old"}, "package must be one of"),
        ({"entry_mode": "twice"}, "entry_mode must be one of"),
        ({"poison_pattern": "("}, "no regular expression"),
        ({"max_requests_per_second": 0}, "max_requests_per_second"),
        ({"knee": 0}, "knee"),
        ({"port": 70_000}, "port"),
        ({"max_records": 0}, "max_records"),
        ({"event_definition_keys": ()}, "event_definition_keys"),
        ({"published_journeys": -1}, "published_journeys"),
    ],
)
def test_mistakes_are_named(options: dict[str, Any], said: str) -> None:
    """Each with the option's own name, before anything is served."""
    with pytest.raises(ConfigError, match=said):
        SimulatorOptions(**options).cloud()


def test_a_file_holds_the_same_options(tmp_path: Path) -> None:
    """TOML keys are the options' names; what is given beside the file wins."""
    file = tmp_path / "simulator.toml"
    file.write_text(
        'seed = 7\nlatency = "0.1"\nmax_requests_per_second = 20\npoison_keys = ["x"]\n'
        '[[faults]]\nkind = "429"\nrate = 0.01\nretry_after = 2\n'
    )
    options = SimulatorOptions.from_file(file, seed=8)
    assert (options.seed, options.latency, options.poison_keys) == (8, "0.1", ("x",))
    [fault] = options.schedule().faults
    assert (fault.status, fault.rate, fault.retry_after) == (429, 0.01, 2.0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sede = 7", "did you mean 'seed'"),
        ("seed = true", "seed = True"),
        ('seed = "7"', "seed = '7'"),
        ("keep_data = 1", "keep_data = 1"),
        ("fields = [1]", "fields"),
        ("faults = [7]", "faults"),
        ("seed = ", "cannot be read"),
    ],
)
def test_a_file_that_means_nothing_is_named(tmp_path: Path, text: str, said: str) -> None:
    """Unknown keys, wrong kinds, broken TOML."""
    file = tmp_path / "simulator.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"simulator\.toml") as caught:
        SimulatorOptions.from_file(file)

    assert said in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Says which."""
    with pytest.raises(ConfigError, match=r"nowhere\.toml"):
        SimulatorOptions.from_file(tmp_path / "nowhere.toml")
