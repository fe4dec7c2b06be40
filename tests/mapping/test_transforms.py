from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.mapping.template import parse_template
from pipeline.mapping.transforms import parse_transform


@pytest.mark.parametrize(
    ("written", "text", "expected"),
    [
        ("trim", "  a b\t\u00a0", "a b"),
        ("collapse", " a \t\n b ", "a b"),
        ("lower", "ÄÖ", "äö"),
        ("upper", "straße", "STRASSE"),
        ("title", "anne-marie o'NEIL", "Anne-Marie O'Neil"),
        ("title", "they're ANN\u2019S", "They're Ann\u2019s"),
        ("digits", "+49 (0)30-12٣", "4903012"),
        ("truncate:3", "äöüß", "äöü"),
        ("truncate:3", "ab", "ab"),
        ("pad:5", "123", "00123"),
        ("pad:5", "123456", "123456"),
        ("pad:5", "", ""),
        ("null:N/A", "N/A", ""),
        ("null:N/A", "n/a", "n/a"),
        ("null:", "x", "x"),
        ("null:a:b", "a:b", ""),
    ],
)
def test_transforms(written: str, text: str, expected: str) -> None:
    """Each transform does what its line in the module's docstring says."""
    assert parse_transform(written).apply(text) == expected


@given(st.text(), st.sampled_from(["trim", "collapse", "lower", "upper", "truncate:3"]))
def test_inline_is_apply(text: str, written: str) -> None:
    """A transform's expression gives what its function gives."""
    transform = parse_transform(written)
    assert transform.inline is not None
    assert eval(transform.inline.replace("{}", "text"), {"text": text}) == transform.apply(text)


@given(st.lists(st.text(), min_size=3, max_size=3))
def test_templates_fill_awkward_columns(texts: list[str]) -> None:
    """Columns are named exactly as they stand; doubled braces are braces; nothing is run."""
    template = parse_template("{first name}{{{a.b}}} 'x' {import os}\n")
    expected = f"{texts[0]}{{{texts[1]}}} 'x' {texts[2]}\n" if any(texts) else ""
    assert template.columns == ("first name", "a.b", "import os")
    assert template.fill(tuple(texts)) == expected
    names = {"a": texts[0], "b": texts[1], "c": texts[2]}
    assert eval(template.expression(("a", "b", "c")), names) == expected


def test_templates_may_repeat_a_column() -> None:
    """A column may stand in a template twice, and is read once."""
    template = parse_template("{a}-{a}")
    assert template.columns == ("a",)
    assert template.fill(("x",)) == "x-x"
