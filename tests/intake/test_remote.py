"""Files on other machines: real servers, each a process, and lines that break."""

# mypy: disable-error-code="import-untyped"

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import sys
import zipfile
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import asyncssh
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import SourceError
from pipeline.intake import ssh
from pipeline.intake.holdings import SourceHoldings
from pipeline.intake.locate import locate
from pipeline.intake.origin import PathOrigin
from pipeline.intake.ranges import Ranges
from pipeline.intake.recognised import HEAD_BYTES, digest_of
from pipeline.intake.remote import RemoteFile, RemoteOrigin
from pipeline.intake.source import SourcePolicy
from tests.contracts.file_sources import check_source, read
from tests.fakes.breaking_proxy import BreakingProxy
from tests.fakes.file_servers import PASSWORD, USER, S3Server, SftpServer
from tests.fakes.holdings import plain_of
from tests.fakes.program import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from pipeline.intake.source import FileSource

RECORDS = 3_000
TEXT = "id,name\n" + "".join(f"{n},{n * 7919 % 10007}\n" for n in range(RECORDS))


def _parquet() -> bytes:
    stored = io.BytesIO()
    pq.write_table(pa.table({"id": range(RECORDS)}), stored, row_group_size=1_700)
    return stored.getvalue()


def _zip() -> bytes:
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.csv", TEXT)

    return stored.getvalue()


FILES = {
    "contacts.csv": TEXT.encode(),
    "contacts.csv.gz": gzip.compress(TEXT.encode()),
    "contacts.ndjson": b"".join(b'{"id":%d}\n' % n for n in range(RECORDS)),
    "contacts.json": json.dumps([{"id": n} for n in range(RECORDS)]).encode(),
    "contacts.parquet": _parquet(),
    "contacts.zip": _zip(),
}
"""What lies in the folder `all`; and a few for patterns."""

TREE = {
    "tree/a.csv": b"id\n1\n",
    "tree/sub/b.csv": b"id\n2\n",
    "tree/sub/a.csv": b"id\n3\n",
    "tree/sub/deep/c.csv": b"id\n4\n",
    "tree/notes.md": b"hello",
    "tree/.hidden.csv": b"id\n5\n",
    "tree/[1] 100%.csv": b"id\n6\n",
}


@dataclass
class Place:
    """A server's files, as a config names them, and how to change one."""

    url: Callable[[int], str]
    port: int
    put: Callable[[str, bytes], None]
    settings: dict[str, Any] = field(default_factory=dict)
    environment: Callable[[int], dict[str, str]] = field(default=lambda _: {})

    def policy(self, path: str, port: int | None = None) -> SourcePolicy:
        return SourcePolicy(url=f"{self.url(port or self.port)}/{path}", **self.settings)

    def sources(self, path: str) -> list[FileSource]:
        return locate(self.policy(path))


def _aws(port: int) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": "rehearsal",
        "AWS_SECRET_ACCESS_KEY": "rehearsal",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
    }


