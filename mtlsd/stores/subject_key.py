"""The canonical key of a subject as text, so that a database can hold it unique."""

from __future__ import annotations

import json
from collections.abc import Hashable
from typing import Any


def subject_key_text(key: Hashable) -> str:
    """Write the key of a :class:`mtlsd.clients.client.Subject` as ASCII text.

    Two keys give the same text exactly when they are equal: every value carries its type.

    :raises TypeError: for a type that no subject's key has.
    """
    return json.dumps(_tagged(key), separators=(",", ":"))


def _tagged(value: Hashable) -> list[Any]:
    match value:
        case str():
            return ["s", value]
        case bytes():
            return ["b", value.hex()]
        case bool() | None:
            return ["c", value]
        case int():
            return ["i", value]
        case tuple():
            return ["t", *(_tagged(item) for item in value)]
        case frozenset():
            return ["f", *sorted((_tagged(item) for item in value), key=json.dumps)]
    raise TypeError(f"a subject's key holds a {type(value).__name__}")
