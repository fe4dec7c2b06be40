"""The file that is measured: contacts of nine columns, the same on every machine.

A contact is 274 bytes of JSON on average, so a payload of 500 is 137 KB. Text is what real files
hold: accents, commas inside quotes, numbers with leading zeros. A shorter file is the beginning of
a longer one, so that sizes may be compared.
"""

from __future__ import annotations

import os
import random
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ("COLUMNS", "DATA", "contacts_file", "lines")

COLUMNS = (
    "customer_id",
    "email",
    "first_name",
    "last_name",
    "city",
    "country",
    "phone",
    "signed_up",
    "segment",
)

DATA = Path(__file__).parent / "data"

_VERSION = 1  # of what is generated: a cached file of another version is not taken for this one
_CHUNK = 10_000  # contacts that share a seed

_FIRST = (
    *("Ann", "Maria", "Wolfgang", "José", "Zoë", "Björn", "Charlotte", "Maximilian"),
    *("Priya", "Mohammed", "Yuki", "Oluwaseun", "Katarzyna", "John", "Guadalupe", "François"),
)
_LAST = (
    *("Smith", "García", "Müller", "Nguyen", "O'Connor", "Kowalczyk", "Fernández de la Cruz"),
    *("Johansson", "Yamamoto", "van den Berg", "Li", "Adeyemi-Williams", "Rossi", "Brown"),
)
_CITY = (
    *("Berlin", "São Paulo", "Tokyo", "London", "Kraków", "Lagos", "Zürich", "New York"),
    *("Buenos Aires", "Lyon", "Göteborg", "Den Haag", '"Washington, D.C."', "San Francisco"),
)
_COUNTRY = ("Germany", "Brazil", "Japan", "England", "Poland", "Nigeria", "Switzerland")
_SEGMENT = (
    *("newsletter-spring-sale", "win-back-90-days", "loyalty-gold-anniversary"),
    *("abandoned-basket-reminder", "birthday-voucher"),
)
_DAYS = tuple(
    f"{year}-{month:02}-{day:02}"
    for year in range(2016, 2026)
    for month in range(1, 13)
    for day in range(1, 29)
)
_ASCII = str.maketrans("éëöüíçáãéØß '", "eeouicaaeos__", "")


def contacts_file(count: int, *, directory: Path = DATA) -> Path:
    """The CSV of `count` contacts; written on the first call, found again afterwards."""
    path = directory / f"contacts-v{_VERSION}-{count}.csv"
    if path.exists():
        return path

    directory.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.partial")

    with partial.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(COLUMNS) + "\r\n")
        file.writelines(lines(count))

    return partial.replace(path)


def lines(count: int) -> Iterator[str]:
    """The lines of `count` contacts, each with its line end, the header left out."""
    return islice(_all_lines(), count)


def _all_lines() -> Iterator[str]:
    start = 0
    while True:
        yield from _chunk(start)
        start += _CHUNK


def _chunk(start: int) -> Iterator[str]:
    dice = random.Random(start)

    def column(pool: Sequence[str]) -> list[str]:
        return dice.choices(pool, k=_CHUNK)

    rows = zip(
        range(start + 1, start + _CHUNK + 1),
        column(_FIRST),
        column(_LAST),
        column(_CITY),
        column(_COUNTRY),
        dice.choices(range(10_000_000, 99_999_999), k=_CHUNK),
        column(_DAYS),
        column(_SEGMENT),
        strict=True,
    )

    for number, first, last, city, country, phone, day, segment in rows:
        yield (
            f"{number:010},{_MAILBOX[first]}.{_MAILBOX[last]}.{number}@example.com,{first},{last},"
            f"{city},{country},00{phone},{day},{segment}\r\n"
        )


_MAILBOX = {name: name.lower().translate(_ASCII) for name in (*_FIRST, *_LAST)}
