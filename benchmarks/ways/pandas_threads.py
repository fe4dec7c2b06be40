"""pandas reads the file, twenty threads post slices of it with requests."""

# mypy: disable-error-code="import-untyped,import-not-found"

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pandas as pd
import requests

from .payload import HEADERS, RECORDS, arguments, endpoint, payload

__all__ = ()

_THREADS = 20


def main() -> None:
    path, url, _ = arguments()
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    sessions = threading.local()

    def post(start: int) -> None:
        if not hasattr(sessions, "mine"):
            sessions.mine = requests.Session()
            sessions.mine.headers.update(HEADERS)

        rows: list[Any] = frame[start : start + RECORDS].to_dict("records")
        sessions.mine.post(endpoint(url), json=payload(rows), timeout=60).raise_for_status()

    with ThreadPoolExecutor(_THREADS) as pool:
        for _ in pool.map(post, range(0, len(frame), RECORDS)):
            pass


if __name__ == "__main__":
    main()
