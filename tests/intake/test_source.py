from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from pipeline.intake.source import Format, SourcePolicy


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"url": ""}, "url is empty"),
        ({"format": "xlsx"}, "xlsx"),
        ({"delimiter": ",,"}, "delimiter is one character"),
        ({"delimiter": "\n"}, "delimiter is one character"),
        ({"delimiter": ""}, "delimiter is one character"),
        ({"quote": "''"}, "quote is one character"),
        ({"quote": "\r"}, "quote is one character"),
        ({"quote": ";", "delimiter": ";"}, "the same character"),
        ({"encoding": "klingon"}, "encoding 'klingon' is not a text encoding"),
        ({"encoding": "base64"}, "encoding 'base64' is not a text encoding"),
        ({"url": "sftp://me:secret@host/x.csv"}, r"url holds a password: .*SOURCE__PASSWORD"),
        ({"columns": ()}, "columns names every column"),
        ({"columns": ("a", "")}, "columns names every column"),
        ({"columns": ("a", "a")}, "columns names a column twice"),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, Any], words: str) -> None:
    """Each value is checked once, when the policy is made."""
    with pytest.raises(ValueError, match=words) as caught:
        SourcePolicy(**{"url": "x.csv"} | settings)

    assert "secret" not in str(caught.value)


def test_the_policy_is_a_section_of_the_config() -> None:
    """pydantic builds it from plain values, and refuses a key it does not know."""
    adapter = TypeAdapter(SourcePolicy)
    policy = adapter.validate_python({"url": "x", "format": "tsv", "columns": ["a", "b"]})
    assert policy == SourcePolicy(url="x", format=Format.TSV, columns=("a", "b"))
    with pytest.raises(ValidationError, match="delimeter"):
        adapter.validate_python({"url": "x", "delimeter": ","})
