"""Archives: the files in a .zip, each an origin of its own.

A member is unpacked as it is read and never as a whole, so that it may be larger than any memory
or disk. It is recognised by its beginning and by the checksum of all of it, which is in the
archive's directory.
"""

from __future__ import annotations

import hashlib
import io
import lzma
import zipfile
import zlib
from collections import Counter
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final

from ..errors import SourceError
from .recognised import HEAD_BYTES, read_up_to
from .source import Fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from _typeshed import WriteableBuffer

    from .origin import Origin

__all__ = ("DAMAGES", "ENDING", "MemberOrigin", "members_of")

ENDING: Final = ".zip"
DAMAGES: Final = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError)
"""What reading a member raises where the archive is damaged."""

_ENCRYPTED: Final = 0x1
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


class MemberOrigin:
    """One file of an archive."""

    __slots__ = ("_archive", "_begin", "_checksum", "_name", "_size")

    def __init__(self, archive: Origin, member: zipfile.ZipInfo) -> None:
        self._archive = archive
        self._name = member.filename
        self._size = member.file_size
        self._checksum = member.CRC
        self._begin = member.header_offset

    @property
    def name(self) -> str:
        """Its path in the archive."""
        return self._name

    @property
    def label(self) -> str:
        return f"{self._archive.label}/{self._name}"

    @property
    def size(self) -> int:
        """Bytes when unpacked: how far it was read is counted in these."""
        return self._size

    @property
    def is_distant(self) -> bool:
        return self._archive.is_distant

    def open(self) -> io.RawIOBase:
        return _Member(self._archive, self._begin, known=(self._name, self._size, self._checksum))

    def preview(self) -> io.RawIOBase:
        return self.open()

    def idle(self) -> bool:
        return False

    def fingerprint(self, name: str) -> Fingerprint:
        digest = hashlib.blake2b(self._checksum.to_bytes(4, "big"), digest_size=20)
        with self.open() as raw, _sound(self.label):
            digest.update(read_up_to(raw, HEAD_BYTES))

        return Fingerprint(name=name, size=self._size, digest=digest.hexdigest())

    def __repr__(self) -> str:
        return f"MemberOrigin({self.label!r})"


class _Member(io.RawIOBase):
    """An open member; `tell` counts unpacked bytes.

    Raises SourceError where something else lies at its place than what is `known` of it: its name,
    its size, its checksum.
    """

    def __init__(self, archive: Origin, begin: int, *, known: tuple[str, int, int]) -> None:
        self._opened = ExitStack()
        with ExitStack() as opened, _sound(archive.label):
            file = opened.enter_context(_open(archive))
            members = {member.header_offset: member for member in file.infolist()}
            member = members.get(begin)
            if member is None or (member.filename, member.file_size, member.CRC) != known:
                raise SourceError(
                    f"{archive.label}/{known[0]} is not what it was when it was looked at: the "
                    "archive was replaced or written to. Put it back as it was to go on with it, "
                    "or start anew with what it is now"
                )

            self._member: Any = opened.enter_context(file.open(member))
            self._opened = opened.pop_all()

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        position: int = self._member.tell()
        return position

    def readinto(self, buffer: WriteableBuffer) -> int:
        target = memoryview(buffer).cast("B")
        data = self._member.read1(len(target))
        target[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._opened.close()

        super().close()


def members_of(archive: Origin, wanted: Callable[[str], object]) -> list[MemberOrigin]:
    """The files in an archive whose name is `wanted`, in the order of their names.

    Raises SourceError where the archive is damaged, or a file that is wanted cannot be unpacked.
    """
    with _sound(archive.label), _open(archive) as file:
        members = [each for each in file.infolist() if _is_data(each) and wanted(each.filename)]

    times = Counter(member.filename for member in members)
    for member in members:
        _check(member, archive.label, times[member.filename])

    return [MemberOrigin(archive, each) for each in sorted(members, key=lambda one: one.filename)]


def _is_data(member: zipfile.ZipInfo) -> bool:
    """Whether it is a file, and none that a system hides or adds by itself."""
    parts = member.filename.split("/")
    return not member.is_dir() and not any(part.startswith((".", "__MACOSX")) for part in parts)


def _check(member: zipfile.ZipInfo, archive: str, times: int) -> None:
    trouble = None
    if member.flag_bits & _ENCRYPTED:
        trouble = "is encrypted"
    elif member.compress_type not in _METHODS:
        trouble = f"is compressed in a way (method {member.compress_type}) that is not known here"
    elif times > 1:
        trouble = "is in it more than once"

    if trouble:
        raise SourceError(
            f"{archive} cannot be read: {member.filename} {trouble}. Unpack it, and name the "
            "files in [source] url."
        )


@contextmanager
def _open(archive: Origin) -> Iterator[zipfile.ZipFile]:
    with archive.open() as raw:
        if not raw.seekable():
            raise SourceError(
                f"{archive.label} is a zip archive, which is read from its end. Put it in a file."
            )

        with io.BufferedReader(raw, HEAD_BYTES) as buffered, zipfile.ZipFile(buffered) as file:
            yield file


@contextmanager
def _sound(label: str) -> Iterator[None]:
    try:
        yield
    except DAMAGES as error:
        raise SourceError(
            f"{label} is damaged, cut off, or no zip archive: {error}. Fetch the file again."
        ) from error
