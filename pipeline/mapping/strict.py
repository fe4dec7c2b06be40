"""Strict e-mail and phone checks, by the libraries of the extra `validate`.

They cost some fifty times the cheap checks (63 and 44 µs a value), so a rule must ask for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import MappingError
from .refused import Refused, cut

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("strict_email", "strict_phone")


def _missing(library: str) -> MappingError:
    return MappingError(f"strict = true needs {library}: pip install 'journey-pipeline[validate]'")


def strict_email() -> Callable[[Any], str]:
    """Hold addresses against the RFCs; they travel as they stand. No DNS is asked."""
    try:
        from email_validator import EmailNotValidError, validate_email  # noqa: PLC0415  # optional
    except ImportError:
        raise _missing("email-validator") from None

    def convert(value: Any) -> str:
        problem = ""
        if isinstance(value, str):
            try:
                validate_email(value, check_deliverability=False)
            except EmailNotValidError as error:
                problem = f": {error}"
            else:
                return value

        raise Refused("not_an_email", f"value {cut(value)} is not an e-mail address{problem}")

    return convert


def strict_phone(region: str | None) -> Callable[[Any], str]:
    """Hold numbers against the plan of `region` (or of their own +prefix); E.164 is sent."""
    try:
        import phonenumbers  # noqa: PLC0415  # optional
    except ImportError:
        raise _missing("phonenumberslite") from None

    if region is not None and region not in phonenumbers.SUPPORTED_REGIONS:
        raise MappingError(f"region {region!r} is none the phone library knows (such as DE, US)")

    def convert(value: Any) -> str:
        text = str(value) if type(value) is int else value
        if isinstance(text, str):
            try:
                number = phonenumbers.parse(text, region)
            except phonenumbers.NumberParseException as error:
                detail = f"value {cut(value)} is not a phone number: {error}"
                raise Refused("not_a_phone", detail) from None

            if phonenumbers.is_valid_number(number):
                return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))

        raise Refused("not_a_phone", f"value {cut(value)} is not a valid phone number")

    return convert
