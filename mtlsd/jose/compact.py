"""Reading a JWT of somebody else's: the compact serialization, taken apart strictly (RFC 7515, RFC 7519)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NoReturn, Self

import attrs

from mtlsd.jose import b64

_LATEST: Final = 253_402_300_799  # the last second that a datetime can name


@attrs.frozen
class CompactJwt:
    """A JWT that has been read. It proves nothing yet.

    :ivar signing_input: what the signature is over (RFC 7515 section 5.2).
    """

    header: Mapping[str, Any]
    claims: Mapping[str, Any] = attrs.field(repr=False)
    signing_input: bytes = attrs.field(repr=False)
    signature: bytes = attrs.field(repr=False)

    @classmethod
    def from_text(cls, text: str, longest: int) -> Self:
        """Read it (RFC 7515 section 7.1).

        A header with an extension that must be understood is refused: none is.

        :param longest: how many characters it may have.
        :raises ValueError: saying what is wrong, never with anything of the text: it is a secret.
        """
        parts = text.split(".") if len(text) <= longest else []
        if len(parts) != 3:
            raise ValueError(f"it is no JWT of at most {longest} characters")
        header, claims = (_object(part) for part in parts[:2])
        if "crit" in header or "b64" in header:
            raise ValueError("its header has an extension that must be understood, and is not")
        if not isinstance(header.get("kid", ""), str):
            raise ValueError("its kid is no string")
        return cls(header, claims, f"{parts[0]}.{parts[1]}".encode("ascii"), _bytes(parts[2]))


def instant_of(claims: Mapping[str, Any], name: str) -> datetime | None:
    """A claim that is a NumericDate (RFC 7519 section 2), aware; None where it is not there.

    :raises ValueError: where it is anything else.
    """
    if name not in claims:
        return None
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LATEST:
        raise ValueError(f"its {name} is no NumericDate")
    return datetime.fromtimestamp(value, UTC)


def json_object(data: bytes) -> dict[str, Any]:
    """A JSON object (RFC 8259) in UTF-8, in which no name is there twice (RFC 7519 section 4).

    :raises ValueError: for everything else.
    """
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError:
        value = None
    if not isinstance(value, dict):
        raise ValueError("no JSON object")
    return value


def _object(part: str) -> dict[str, Any]:
    data = _bytes(part)
    try:
        return json_object(data)
    except ValueError:
        raise ValueError("header or claims are no JSON object") from None


def _bytes(part: str) -> bytes:
    try:
        return b64.decode(part)
    except ValueError:
        raise ValueError("it is not base64url") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A name that is there twice means different things to different readers."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is there twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
