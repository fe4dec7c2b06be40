"""The command with contacts that lie elsewhere, or in other formats."""

# mypy: disable-error-code="import-untyped"

from __future__ import annotations

import json
import zipfile
from collections import Counter
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from tests.fakes.breaking_proxy import BreakingProxy
from tests.fakes.configs import write_config, write_contacts
from tests.fakes.file_servers import PASSWORD, USER, SftpServer
from tests.fakes.program import Program

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.simulator_process import SimulatorProcess


def test_contacts_on_an_sftp_server(tmp_path: Path, simulator: SimulatorProcess) -> None:
    """Checked, begun, gone on with over a line that breaks: each once, and no secret told."""
    simulator.reset()
    home = tmp_path / "home"
    home.mkdir()
    write_contacts(home / "contacts.csv", range(1, 5_001), width=300)
    work = tmp_path / "work"
    work.mkdir()
    with (
        SftpServer(home) as server,
        BreakingProxy(server.port, cuts=[10**9, 10**9, 10**9, 400_000]) as proxy,
        Program(work, JOURNEY_SOURCE__PASSWORD=PASSWORD, HOME=str(tmp_path)) as program,
    ):
        url = f"sftp://{USER}@127.0.0.1:{proxy.port}/contacts.csv"
        stranger = program("init", url)
        assert stranger.code == 2
        assert "ssh-keyscan" in stranger.stderr
        (tmp_path / ".ssh").mkdir()
        (tmp_path / ".ssh" / "known_hosts").write_text(
            f"[127.0.0.1]:{proxy.port} {server.key_line}\n"
        )
        assert program("init", url, "-o", "starter.toml").code == 0
        assert f'url = "{url}"' in (work / "starter.toml").read_text()
        write_config(work / "journey.toml", url=simulator.url, source=url)
        offline = program("check", "journey.toml", "--offline")
        assert (offline.code, "not looked at" in offline.stdout) == (0, True)
        begun = program("run", "journey.toml", "--limit", "1000", "--json")
        assert (begun.code, begun.json["state"]) == (0, "completed")
        ended = program("run", "journey.toml", "--json")
        assert ended.code == 0
        assert (ended.json["read"], ended.json["accepted"]) == (5_000, 5_000)
        assert proxy.broken == 1
        told = "".join(each.stdout + each.stderr for each in (stranger, offline, begun, ended))

    assert PASSWORD not in told
    written = [path.read_bytes() for path in work.rglob("*") if path.is_file()]
    assert not any(PASSWORD.encode() in content for content in written)
    taken = Counter(contact["contact_key"] for contact in simulator.contacts())
    assert taken == Counter(f"C{number:05}" for number in range(1, 5_001))


def test_parquet_json_and_zip_in_one_folder(tmp_path: Path, simulator: SimulatorProcess) -> None:
    """Each is a source of its own, values keep their types, and every contact is accounted for."""
    simulator.reset()
    folder = tmp_path / "contacts"
    folder.mkdir()
    names = ["customer_id", "EmailAddress", "FirstName"]
    rows = [(f"K{n:05}", f"k{n}@example.com", "Ann") for n in range(4_000)]
    columns = dict(zip(names, map(list, zip(*rows[:1_000], strict=True)), strict=True))
    pq.write_table(pa.table(columns), folder / "a.parquet", row_group_size=300)
    records = [dict(zip(names, row, strict=True)) for row in rows[1_000:2_000]]
    (folder / "b.json").write_text(json.dumps([*records, 17], indent=1))
    with zipfile.ZipFile(folder / "c.zip", "w") as archive:
        for number, part in (("1", rows[2_000:3_000]), ("2", rows[3_000:])):
            text = "\n".join(map(",".join, [tuple(names), *part]))
            archive.writestr(f"{number}.csv", text)

    write_config(tmp_path / "journey.toml", url=simulator.url, source="contacts")
    with Program(tmp_path) as program:
        ran = program("run", "journey.toml", "--json")
        rejected = program("results", "journey.toml", "--of", "rejected")

    assert ran.code == 1
    assert (ran.json["read"], ran.json["accepted"], ran.json["rejected"]) == (4_001, 4_000, 1)
    assert "b.json,1001,intake,not_an_object" in rejected.stdout