def _google(port: int) -> dict[str, str]:
    """Google's XML interface is S3's: the server of the one answers for the other."""
    account = {"client_email": "", "private_key": "", "private_key_id": "", "disable_oauth": True}
    account["gcs_base_url"] = f"http://127.0.0.1:{port}"
    return {"GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps(account)}


@pytest.fixture(scope="module")
def s3() -> Iterator[Place]:
    with S3Server() as server:
        server.put("bucket")
        for path, content in TREE.items():
            server.put(f"bucket/{path.replace('%', '%25').replace(' ', '%20')}", content)

        for path, content in FILES.items():
            server.put(f"bucket/all/{path}", content)

        yield Place(
            lambda _: "s3://bucket",
            server.port,
            lambda path, content: server.put(f"bucket/{path}", content),
            environment=_aws,
        )


@pytest.fixture(scope="module")
def gs(s3: Place) -> Place:
    return Place(lambda _: "gs://bucket", s3.port, s3.put, environment=_google)


@pytest.fixture(scope="module")
def sftp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    home = tmp_path_factory.mktemp("sftp") / "home"
    known_hosts = home.parent / "known_hosts"

    def put(path: str, content: bytes) -> None:
        there = home / path
        there.parent.mkdir(parents=True, exist_ok=True)
        seconds = there.stat().st_mtime + 2 if there.exists() else None
        there.write_bytes(content)
        if seconds is not None:  # a change within one second is none to SFTP
            os.utime(there, (seconds, seconds))

    for path, content in TREE.items():
        put(path, content)

    for path, content in FILES.items():
        put(f"all/{path}", content)

    with SftpServer(home) as server:
        # Under a pattern, so that the way through a proxy is known as well.
        known_hosts.write_text(f"[127.0.0.1]:* {server.key_line}\n")
        yield Place(
            lambda port: f"sftp://{USER}@127.0.0.1:{port}",
            server.port,
            put,
            {"password": PASSWORD, "known_hosts": str(known_hosts)},
        )
        ssh.disconnect()


@pytest.fixture(params=["s3", "gs", "sftp"])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Each kind of server in turn, its environment set."""
    found: Place = request.getfixturevalue(request.param)
    for name, value in found.environment(found.port).items():
        monkeypatch.setenv(name, value)

    return found


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("place", ["s3", "sftp"], indirect=True)
def test_every_format_is_a_source_from_every_place(place: Place, name: str) -> None:
    """It gives what the file gives on this machine, from any mark."""
    result = check_source(lambda: place.sources(f"all/{name}")[0])
    assert len(result.records) == RECORDS
    assert result.chunks[-1].share == 1.0


def test_a_file_is_recognised_wherever_it_lies(place: Place, tmp_path: Path) -> None:
    """A run goes on with a copy on this machine, or the other way round."""
    (tmp_path / "copy.csv").write_bytes(FILES["contacts.csv"])
    near = PathOrigin(tmp_path / "copy.csv").fingerprint("contacts.csv")
    (source,) = place.sources("all/contacts.csv")
    there = source.origin.fingerprint("contacts.csv")  # type: ignore[attr-defined]
    assert there == near


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("tree/", ["[1] 100%.csv", "a.csv"]),
        ("tree", ["[1] 100%.csv", "a.csv"]),
        ("tree/*.csv", ["[1] 100%.csv", "a.csv"]),
        ("tree/**/*.csv", ["[1] 100%.csv", "a.csv", "sub/a.csv", "b.csv", "c.csv"]),
        ("*/sub/*", ["a.csv", "b.csv"]),
        ("tree/sub/?.csv", ["a.csv", "b.csv"]),
        ("tree/sub/[b-z].csv", ["b.csv"]),
        ("tree/a.csv", ["a.csv"]),
    ],
)
def test_patterns_and_folders_are_what_they_are_here(
    place: Place, path: str, names: list[str]
) -> None:
    """`**` goes into folders, hidden files are left out, names are told apart by their path."""
    assert sorted(one.name for one in place.sources(path)) == sorted(names)


def test_a_name_is_taken_as_it_stands(place: Place) -> None:
    """What looks like a pattern and is there is a file; a percent sign in SFTP's URL is one too."""
    path = "tree/[1] 100%25.csv" if "sftp" in place.url(0) else "tree/[1] 100%.csv"
    assert read(place.sources(path)[0]).records == {1: ["6"]}


@pytest.mark.parametrize("path", ["tree/none.csv", "tree/*.none", "none/"])
def test_what_is_not_there_is_named(place: Place, path: str) -> None:
    """With the URL, and without a secret."""
    with pytest.raises(SourceError, match=r"is not there\. Check ") as caught:
        place.sources(path)

    assert path in str(caught.value)
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize(
    ("scheme", "cuts"),  # S3's server takes a connection a request, SFTP's one for all
    [("s3", [100, 10**9, 40_000, 10_000, 300_000]), ("sftp", [100, 40_000, 900_000])],
)
def test_a_line_that_breaks_costs_nothing(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, scheme: str, cuts: list[int]
) -> None:
    """Cut while looking, in the head of an answer and in the middle of a range: every record."""
    place: Place = request.getfixturevalue(scheme)
    content = b"id,x\n" + b"".join(b"%d,%s\n" % (n, b"y" * 90) for n in range(30_000))
    place.put("big.csv", content)
    with BreakingProxy(place.port, cuts=cuts) as proxy:
        for name, value in place.environment(proxy.port).items():
            monkeypatch.setenv(name, value)

        (source,) = locate(place.policy("big.csv", proxy.port))
        result = read(pickle.loads(pickle.dumps(source)))
        ssh.disconnect()

    assert list(result.records) == list(range(1, 30_001))
    assert all(record[0] == str(place - 1) for place, record in result.records.items())
    assert proxy.broken >= 3


def test_a_file_that_changes_under_the_reader_ends_the_run(place: Place) -> None:
    """What was read of it was read of one version; the sentence says what stands."""
    content = b"id,x\n" + b"".join(b"%d,%s\n" % (n, b"y" * 90) for n in range(20_000))
    place.put("changing.csv", content)
    (source,) = place.sources("changing.csv")
    before = source.fingerprint()
    chunks = source.chunks(Ranges())
    seen = len(next(chunks).records)
    place.put("changing.csv", content.replace(b"y", b"z"))
    with pytest.raises(SourceError, match=r"changing\.csv has changed or gone since"):  # noqa: PT012
        for chunk in chunks:
            assert not any("z" in record[1] for record in chunk.records)
            seen += len(chunk.records)

    assert 0 < seen < 20_000
    # Another look finds the new one, which is another source.
    (anew,) = place.sources("changing.csv")
    assert anew.fingerprint() != before


def test_a_file_that_goes_ends_the_run(place: Place) -> None:
    """It is told as a change is."""
    place.put("going.csv", TEXT.encode())
    (source,) = place.sources("going.csv")
    gone = RemoteFile(path="gone.csv", size=10, version='"x"')
    store = source.origin._store  # type: ignore[attr-defined]
    with pytest.raises(SourceError, match=r"gone\.csv has changed or gone"):
        RemoteOrigin(store, gone).open().read(10)


class MemoryStore:
    """Files in memory, and what was asked for."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.asked: list[tuple[int, int]] = []

    def url(self, path: str) -> str:
        return f"memory://{path}"

    def find(self, path: str) -> RemoteFile:
        return RemoteFile(path=path, size=len(self.content), version="1")

    def below(self, folder: str, *, deep: bool) -> Iterable[RemoteFile]:
        raise NotImplementedError(folder, deep)

    def fetch(self, file: RemoteFile, begin: int, end: int) -> bytes:
        self.asked.append((begin, end))
        return self.content[begin:end]


def test_reading_on_takes_ever_larger_ranges_and_nothing_twice() -> None:
    """A look costs a little, a long read few requests; no byte is fetched that is at hand."""
    content = os.urandom(1_000_003)
    store = MemoryStore(content)
    with closing(RemoteOrigin(store, store.find("x")).open()) as raw:
        assert b"".join(iter(lambda: raw.read(10_000) or b"", b"")) == content
        assert [end for _, end in store.asked[:-1]] == [begin for begin, _ in store.asked[1:]]
        sizes = [end - begin for begin, end in store.asked]
        assert sizes[:3] == [2 * HEAD_BYTES, 4 * HEAD_BYTES, 8 * HEAD_BYTES]
        assert sum(sizes) == len(content)
        store.asked.clear()
        raw.seek(-10, os.SEEK_END)
        assert raw.read(100) == content[-10:]
        assert raw.tell() == len(content)
        raw.seek(5)
        assert raw.read(7) == content[5:12]
        raw.seek(3, os.SEEK_CUR)
        assert raw.read(1) == content[15:16]
        assert store.asked == [(len(content) - 10, len(content)), (5, 5 + HEAD_BYTES)]


def test_a_range_that_comes_short_is_a_change() -> None:
    """A file that has become shorter is not the one that was found."""
    store = MemoryStore(b"x" * 100)
    file = store.find("x")
    store.content = b"x" * 50
    with pytest.raises(SourceError, match="memory://x has changed or gone"):
        RemoteOrigin(store, file).open().read(100)


def test_a_file_that_has_grown_is_known_for_what_it_was() -> None:
    """So that nobody in it is sent twice; a longer file of another beginning is another file."""
    short, other = MemoryStore(os.urandom(200_000)), MemoryStore(os.urandom(300_000))
    grown = MemoryStore(short.content + b"more")
    known = RemoteOrigin(short, short.find("x")).fingerprint("x")
    for store, begins in ((grown, True), (short, False), (other, False)):
        beginnings = RemoteOrigin(store, store.find("x")).beginnings([known.size or 0])
        assert ((known.size, known.digest) in set(beginnings)) is begins


def test_what_a_file_was_is_found_without_a_byte_fetched_twice() -> None:
    """However many sizes are asked for; and what lies between two of them is left where it is."""
    store = MemoryStore(os.urandom(40_000_000))
    near = range(1, 1_000_000, 5_000)
    found = dict(RemoteOrigin(store, store.find("x")).beginnings([*near, 35_000_000, 40_000_000]))
    assert list(found) == [*near, 35_000_000]
    ends = [0, *(end for _, end in store.asked)]
    assert all(begin >= end for end, (begin, _) in zip(ends, store.asked, strict=False))
    assert sum(end - begin for begin, end in store.asked) < 12_000_000
    assert len(store.asked) < 10
    with RemoteOrigin(store, store.find("x")).open() as raw:
        assert found[35_000_000] == digest_of(raw, 35_000_000)


def test_what_it_holds_costs_a_few_ranges() -> None:
    """What is not compressed is known for what it holds, one that is for how it is stored alone:
    nothing is fetched twice to uncompress it."""
    store = MemoryStore(os.urandom(40_000_000))
    origin = RemoteOrigin(store, store.find("x"))
    holdings = SourceHoldings([(origin, origin.fingerprint("x"))])
    store.asked.clear()
    (plain,) = holdings.plains()
    assert plain is not None
    assert plain.equals(plain_of(store.content))
    assert len(plain.rungs) == 13
    assert len(store.asked) < 16
    assert sum(end - begin for begin, end in store.asked) < 3_000_000

    store = MemoryStore(gzip.compress(os.urandom(1_000_000)))
    origin = RemoteOrigin(store, store.find("x.gz"))
    holdings = SourceHoldings([(origin, origin.fingerprint("x"))])
    store.asked.clear()
    assert [holdings.plains(), holdings.plains()] == [[None], [None]]
    assert len(store.asked) == 1
    assert len(list(holdings.beginnings([10, 100_000]))) == 2


def test_plain_http_beyond_loopback_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a credential goes out on it."""
    for name, value in (_aws(1) | {"AWS_ENDPOINT_URL": "http://198.51.100.1"}).items():
        monkeypatch.setenv(name, value)

    with pytest.raises(SourceError, match="it must be https, or on loopback"):
        locate(SourcePolicy(url="s3://bucket/x.csv"))


def test_missing_credentials_are_named(s3: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the environment variables that hold them."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)

    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{s3.port}")
    with pytest.raises(SourceError, match=r"no credentials for Amazon S3.*AWS_ACCESS_KEY_ID"):
        locate(SourcePolicy(url="s3://bucket/x.csv"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"password": "wrong"}, r"refuses the login\. .*JOURNEY_SOURCE__PASSWORD"),
        ({"password": None}, "refuses the login"),
        ({"known_hosts": "/none"}, r"key of 127\.0\.0\.1 is not in /none.*ssh-keyscan -p \d+ 127"),
        ({"key_file": "/none"}, r"key_file cannot be used: .*'/none'"),
    ],
)
def test_a_login_that_fails_says_what_to_do(
    sftp: Place, changes: dict[str, Any], words: str
) -> None:
    """Nothing is tried again that cannot succeed, and no password is in what is said."""
    policy = SourcePolicy(url=f"{sftp.url(sftp.port)}/tree/a.csv", **(sftp.settings | changes))
    with pytest.raises(SourceError, match=words) as caught:
        locate(policy)

    assert PASSWORD not in str(caught.value)
    assert PASSWORD not in repr(policy)


