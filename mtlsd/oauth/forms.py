"""Reading a form, strictly (RFC 6749 section 3.2 and appendix B).

An empty parameter counts as absent, an unknown one is ignored, a repeated one is refused; a byte that the
encoding does not allow is refused and never guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Self
from urllib.parse import unquote_to_bytes

import attrs

from mtlsd import reasons
from mtlsd.errors import Refusal

MAX_PARAMETERS = 64

# RFC 8707 section 2 and RFC 8693 section 2.1: what may be there several times
_REPEATABLE = frozenset({"resource", "audience"})
_MEDIA_TYPE = "application/x-www-form-urlencoded"
# what application/x-www-form-urlencoded leaves as it is, and whole percent triplets
_ENCODED = re.compile(rb"(?:[!-$&-<>-~]|=|%[0-9A-Fa-f]{2})*")
_PLAIN = re.compile(rb"[!-$,-<>-~]*")
_PLAIN_BODY = re.compile(rb"[!-$&,-~]*")  # the same with the characters that part pairs


@attrs.frozen
class Form:
    """The parameters of a request, each with its values in order; none of them is empty."""

    parameters: Mapping[str, tuple[str, ...]]

    @classmethod
    def from_body(cls, body: bytes, content_type: str | None) -> Self:
        """:raises Refusal: `request.content_type`, `request.form` or `request.repeated_parameter`."""
        _check_media_type(content_type)
        parameters: dict[str, tuple[str, ...]] = {}
        pairs = body.split(b"&") if body else []
        if len(pairs) > MAX_PARAMETERS:
            raise Refusal(reasons.REQUEST_FORM, {"detail": f"more than {MAX_PARAMETERS} parameters"})
        decode: Callable[[bytes], str] = bytes.decode if _PLAIN_BODY.fullmatch(body) else _decode
        for pair in pairs:
            encoded_name, _, encoded_value = pair.partition(b"=")
            name, value = decode(encoded_name), decode(encoded_value)
            before = parameters.get(name)
            if before is not None and name not in _REPEATABLE:
                raise Refusal(reasons.REQUEST_REPEATED_PARAMETER, {"parameter": _shown(name)})
            parameters[name] = (*(before or ()), value) if value else before or ()
        return cls(parameters)

    def get(self, name: str) -> str | None:
        """The parameter's value; None when it is absent or empty."""
        values = self.parameters.get(name)
        return values[0] if values else None

    def all(self, name: str) -> tuple[str, ...]:
        return self.parameters.get(name, ())

    def has(self, name: str) -> bool:
        """Whether the parameter is there with a value."""
        return bool(self.parameters.get(name))


def _check_media_type(content_type: str | None) -> None:
    """RFC 9110 section 8.3.1: the type without case, then parameters; UTF-8 is the only charset."""
    if content_type == _MEDIA_TYPE:
        return
    media_type, _, parameters = (content_type or "").partition(";")
    name, _, charset = parameters.partition("=")
    good = media_type.strip().lower() == _MEDIA_TYPE
    if parameters.strip():
        good = good and name.strip().lower() == "charset" and charset.strip().strip('"').lower() == "utf-8"
    if not good:
        raise Refusal(
            reasons.REQUEST_CONTENT_TYPE, {"expected": _MEDIA_TYPE, "seen": _shown(content_type or "")}
        )


def _decode(encoded: bytes) -> str:
    if _PLAIN.fullmatch(encoded):
        return encoded.decode("ascii")
    if not _ENCODED.fullmatch(encoded):
        raise Refusal(reasons.REQUEST_FORM, {"detail": "a character that must be percent-encoded"})
    try:
        text = unquote_to_bytes(encoded.replace(b"+", b" ")).decode("utf-8")
    except UnicodeDecodeError:
        raise Refusal(reasons.REQUEST_FORM, {"detail": "not UTF-8"}) from None
    if "\x00" in text:
        raise Refusal(reasons.REQUEST_FORM, {"detail": "a NUL character"})
    return text


def _shown(text: str) -> str:
    return text[:64]
