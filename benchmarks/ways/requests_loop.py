"""csv.DictReader and a requests.Session: one POST after another."""

# mypy: disable-error-code="import-untyped,import-not-found"

from __future__ import annotations

import requests

from .payload import HEADERS, arguments, batches, endpoint, payload

__all__ = ()


def main() -> None:
    path, url, _ = arguments()

    with requests.Session() as session:
        session.headers.update(HEADERS)

        for batch in batches(path):
            session.post(endpoint(url), json=payload(batch), timeout=60).raise_for_status()


if __name__ == "__main__":
    main()
