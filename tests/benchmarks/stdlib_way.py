"""A way that needs no extra: posts with the standard library alone, at most LIMIT contacts."""

from __future__ import annotations

import json
import sys
from http.client import HTTPConnection
from itertools import islice
from urllib.parse import urlsplit

from benchmarks.ways.payload import batches, endpoint, payload

__all__ = ()


def main() -> None:
    path, url, limit = sys.argv[1:]
    connection = HTTPConnection(urlsplit(url).netloc, timeout=10)
    allowed = iter(range(int(limit)))

    for batch in batches(path):
        rows = [row for row, _ in zip(batch, islice(allowed, len(batch)), strict=False)]
        connection.request("POST", urlsplit(endpoint(url)).path, json.dumps(payload(rows)))
        assert connection.getresponse().read()


if __name__ == "__main__":
    main()
