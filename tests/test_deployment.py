"""What config/ offers to copy: configs that hold, and units, images and manifests that fit them."""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import anyio
import pytest
import yaml

from pipeline.config import load
from pipeline.config.schema import json_schema
from pipeline.verbs.preflight import Finding, check

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "config"
DRAIN_SECONDS = 75.0
HEADER = "customer_id,email,first_name,visited"


def manifests() -> dict[str, dict[str, Any]]:
    """The Kubernetes objects, by kind."""
    found = yaml.safe_load_all((CONFIG / "kubernetes.yaml").read_text(encoding="utf-8"))
    return {each["kind"]: each for each in found}


def pod() -> dict[str, Any]:
    spec: dict[str, Any] = manifests()["StatefulSet"]["spec"]["template"]["spec"]
    return spec


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CONFIG / "compose.yaml").read_text(encoding="utf-8"))
    return found


def texts() -> dict[str, str]:
    """Every config there is to copy."""
    found = {path.name: path.read_text(encoding="utf-8") for path in CONFIG.glob("*.toml")}
    return {**found, "kubernetes": manifests()["ConfigMap"]["data"]["worker.toml"]}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory we are in, with the file that the bulk load speaks of."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "contacts.csv").write_text(f"{HEADER}\n1,a@b.example,Ann,02/01/2026\n")
    return tmp_path


@pytest.mark.parametrize("name", texts())
def test_a_config_holds(name: str, place: Path) -> None:
    """`check --offline` finds nothing wrong with it."""
    path = place / "journey.toml"
    path.write_text(texts()[name], encoding="utf-8")

    async def found() -> list[Finding]:
        return [each async for each in check(path, offline=True)]

    findings = anyio.run(found)
    assert [each.text for each in findings if not each.holds] == []
    assert len(findings) >= 2


def test_what_a_worker_calls_a_default_is_one() -> None:
    """A comment cannot fall behind the code."""
    schema, section = json_schema(), ""
    for line in (CONFIG / "worker.toml").read_text(encoding="utf-8").splitlines():
        if match := re.match(r"\[([a-z.]+)\]", line):
            section = match[1]
        elif match := re.fullmatch(r"# (([a-z_]+) = .*)  # the default", line):
            node = schema["properties"][section]["$ref"].rsplit("/", 1)[-1]
            told = schema["$defs"][node]["properties"][match[2]]
            assert tomllib.loads(match[1])[match[2]] == told["default"], line


def test_a_drain_ends_before_it_is_killed(tmp_path: Path) -> None:
    """A request's own time, then the drain's, then the manager's."""
    for name in ("worker.toml", "kubernetes"):
        (tmp_path / "w.toml").write_text(texts()[name], encoding="utf-8")
        config = load(tmp_path / "w.toml", {})
        assert config.worker.drain_seconds == DRAIN_SECONDS > config.delivery.timeout_seconds

    assert pod()["terminationGracePeriodSeconds"] > DRAIN_SECONDS
    assert int(unit()["Service"]["TimeoutStopSec"]) > DRAIN_SECONDS
    for name, service in compose()["services"].items():
        if name.startswith("worker"):
            assert int(service["stop_grace_period"].removesuffix("s")) > DRAIN_SECONDS


def copied() -> list[str]:
    """What the image's build takes from the repository."""
    text = (CONFIG / "Dockerfile").read_text(encoding="utf-8")
    lines = re.findall(r"^COPY (?!--)(.*) \S+$", text, flags=re.MULTILINE)
    return [name for line in lines for name in line.split()]


def everything() -> str:
    return "".join(path.read_text(encoding="utf-8") for path in CONFIG.iterdir())


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # its names are not folded
    parser.read(CONFIG / "worker.service")
    return parser


def test_the_unit_says_what_the_program_does() -> None:
    """It is told when the worker is ready and alive, and starts again all but what people must
    mend: without end, for what halts a worker (3) may be an outage."""
    service = unit()["Service"]
    assert service["Type"] == "notify"
    assert 0 < int(service["WatchdogSec"]) <= 120
    assert service["ExecStart"].split()[1] == "run"
    assert "-HUP" in service["ExecReload"]
    assert service["RestartPreventExitStatus"].split() == ["2", "4"]
    assert unit()["Unit"]["StartLimitIntervalSec"] == "0"
    assert service["ProtectSystem"] == "strict"


