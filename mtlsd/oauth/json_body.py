"""Reading a JSON object from a request, strictly (RFC 8259), and within bounds.

What two readers could read differently is refused: members that are there twice, numbers that are none in
RFC 8259, text that is not UTF-8. What is deep or long is refused before anybody walks through it.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final, NoReturn

from mtlsd import reasons
from mtlsd.errors import Refusal

DEEPEST: Final = 8
"""How deep objects and lists may stand in each other; client metadata with a JWK Set takes four."""
MOST_VALUES: Final = 2048
"""How many members and list items there may be altogether."""
LONGEST_INTEGER: Final = 18

_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{},]")
_CONTENT_TYPE = re.compile(
    r'[ \t]*+application/json[ \t]*+(?:;[ \t]*+charset=("?)utf-8\1[ \t]*+)?+', re.IGNORECASE
)


def object_from_body(body: bytes, content_type: str | None) -> dict[str, Any]:
    """The object that the body is.

    :raises Refusal: `registration.json`, with a detail that the caller may see.
    """
    if _CONTENT_TYPE.fullmatch(content_type or "") is None:
        raise _refusal("the Content-Type is not application/json")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise _refusal("it is not UTF-8") from None
    _check_size(text)
    try:
        read = json.loads(
            text,
            object_pairs_hook=_members,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_no_constant,
        )
        json.dumps(read, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise _refusal("a string has half of a surrogate pair") from None
    except (ValueError, RecursionError):
        raise _refusal("it is not JSON (RFC 8259)") from None
    if not isinstance(read, dict):
        raise _refusal("it is not an object")
    return read


def _check_size(text: str) -> None:
    """Count brackets and commas outside strings; whether they stand where they should is seen later."""
    depth = values = 0
    for mark in _BRACKET.findall(_STRING.sub("", text)):
        if mark in "[{":
            depth += 1
        elif mark in "]}":
            depth -= 1
        if mark in "[{,":
            values += 1
        if depth > DEEPEST:
            raise _refusal(f"it is nested more than {DEEPEST} deep")
        if values > MOST_VALUES:
            raise _refusal(f"it has more than {MOST_VALUES} values")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _refusal("a member is there twice")
    return found


def _integer(digits: str) -> int:
    if len(digits) > LONGEST_INTEGER:
        raise _refusal("a number is too long")
    return int(digits)


def _number(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise _refusal("a number is too large")
    return number


def _no_constant(name: str) -> NoReturn:
    raise _refusal(f"{name} is no number of JSON")


def _refusal(detail: str) -> Refusal:
    return Refusal(reasons.REGISTRATION_JSON, {"detail": detail})
