"""Objects: files in Amazon S3, Google Cloud Storage and Azure Blob Storage.

Credentials, region and endpoint come from the environment, under the names that each provider's own
tools read. A range is asked for with the etag it must have.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from ..errors import SourceError
from .extras import need
from .remote import RemoteFile, changed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .source import SourcePolicy

__all__ = ("ObjectStore", "objects_of")

_SCHEMES: Final = {
    "s3": ("Amazon S3", "S3Store", "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION"),
    "gs": ("Google Cloud Storage", "GCSStore", "GOOGLE_APPLICATION_CREDENTIALS"),
    "az": (
        "Azure Blob Storage",
        "AzureStore",
        "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
    ),
}
"""What each scheme stands for, what reads it, and the environment that holds its credentials."""

_ENDPOINTS: Final = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    "gs": ("GOOGLE_BASE_URL",),
    "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
}
_ACCOUNT_FILES: Final = (
    "GOOGLE_SERVICE_ACCOUNT",
    "GOOGLE_SERVICE_ACCOUNT_PATH",
    "GOOGLE_APPLICATION_CREDENTIALS",
)
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_TIMEOUTS: Final = {"connect_timeout": "10s", "timeout": "120s"}
_PATIENCE: Final = {True: (10, 180), False: (3, 20)}
"""How often, and for how many seconds, a request is made again: while reading, while looking."""


def objects_of(policy: SourcePolicy) -> tuple[ObjectStore, str]:
    """The bucket that scheme://bucket/key names, and the key, which is taken as it stands."""
    scheme, _, rest = policy.url.partition("://")
    bucket, _, key = rest.partition("/")
    if not bucket:
        raise SourceError(f"[source] url names no bucket: write {scheme.lower()}://bucket/key")

    return ObjectStore(scheme.lower(), bucket), key


class ObjectStore:
    """A bucket, or a container."""

    def __init__(self, scheme: str, bucket: str) -> None:
        self._scheme = scheme
        self._bucket = bucket
        self._clients: dict[bool, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_clients": {}}  # connected anew where unpickled

    def url(self, path: str) -> str:
        return f"{self._scheme}://{self._bucket}/{path}"

    def find(self, path: str) -> RemoteFile | None:
        with self._told(path):
            try:
                return _file(self._ask("head", path, patient=False))
            except FileNotFoundError:
                return None

    def below(self, folder: str, *, deep: bool) -> Iterator[RemoteFile]:
        prefix = folder.rstrip("/") or None
        with self._told(folder):
            if deep:
                pages = self._ask("list", prefix, patient=False)
                found = [_file(each) for page in pages for each in page]
            else:
                page = self._ask("list_with_delimiter", prefix, patient=False)
                found = [_file(each) for each in page["objects"]]

        yield from found

    def fetch(self, file: RemoteFile, begin: int, end: int) -> bytes:
        options: dict[str, Any] = {"range": (begin, end)}
        if '"' in file.version:
            options["if_match"] = file.version

        with self._told(file.path):
            try:
                result = self._ask("get", file.path, options=options, patient=True)
                data: bytes = result.bytes().to_bytes()
            except (FileNotFoundError, self._exceptions().PreconditionError):
                raise changed(self.url(file.path)) from None

        if _file(result.meta) != file:
            raise changed(self.url(file.path))

        return data

    def _ask(self, function: str, *arguments: Any, patient: bool, **options: Any) -> Any:
        client = self._clients.get(patient)
        if client is None:
            client = self._clients[patient] = self._connected(patient=patient)

        return getattr(self._library("obstore"), function)(client, *arguments, **options)

    def _connected(self, *, patient: bool) -> Any:
        _, kind, _ = _SCHEMES[self._scheme]
        most, seconds = _PATIENCE[patient]
        endpoint = urlsplit(_endpoint(self._scheme))
        is_near = endpoint.hostname in _LOOPBACK
        if endpoint.scheme == "http" and not is_near:
            raise SourceError(
                f"the endpoint of {self._scheme}://{self._bucket} in the environment is plain "
                "http, on which anyone can read along: it must be https, or on loopback."
            )

        return getattr(self._library("obstore.store"), kind)(
            self._bucket,
            client_options=_TIMEOUTS | {"allow_http": is_near},
            retry_config={"max_retries": most, "retry_timeout": timedelta(seconds=seconds)},
        )

    def _library(self, module: str) -> Any:
        return need(module, extra="cloud", what=f"{self._scheme}://{self._bucket}")

    def _exceptions(self) -> Any:
        return self._library("obstore.exceptions")

    @contextmanager
    def _told(self, path: str) -> Iterator[None]:
        """Whatever the library raises, told as what a person can do about it."""
        exceptions = self._exceptions()
        try:
            yield
        except (exceptions.BaseError, OSError, ValueError) as error:
            title, _, names = _SCHEMES[self._scheme]
            text = _sentence(error)
            if "/latest/api/token" in text or "credential" in text.lower():
                text = f"there are no credentials for {title}"
            elif "404 Not Found" in text:
                text = f"there is no {self._bucket}"

            raise SourceError(
                f"{self.url(path)} cannot be read: {text}. Check [source] url, and the "
                f"environment: {names}."
            ) from None


def _file(meta: Any) -> RemoteFile:
    etag = meta["e_tag"]
    if etag and '"' not in etag:
        etag = f'"{etag}"'  # Azure's listings leave the quotes out

    version = etag or str(int(meta["last_modified"].timestamp()))
    return RemoteFile(path=meta["path"], size=meta["size"], version=version)


def _endpoint(scheme: str) -> str:
    """The endpoint that the environment names; "" for the provider's own."""
    named = next(filter(None, map(os.environ.get, _ENDPOINTS[scheme])), "")
    if named or scheme != "gs":
        return named

    account = os.environ.get("GOOGLE_SERVICE_ACCOUNT_KEY", "")
    path = next(filter(None, map(os.environ.get, _ACCOUNT_FILES)), "")
    try:
        content = json.loads(account or Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""  # the library says what is wrong with it

    return str(content.get("gcs_base_url", "")) if isinstance(content, dict) else ""


def _sentence(error: Exception) -> str:
    """The first line of an error, without what may be secret in a URL or what is XML."""
    line = next(iter(str(error).splitlines()), type(error).__name__)
    line = re.sub(r"^Generic \w+ error: | in [\d.]+\S*s\b(, after .*?)?(?= +- )", "", line)
    return re.sub(r"\?\S*|: <.*|: *$", "", line)[:300].rstrip(". ")