def test_a_queue_on_the_same_machine_stops_after_the_worker() -> None:
    """Its drain acknowledges, and asks for its pace: else a shutdown takes as long as it may."""
    text = (CONFIG / "worker.service").read_text(encoding="utf-8")
    after = " ".join(re.findall(r"^After=(.*)$", text, flags=re.MULTILINE)).split()
    assert {"network-online.target", "valkey-server.service", "redis-server.service"} <= set(after)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    """Every directive is one, and little is left exposed."""
    text = (CONFIG / "worker.service").read_text(encoding="utf-8")
    path = tmp_path / "journey-worker.service"
    path.write_text(text.replace("/opt/journey-pipeline/bin/journey-pipeline", "/bin/true"))
    verified = subprocess.run(
        ["systemd-analyze", "verify", str(path)], capture_output=True, text=True, check=False
    )
    assert (verified.returncode, verified.stderr) == (0, "")


def test_probes_ask_what_is_served() -> None:
    """Each probe's path is a route, and its port the one that is listened to."""
    container = pod()["containers"][0]
    served = (ROOT / "pipeline" / "watching" / "serving.py").read_text(encoding="utf-8")
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = container[name]["httpGet"]
        assert f'"{asked["path"]}"' in served
        assert asked["port"] == "http"

    port = tomllib.loads(texts()["kubernetes"])["worker"]["listen"].rpartition(":")[2]
    assert {"name": "http", "containerPort": int(port)} in container["ports"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"


def test_each_worker_has_a_disk_of_its_own() -> None:
    """No two share a journal, and what is mounted is what the config writes to."""
    workers = [each for name, each in compose()["services"].items() if name.startswith("worker")]
    volumes = [each["volumes"][0] for each in workers]
    assert len(set(volumes)) == len(workers) == 2
    assert all(
        each["environment"]["JOURNEY_RUN__DIRECTORY"].startswith("/var/lib/journey/")
        for each in workers
    )
    claims = manifests()["StatefulSet"]["spec"]["volumeClaimTemplates"]
    mounts = {each["name"]: each["mountPath"] for each in pod()["containers"][0]["volumeMounts"]}
    assert mounts[claims[0]["metadata"]["name"]] == "/var/lib/journey"


def test_all_of_compose_comes_back_after_a_reboot() -> None:
    """The machine's shutdown drains a worker, which ends with 0: that is no reason to stay away."""
    policies = {name: each["restart"] for name, each in compose()["services"].items()}
    assert set(policies.values()) == {"unless-stopped"}, policies


def test_what_a_build_is_handed_is_what_it_copies() -> None:
    """No secret that lies beside the Dockerfile, and nothing whose change would build it anew."""
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in ignore if line and not line.startswith("#")]
    assert rules[0] == "*"
    handed = {line.removeprefix("!") for line in rules if line.startswith("!")}
    assert handed == set(copied())
    assert "config/client_secret" in (ROOT / ".gitignore").read_text(encoding="utf-8").split()


def test_no_secret_is_written_down() -> None:
    """Credentials come from secrets and the environment; every variable overrides a key."""
    assert not re.search(r"client_secret = \"[^…\"]", everything())
    schema = json_schema()
    for section, key in set(re.findall(r"JOURNEY_([A-Z]+)__([A-Z_]+)", everything())):
        node = schema["properties"][section.lower()]["$ref"].rsplit("/", 1)[-1]
        assert key.lower() in schema["$defs"][node]["properties"], f"{section}__{key}"


def test_the_image_is_made_of_what_is_here() -> None:
    """What is copied exists, what is installed is offered, and it does not run as root."""
    text = (CONFIG / "Dockerfile").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert all((ROOT / name).exists() for name in copied())

    (entrypoint,) = re.findall(r"^ENTRYPOINT (.*)$", text, flags=re.MULTILINE)
    assert json.loads(entrypoint)[0] in project["scripts"]
    for extras in re.findall(r"\[([a-z,]+)\]'", everything()):
        assert set(extras.split(",")) <= set(project["optional-dependencies"])

    user = re.findall(r"^USER (\d+)$", text, flags=re.MULTILINE)
    assert user == [str(pod()["securityContext"]["runAsUser"])]
    assert project["license-files"] == ["LICENSE"]