def test_a_key_opens_the_door(tmp_path: Path) -> None:
    """A private key, its passphrase given as the password; the server is known all the same."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "a.csv").write_text("id\n1\n")
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(tmp_path / "id", passphrase="sesame", rounds=50)
    key.write_public_key(tmp_path / "authorized_keys")
    with SftpServer(home) as server:
        known = tmp_path / "known_hosts"
        known.write_text(f"[127.0.0.1]:{server.port} {server.key_line}\n")
        policy = SourcePolicy(
            url=f"sftp://{USER}@127.0.0.1:{server.port}/a.csv",
            password="sesame",
            key_file=str(tmp_path / "id"),
            known_hosts=str(known),
        )
        assert read(locate(policy)[0]).records == {1: ["1"]}
        ssh.disconnect()


def test_an_idle_connection_is_closed_and_made_again(
    sftp: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that waits for its pace holds no connection that a server would cut."""
    monkeypatch.setattr(ssh, "IDLE_SECONDS", 0.05)
    ssh.disconnect()
    with BreakingProxy(sftp.port, cuts=[]) as proxy:
        policy = sftp.policy("tree/a.csv", proxy.port)
        assert len(locate(policy)) == 1
        eventually(lambda: not proxy.open)
        assert len(locate(policy)) == 1
        assert proxy.connections == 2
        ssh.disconnect()


def test_a_server_that_is_not_there_is_named() -> None:
    """After a few tries."""
    with pytest.raises(SourceError, match=r"nobody@127\.0\.0\.1:1 does not answer, or breaks off"):
        locate(SourcePolicy(url="sftp://nobody@127.0.0.1:1/x.csv"))


@pytest.mark.parametrize(
    ("url", "module", "extra"),
    [("s3://bucket/x", "obstore", "cloud"), ("sftp://h/x", "asyncssh", "sftp")],
)
def test_a_missing_library_is_one_line(
    monkeypatch: pytest.MonkeyPatch, url: str, module: str, extra: str
) -> None:
    """Which extra, and the command that installs it."""
    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.setitem(sys.modules, name, None)

    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SourceError, match=rf"needs {module}: pip install '.*\[{extra}\]'$"):
        locate(SourcePolicy(url=url))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("s3://", "names no bucket: write s3://bucket/key"),
        ("sftp:///x.csv", "names no host"),
        ("sftp://host:port/x.csv", "is no address"),
    ],
)
def test_an_address_that_is_none_is_named(url: str, words: str) -> None:
    """Before anybody is asked."""
    with pytest.raises(SourceError, match=words):
        locate(SourcePolicy(url=url))
